"""Turns events of the WebSocket API into use cases, and their outcomes into answers; no framework, for a short start.

The identity comes from the authorizer's context and from nowhere else; an event without one is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import orjson

from fullon.fleet import cache as fleet
from fullon.identity.errors import SessionEnded
from fullon.identity.model import Identity
from fullon.kernel.errors import FullonError, LimitExceeded, Unavailable
from fullon.runtime import logging as context
from fullon.runtime import manifest, tracing
from fullon.runtime.container import Container
from fullon.runtime.problems import problem, status_of
from fullon.streams.catalogue import Catalogue
from fullon.streams.frames import Error
from fullon.streams.model import Limits, request_id_of
from fullon.streams.service import Sockets

_DONE = {"statusCode": 200}
_log = logging.getLogger("fullon.websocket")


class Routes:
    """All routes of the API.

    Args:
        limits: what one user may do; a test may lower them.
    """

    def __init__(self, container: Container, limits: Limits | None = None) -> None:
        self._container = container
        self._limits = limits
        self._made: Sockets | None = None

    async def answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Serve one event; the body of the answer goes back on the socket."""
        request = event["requestContext"]
        connection_id, route = str(request["connectionId"]), request["routeKey"]
        context.bind(connection_id=connection_id, route=route)
        if route == "$disconnect":
            await self._sockets().disconnect(connection_id)
            return _DONE
        if route == "$connect":
            return await self._connect(connection_id, request)
        text = event.get("body")
        try:
            found = await self._sockets().answer(connection_id, _identity(request), text)
        except FullonError as error:
            return await self._refuse(connection_id, text, error)
        return {"statusCode": 200, "body": orjson.dumps(found).decode()}

    async def _connect(self, connection_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """An answer that is not 2xx refuses the handshake."""
        try:
            await self._sockets().connect(connection_id, _identity(request))
        except FullonError as error:
            _log.info("connection refused", extra={"code": error.code})
            document = problem(
                status_of(error), error.code, error.detail, str(request["requestId"]), None, **error.facts
            )
            headers = {"Content-Type": "application/problem+json"}
            if isinstance(error, LimitExceeded | Unavailable) and error.retry_after:
                headers["Retry-After"] = str(error.retry_after)
            return {"statusCode": document["status"], "headers": headers, "body": orjson.dumps(document).decode()}
        return _DONE

    async def _refuse(self, connection_id: str, text: str | None, error: FullonError) -> dict[str, Any]:
        _log.info("frame refused", extra={"code": error.code})
        try:
            await self._sockets().refused(connection_id)
        except FullonError as failure:  # counting is not worth a second error
            _log.warning("refusal not counted", extra={"code": failure.code})
        return {"statusCode": 200, "body": orjson.dumps(error_frame(error, request_id_of(text))).decode()}

    def _sockets(self) -> Sockets:
        if self._made is None:
            container = self._container
            self._made = Sockets(
                transaction=container.transaction,
                valkey=container.valkey,
                principals=container.principals,
                catalogue=Catalogue(container.connection, container.clock),
                clock=container.clock,
                processes=[fleet.key(daemon.name) for daemon in manifest.load().daemons],
                limits=self._limits,
                trace=tracing.traceparent,
            )
        return self._made


def error_frame(error: FullonError, request_id: str | int | None) -> Error:
    """An error as a frame: the members of its problem document, ``type`` apart."""
    fields: dict[str, str] | None = getattr(error, "fields", None)
    document = problem(status_of(error), error.code, error.detail, "", fields, **error.facts)
    document["problem"] = document["type"]
    document["type"] = "error"
    del document["request_id"]
    if request_id is not None:
        document["request_id"] = request_id
    if isinstance(error, LimitExceeded | Unavailable) and error.retry_after:
        document["retry_after"] = error.retry_after
    return document  # type: ignore[return-value]


def _identity(request: Mapping[str, Any]) -> Identity:
    """Who the authorizer said this is.

    Raises:
        SessionEnded: it said nothing that can be read; the function never trusts anything else.
    """
    try:
        identity = Identity.from_context(request["authorizer"])
    except (KeyError, TypeError, ValueError) as error:
        raise SessionEnded from error
    context.bind(user_id=str(identity.user_id))
    return identity
