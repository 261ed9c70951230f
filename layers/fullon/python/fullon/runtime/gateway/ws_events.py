"""Events of an API Gateway WebSocket API, as Lambda gets them.

Source: API Gateway Developer Guide, "Set up a Lambda proxy integration for WebSocket APIs" and "$context variables for
WebSocket APIs"; the shapes are held against recorded events by a test.
"""

import base64
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from fullon.runtime.gateway.edge import new_trace_id

STAGE = "$default"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def new_identifier() -> str:
    """An id as API Gateway makes them for connections, messages and requests: 88 random bits, URL-safe base64."""
    return base64.urlsafe_b64encode(os.urandom(11)).decode("ascii")


@dataclass(frozen=True, slots=True)
class Handshake:
    """The upgrade request of a client. ``query`` may hold a ticket or a token: never log it."""

    path: str
    query: str = field(repr=False)
    headers: Mapping[str, list[str]] = field(repr=False)
    source_address: str
    port: int

    @property
    def user_agent(self) -> str:
        """What the client says it is."""
        return ",".join(self.headers.get("User-Agent", []))

    @property
    def host(self) -> str:
        """The name it asked for, without a port."""
        name = ",".join(self.headers.get("Host", []))
        if name.startswith("["):
            return name[1:].partition("]")[0]
        return name.partition(":")[0] or "localhost"


def read_handshake(target: str, headers: Iterable[tuple[str, str]], *, source_address: str, port: int) -> Handshake:
    """Take a request line's target and headers; the edge's own headers are added as in front of the HTTP API.

    An API key in ``X-API-Key`` becomes ``Authorization: Bearer KEY`` when there is no ``Authorization``.
    """
    path, _, query = target.partition("?")
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(_written(name), []).append(value)
    if "Authorization" not in found and (key := ",".join(found.pop("X-Api-Key", []))):
        found["Authorization"] = [f"Bearer {key}"]
    claimed = ", ".join(found.get("X-Forwarded-For", []))
    found["X-Forwarded-For"] = [f"{claimed}, {source_address}" if claimed else source_address]
    found["X-Forwarded-Port"] = [str(port)]
    found["X-Forwarded-Proto"] = ["http"]
    found.setdefault("X-Amzn-Trace-Id", [new_trace_id()])
    return Handshake(path, query, found, source_address, port)


@dataclass(frozen=True, slots=True)
class EventBuilder:
    """Makes the events of one API."""

    api_id: str
    account_id: str
    region: str

    @property
    def method_arn(self) -> str:
        """What an authorizer allows or denies: the API's ``$connect`` route."""
        return f"arn:aws:execute-api:{self.region}:{self.account_id}:{self.api_id}/{STAGE}/$connect"

    def connect(self, connection_id: str, handshake: Handshake, connected_at: datetime) -> dict[str, Any]:
        """The event of ``$connect``, still without the authorizer's context."""
        headers = handshake.headers
        event: dict[str, Any] = {
            "headers": {name: values[-1] for name, values in headers.items()},
            "multiValueHeaders": dict(headers),
            "requestContext": self._context(
                "$connect", "CONNECT", connection_id, handshake, connected_at, connected_at
            ),
            "isBase64Encoded": False,
        }
        if handshake.query:
            multiple: dict[str, list[str]] = {}
            for name, value in parse_qsl(handshake.query, keep_blank_values=True):
                multiple.setdefault(name, []).append(value)
            event["queryStringParameters"] = {name: values[-1] for name, values in multiple.items()}
            event["multiValueQueryStringParameters"] = multiple
        return event

    def authorizer(self, connect: Mapping[str, Any]) -> dict[str, Any]:
        """The event of the REQUEST authorizer for a ``$connect`` event."""
        return {
            "type": "REQUEST",
            "methodArn": self.method_arn,
            "headers": connect["headers"],
            "multiValueHeaders": connect["multiValueHeaders"],
            "queryStringParameters": connect.get("queryStringParameters", {}),
            "multiValueQueryStringParameters": connect.get("multiValueQueryStringParameters", {}),
            "stageVariables": {},
            "requestContext": connect["requestContext"],
        }

    def message(
        self,
        route: str,
        body: str,
        connection_id: str,
        handshake: Handshake,
        connected_at: datetime,
        now: datetime,
        authorizer: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """The event of a message on ``route``."""
        context = self._context(route, "MESSAGE", connection_id, handshake, connected_at, now, authorizer)
        context["messageId"] = new_identifier()
        return {"requestContext": context, "body": body, "isBase64Encoded": False}

    def disconnect(
        self,
        code: int,
        reason: str,
        connection_id: str,
        handshake: Handshake,
        connected_at: datetime,
        now: datetime,
        authorizer: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """The event of ``$disconnect``; ``code`` and ``reason`` are those of the close."""
        context = self._context("$disconnect", "DISCONNECT", connection_id, handshake, connected_at, now, authorizer)
        context["disconnectStatusCode"] = code
        context["disconnectReason"] = reason
        headers = {"Host": ",".join(handshake.headers.get("Host", []))}
        headers |= {"x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
        return {
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "requestContext": context,
            "isBase64Encoded": False,
        }

    def _context(
        self,
        route: str,
        kind: str,
        connection_id: str,
        handshake: Handshake,
        connected_at: datetime,
        now: datetime,
        authorizer: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        request_id = new_identifier()
        identity = {"sourceIp": handshake.source_address}
        if handshake.user_agent:
            identity["userAgent"] = handshake.user_agent
        context: dict[str, Any] = {
            "routeKey": route,
            "eventType": kind,
            "extendedRequestId": request_id,
            "requestTime": _common_log_time(now),
            "messageDirection": "IN",
            "stage": STAGE,
            "connectedAt": int(connected_at.timestamp() * 1000),
            "requestTimeEpoch": int(now.timestamp() * 1000),
            "identity": identity,
            "requestId": request_id,
            "domainName": handshake.host,
            "connectionId": connection_id,
            "apiId": self.api_id,
        }
        if authorizer is not None:
            context["authorizer"] = dict(authorizer)
        return context


def _written(name: str) -> str:
    """A header's name as API Gateway writes it; the server in front has put it into lower case."""
    return "-".join(part.capitalize() for part in name.split("-")).replace("Websocket", "WebSocket")


def _common_log_time(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc:%d}/{_MONTHS[utc.month - 1]}/{utc:%Y:%H:%M:%S} +0000"
