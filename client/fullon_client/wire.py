"""Between calls and HTTP: the request of a call, the content of an answer, the error of a failure. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from fullon_client.calls import Call
from fullon_client.errors import Problem, SessionEnded, UnexpectedAnswer, Unreachable, kind_of
from fullon_client.records import write
from fullon_client.session import Credential

_STANDARD = frozenset({"type", "title", "status", "detail", "code", "request_id", "errors", "retry_after", "problem"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def options_of(url: str) -> dict[str, Any]:
    """Options of an HTTP client for this address: loopback needs no proxy."""
    return {
        "base_url": url.rstrip("/"),
        "trust_env": urlsplit(url).hostname not in _LOOPBACK,
        "follow_redirects": False,
    }


def socket_address(url: str) -> str:
    """Where the socket of a platform is."""
    return "ws" + url.rstrip("/").removeprefix("http") + "/ws"


def request_of(call: Call[Any], credential: Credential) -> dict[str, Any]:
    """Arguments of the HTTP client's `request`."""
    headers = {} if call.is_public else dict(credential.headers())
    if call.key is not None:
        headers["Idempotency-Key"] = call.key
    request: dict[str, Any] = {"method": call.method, "url": call.path, "headers": headers}
    if parameters := {name: _text(value) for name, value in call.parameters.items() if value is not None}:
        request["params"] = parameters
    if call.body is not None:
        request["json"] = write(call.body)
    return request


def content_of(answer: httpx2.Response) -> Any:
    """JSON, text or bytes of a good answer; None when there is no content.

    Raises:
        Problem: it is not a good answer.
        UnexpectedAnswer: it says it is JSON and is not.
    """
    if not answer.is_success:
        raise problem_of(answer)
    if not answer.content:
        return None
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if kind.endswith("json"):
        try:
            return answer.json()
        except ValueError:
            raise UnexpectedAnswer("The answer says that it is JSON and is not.") from None
    return answer.text if kind.startswith("text/") else answer.content


def problem_of(answer: httpx2.Response) -> Problem:
    """The error of an answer that is none of success."""
    try:
        document = answer.json()
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    return problem_from(
        document,
        status=answer.status_code,
        request_id=answer.headers.get("x-request-id"),
        retry_after=answer.headers.get("retry-after"),
    )


def problem_from(
    document: Mapping[str, Any], *, status: int, request_id: str | None = None, retry_after: str | None = None
) -> Problem:
    """The error of a problem document, or of an error frame of the socket."""
    code = document.get("code")
    detail = document.get("detail") or document.get("message") or f"The call was answered with status {status}."
    kind = SessionEnded if status == 401 and code == "session_ended" else kind_of(status)
    return kind(
        status,
        str(code or "error"),
        str(detail),
        fields=_fields(document.get("errors")),
        request_id=document.get("request_id") or request_id,
        retry_after=_seconds(retry_after if retry_after is not None else document.get("retry_after")),
        facts={name: value for name, value in document.items() if name not in _STANDARD},
    )


def is_refused(answer: httpx2.Response) -> bool:
    """Whether the credential was refused, rather than the person: then tokens are renewed once.

    A gateway answers 403 to a token that has ended. An application names its reason; Amazon's gateway gives none, ours
    and the one server's theirs.
    """
    if answer.status_code == 401:
        return True
    if answer.status_code != 403:
        return False
    try:
        body = answer.json()
    except ValueError:
        return True
    return not isinstance(body, dict) or body.get("code") in {None, "credential_refused"}


def failure_of(error: httpx2.HTTPError, url: str) -> Unreachable:
    """The error of a call that got no answer."""
    if isinstance(error, httpx2.TimeoutException):
        return Unreachable(f"{url} did not answer in time.", timed_out=True)
    return Unreachable(f"{url} cannot be reached.")


def ended(answer: httpx2.Response) -> SessionEnded | None:
    """The error when a renewal was refused; None when it was not."""
    if answer.status_code not in {400, 401, 403, 422}:
        return None
    problem = problem_of(answer)
    return SessionEnded(problem.status, problem.code, "The session has ended.", request_id=problem.request_id)


def _fields(errors: object) -> dict[str, str]:
    if not isinstance(errors, list):
        return {}
    return {str(item.get("field", "")): str(item.get("message", "")) for item in errors if isinstance(item, dict)}


def _seconds(value: object) -> float | None:
    try:
        return None if value is None else float(str(value))
    except ValueError:  # a date: nobody here sends one
        return None


def _text(value: object) -> Any:
    written = write(value)
    return str(written).lower() if isinstance(written, bool) else written
