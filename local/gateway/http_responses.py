"""From what a function returned to what the client gets: the response side of payload format 2.0.

Source: API Gateway Developer Guide, "Lambda function response for format 2.0". With ``statusCode`` the answer is the
whole response; without it, it is the body of a 200 of type ``application/json``.
"""

import base64
import binascii
from typing import Any

import orjson

from fullon.runtime.gateway.responses import Headers, HttpResponse

_DEFAULT_TYPE = b"text/plain;charset=UTF-8"
_OWN_HEADERS = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade", b"date"})
_FORBIDDEN = str.maketrans("", "", "\r\n\0")


class MalformedResponse(ValueError):
    """The function's answer is not a response; says which part is wrong, without quoting it."""


def parse(answer: bytes) -> HttpResponse:
    """Read a function's answer; raises ``MalformedResponse``."""
    try:
        document = orjson.loads(answer)
    except orjson.JSONDecodeError as error:
        raise MalformedResponse("it is not JSON") from error
    if not isinstance(document, dict) or "statusCode" not in document:
        body = document.encode() if isinstance(document, str) else answer
        return HttpResponse(200, [(b"content-type", b"application/json")], body)
    headers = _headers(document.get("headers"))
    length = None
    for position, (name, value) in enumerate(headers):
        if name == b"content-length":
            length = int(value) if value.isdigit() else None
            del headers[position]
            break
    if not any(name == b"content-type" for name, _ in headers):
        headers.append((b"content-type", _DEFAULT_TYPE))
    headers += _cookies(document.get("cookies"))
    return HttpResponse(_status(document["statusCode"]), headers, _body(document), length)


def _status(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if type(value) is not int or not 200 <= value <= 599:
        raise MalformedResponse("statusCode is not an HTTP status")
    return value


def _headers(value: Any) -> Headers:
    if value is None:
        return []
    if not isinstance(value, dict):
        raise MalformedResponse("headers is not an object")
    headers: Headers = []
    for name, content in value.items():
        if isinstance(content, bool):
            content = "true" if content else "false"
        elif isinstance(content, int | float):
            content = str(content)
        if not isinstance(content, str):
            raise MalformedResponse("a header is neither text nor number")
        raw_name = _line(name, "ascii").lower()
        if raw_name not in _OWN_HEADERS:
            headers.append((raw_name, _line(content, "utf-8")))
    return headers


def _cookies(value: Any) -> Headers:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(cookie, str) for cookie in value):
        raise MalformedResponse("cookies is not a list of texts")
    return [(b"set-cookie", _line(cookie, "utf-8")) for cookie in value]


def _line(text: str, encoding: str) -> bytes:
    if not text.isprintable() and text.translate(_FORBIDDEN) != text:
        raise MalformedResponse("a header contains a line break")
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        raise MalformedResponse("a header's name is not ASCII") from error


def _body(document: dict[str, Any]) -> bytes:
    body = document.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedResponse("body is not text")
    if not document.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise MalformedResponse("body is not base64") from error
