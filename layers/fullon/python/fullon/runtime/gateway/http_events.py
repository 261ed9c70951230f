"""Events of an HTTP API in payload format 2.0, for its functions and its authorizer.

Source: API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs" and "Control access to HTTP
APIs with AWS Lambda authorizers"; what the guide leaves open follows observed behaviour of AWS: ``rawPath`` is
percent-decoded and ``rawQueryString`` is not, and a body travels as text only for ``text/*`` and JSON, XML and
JavaScript; every other content type, forms and a missing one included, is base64-encoded.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from fullon.runtime.gateway.edge import EdgeHeaders
from fullon.runtime.gateway.parts import Scope
from fullon.runtime.gateway.routing import Route

STAGE = "$default"
_TEXT_TYPES = frozenset({"application/json", "application/javascript", "application/xml"})
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class EventBuilder:
    """Builds the events of one API."""

    def __init__(self, *, account_id: str, api_id: str, region: str) -> None:
        self._account_id = account_id
        self._api_id = api_id
        self._arn = f"arn:aws:execute-api:{region}:{account_id}:{api_id}/{STAGE}"
        self._clock_text: tuple[int, str] = (-1, "")

    def request(
        self,
        scope: Scope,
        edge: EdgeHeaders,
        route: Route,
        path_parameters: dict[str, str] | None,
        *,
        request_id: str,
        now: datetime,
    ) -> dict[str, Any]:
        """The event of a request, still without body and authorizer context."""
        headers = edge.headers
        domain = _host_name(headers.get("host", ""))
        epoch = now.timestamp()
        query = scope["query_string"].decode("latin-1")
        path: str = scope["path"]
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": route.key,
            "rawPath": path,
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {
                "accountId": self._account_id,
                "apiId": self._api_id,
                "domainName": domain,
                "domainPrefix": domain.partition(".")[0],
                "http": {
                    "method": scope["method"],
                    "path": path,
                    "protocol": f"HTTP/{scope['http_version']}",
                    "sourceIp": source_address(scope),
                    "userAgent": headers.get("user-agent", ""),
                },
                "requestId": request_id,
                "routeKey": route.key,
                "stage": STAGE,
                "time": self._time_text(int(epoch)),
                "timeEpoch": int(epoch * 1000),
            },
        }
        if edge.cookies:
            event["cookies"] = edge.cookies
        if query:
            event["queryStringParameters"] = _query_parameters(query)
        if path_parameters:
            event["pathParameters"] = path_parameters
        return event

    def authorizer(self, request: Mapping[str, Any], identity: str) -> dict[str, Any]:
        """The event of the Lambda authorizer for a request's event and its identity source."""
        http = request["requestContext"]["http"]
        return {
            **request,
            "type": "REQUEST",
            "routeArn": f"{self._arn}/{http['method']}{http['path']}",
            "identitySource": [identity],
        }

    def _time_text(self, epoch_seconds: int) -> str:
        if self._clock_text[0] != epoch_seconds:
            moment = datetime.fromtimestamp(epoch_seconds, UTC)
            text = f"{moment:%d}/{_MONTHS[moment.month - 1]}/{moment:%Y:%H:%M:%S} +0000"
            self._clock_text = (epoch_seconds, text)
        return self._clock_text[1]


def add_body(event: dict[str, Any], body: bytes) -> None:
    """Put a request's body into its event, as text or base64-encoded."""
    event["isBase64Encoded"] = False
    if not body:
        return
    event["headers"].setdefault("content-length", str(len(body)))
    content_type = event["headers"].get("content-type", "").partition(";")[0].strip().lower()
    if content_type in _TEXT_TYPES or content_type.startswith("text/"):
        try:
            event["body"] = body.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            return
    event["body"] = base64.b64encode(body).decode("ascii")
    event["isBase64Encoded"] = True


def source_address(scope: Scope) -> str:
    """Address of the peer; forwarding headers are claims of the client and do not count."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] or "localhost"


def _query_parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters
