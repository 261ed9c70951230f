"""The WebSocket API: authorizer and ``$connect`` at the handshake, routes by ``$request.body.action``, ``$disconnect``.

What API Gateway does, this does: the authorizer is asked at the handshake only and its context travels with every
event; a refusal is an HTTP answer to the handshake; a route's answer is sent back on the socket; a failed integration
is a message that says so and leaves the socket open. One difference: frames of one connection are handled one after
the other (API Gateway may run them side by side).
"""

import asyncio
import traceback
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, cast

import orjson

from fullon.runtime import tracing
from fullon.runtime.gateway import refusals
from fullon.runtime.gateway.authorizer import AuthorizerFailed
from fullon.runtime.gateway.connections import GOING_AWAY, Connection, Connections, Wire
from fullon.runtime.gateway.invocation import InvokeFailure, Invoker
from fullon.runtime.gateway.parts import WEBSOCKET_PATHS
from fullon.runtime.gateway.responses import HttpResponse
from fullon.runtime.gateway.ws_authorizer import Denied, Unauthorized, authorize
from fullon.runtime.gateway.ws_events import EventBuilder, Handshake, new_identifier, read_handshake
from fullon.runtime.manifest import Manifest
from fullon.runtime.tracing import Budget

INBOX_LIMIT = 16
"""Messages of one client that may wait; beyond it the socket is not read, so its sender is slowed, not the others."""
_FAREWELL_SECONDS = 2.0
_RESERVED = ("$connect", "$disconnect", "$default")


class EventLog(Protocol):
    """Where the API writes what happens."""

    def write(self, event: str, *, level: str = "info", **fields: Any) -> None:
        """Add a line."""


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """What API Gateway allows a connection; times are seconds.

    ``message`` is bytes in either direction, ``idle_timeout`` without a frame, ``maximum_age`` of any connection.
    """

    message: int = 128 * 1024
    idle_timeout: float = 600.0
    maximum_age: float = 7200.0


class SocketApi:
    """Every WebSocket that a server has open.

    Args:
        functions: runs them.
        manifest: names the websocket function with its routes, and the authorizer.
        events: makes their events.
        new_id: makes a connection's id.
        budget: which messages are traced; by default none but those of handshakes that ask for it.
    """

    def __init__(
        self,
        functions: Invoker,
        manifest: Manifest,
        events: EventBuilder,
        limits: SocketLimits,
        log: EventLog,
        *,
        new_id: Callable[[], str] = new_identifier,
        budget: Budget | None = None,
    ) -> None:
        function = manifest.websocket
        if function is None:
            raise ValueError("the manifest has no function of kind websocket")
        self._pool = functions
        self._function = function.name
        self._routes = frozenset(function.websocket_routes)
        self._authorizer = manifest.authorizer.name if manifest.authorizer else None
        self._events = events
        self._log = log
        self._new_id = new_id
        self._budget = budget or Budget(0)
        self._wires: dict[Wire, Connection | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._progress = asyncio.Event()
        self._sweeper: asyncio.Task[None] | None = None
        self.connections = Connections(
            limits.message, limits.idle_timeout, limits.maximum_age, lambda: asyncio.get_running_loop().time()
        )

    async def start(self) -> None:
        """Begin to look after the age of connections."""
        self._sweeper = asyncio.create_task(self.connections.sweep())

    def say_goodbye(self) -> None:
        """Close every connection."""
        for wire in list(self._wires):
            wire.close(GOING_AWAY, "Going away")

    async def stop(self) -> None:
        """Close every connection, and wait a little until the functions know."""
        self.say_goodbye()
        if self._sweeper is not None:
            self._sweeper.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                while self._wires or self._tasks:
                    self._progress.clear()
                    await self._progress.wait()
        for task in self._tasks:
            task.cancel()

    def add(self, wire: Wire) -> None:
        """A server has a connection on which a handshake may follow."""
        self._wires[wire] = None

    # -- what happens on a wire

    def opening(self, wire: Wire, target: str, headers: Iterable[tuple[str, str]]) -> None:
        handshake = read_handshake(target, headers, source_address=wire.peer, port=wire.port)
        self._spawn(self._open(wire, handshake))

    def received(self, wire: Wire, text: str) -> None:
        connection = self._wires.get(wire)
        if connection is None:
            return
        connection.inbox.append(text)
        if len(connection.inbox) >= INBOX_LIMIT:
            wire.pause()
        if connection.work is None:
            connection.work = self._spawn(self._work(connection))

    def closed(self, wire: Wire, code: int, reason: str) -> None:
        connection = self._wires.pop(wire, None)
        self._progress.set()
        if connection is None:
            return
        self.connections.remove(connection)
        connection.ended = (code, reason)
        if connection.work is None:
            connection.work = self._spawn(self._work(connection))

    # -- handshake

    async def _open(self, wire: Wire, handshake: Handshake) -> None:
        now, loop = datetime.now(UTC), asyncio.get_running_loop()
        connection = Connection(self._new_id(), wire, handshake, now, loop.time())
        event = self._events.connect(connection.connection_id, handshake, now)
        request_id = event["requestContext"]["requestId"]
        trace = tracing.arrived({name.lower(): value for name, value in event["headers"].items()}, self._budget)
        try:
            with tracing.span("socket $connect", "server"):
                refusal = await self._admit(connection, event, request_id) or await self._connect(event, request_id)
        except Exception:
            self._refuse(connection, refusals.internal(request_id))
            raise  # a fault of the gateway itself: logged where the task ends
        if refusal is not None:
            self._refuse(connection, refusal)
            return
        if wire not in self._wires or not wire.accept():
            connection.ended = (1006, "Connection lost")
            await self._disconnect(connection)
            return
        connection.opened = loop.time()
        self._wires[wire] = connection
        self.connections.add(connection)
        self._log.write(
            "socket_opened",
            request_id=request_id,
            trace_id=trace.trace_id,
            connection_id=connection.connection_id,
            user_id=(connection.authorizer or {}).get("user_id"),
            source=handshake.source_address,
        )

    async def _admit(self, connection: Connection, event: dict[str, Any], request_id: str) -> HttpResponse | None:
        if connection.handshake.path not in WEBSOCKET_PATHS:
            return refusals.not_found(request_id)
        if self._authorizer is None:
            return None
        asked = self._events.authorizer(event)
        try:
            connection.authorizer = await authorize(self._pool, self._authorizer, asked, request_id)
        except Unauthorized:
            return refusals.unauthorized(request_id)
        except Denied:
            return refusals.forbidden(request_id)
        except AuthorizerFailed as failure:
            self._log.write("authorizer_failed", level="error", request_id=request_id, error=str(failure))
            return refusals.authorizer_failed(request_id)
        event["requestContext"]["authorizer"] = connection.authorizer
        return None

    async def _connect(self, event: dict[str, Any], request_id: str) -> HttpResponse | None:
        """Run ``$connect``; an answer that is not 2xx refuses the connection with its status and body."""
        if "$connect" not in self._routes:
            return None
        try:
            answer = await self._pool.invoke(self._function, event)
        except InvokeFailure as failure:
            self._log.write(
                "message_failed", level="error", request_id=request_id, route="$connect", error=str(failure)
            )
            return refusals.failed(failure, request_id)
        status = answer.get("statusCode") if isinstance(answer, dict) else None
        if type(status) is not int or not 100 <= status <= 599:
            return refusals.malformed(self._function, request_id)
        if 200 <= status < 300:
            return None
        body = answer.get("body")
        kind = (answer.get("headers") or {}).get("Content-Type", "application/json")
        headers = [(b"content-type", str(kind).encode("latin-1")), (b"x-request-id", request_id.encode())]
        return HttpResponse(status, headers, body.encode() if isinstance(body, str) else b"")

    def _refuse(self, connection: Connection, response: HttpResponse) -> None:
        self._wires.pop(connection.wire, None)
        connection.wire.refuse(response.status, response.headers, response.body)
        source = connection.handshake.source_address
        self._log.write("socket_refused", level="warning", status=response.status, source=source)

    # -- messages

    async def _work(self, connection: Connection) -> None:
        """Handle what waits of one client, in order; after its end, tell the function."""
        while connection.inbox:
            text = connection.inbox.popleft()
            if len(connection.inbox) == INBOX_LIMIT // 2:
                connection.wire.resume()
            await self._message(connection, text)
        if connection.ended is None:
            connection.work = None
            return
        await self._disconnect(connection)

    async def _message(self, connection: Connection, text: str) -> None:
        route = self._route(text)
        event = self._events.message(
            route or "$default",
            text,
            connection.connection_id,
            connection.handshake,
            connection.connected_at,
            datetime.now(UTC),
            connection.authorizer,
        )
        request_id = event["requestContext"]["requestId"]
        if route is None:
            self._say(connection, "Forbidden", request_id)
            return
        trace = tracing.began(self._budget)
        try:
            with tracing.span(f"socket {route}", "server"):
                answer = await self._pool.invoke(self._function, event)
            body = _body(answer)
        except (InvokeFailure, ValueError) as failure:
            self._log.write(
                "message_failed",
                level="error",
                connection_id=connection.connection_id,
                request_id=request_id,
                trace_id=trace.trace_id,
                route=route,
                error=str(failure),
            )
            self._say(connection, "Internal server error", request_id)
            return
        if body is not None:
            connection.wire.send(body)

    def _route(self, text: str) -> str | None:
        """The route that the selection expression ``$request.body.action`` picks; None when there is none."""
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError:
            document = None
        action = document.get("action") if isinstance(document, dict) else None
        if isinstance(action, str) and action in self._routes and action not in _RESERVED:
            return action
        return "$default" if "$default" in self._routes else None

    def _say(self, connection: Connection, message: str, request_id: str) -> None:
        """The gateway's own message, as API Gateway words it."""
        document = {"message": message, "connectionId": connection.connection_id, "requestId": request_id}
        connection.wire.send(orjson.dumps(document))

    async def _disconnect(self, connection: Connection) -> None:
        code, reason = cast("tuple[int, str]", connection.ended)
        identifier = connection.connection_id
        user_id = (connection.authorizer or {}).get("user_id")
        self._log.write("socket_closed", connection_id=identifier, user_id=user_id, code=code, reason=reason)
        if "$disconnect" not in self._routes:
            return
        event = self._events.disconnect(
            code,
            reason,
            identifier,
            connection.handshake,
            connection.connected_at,
            datetime.now(UTC),
            connection.authorizer,
        )
        tracing.began(self._budget)
        try:
            with tracing.span("socket $disconnect", "server"):
                await self._pool.invoke(self._function, event)
        except InvokeFailure as failure:  # best effort, as in the cloud
            self._log.write(
                "message_failed", level="error", connection_id=identifier, route="$disconnect", error=str(failure)
            )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._progress.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.write("fault", level="error", error="".join(traceback.format_exception(error)))


def _body(answer: Any) -> bytes | None:
    """What a route's answer sends back; raises ``ValueError`` when it is not an answer of a proxy integration."""
    if not isinstance(answer, dict) or type(answer.get("statusCode")) is not int:
        raise ValueError("the answer has no statusCode")
    body = answer.get("body") or ""
    if isinstance(body, str):
        return body.encode() or None
    raise ValueError("the body of the answer is not a text")
