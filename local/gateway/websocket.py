"""The WebSocket API: authorizer and ``$connect`` at the handshake, routes by ``$request.body.action``, ``$disconnect``.

What API Gateway does, this does: the authorizer is asked at the handshake only and its context travels with every
event; a refusal is an HTTP answer to the handshake; a route's answer is sent back on the socket; a failed integration
is a message that says so and leaves the socket open. One difference: frames of one connection are handled one after
the other (API Gateway may run them side by side).
"""

import asyncio
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

import orjson
from websockets.http11 import Request, Response

from fullon.kernel.clock import SystemClock
from fullon.runtime.gateway import refusals
from fullon.runtime.gateway.authorizer import AuthorizerFailed
from fullon.runtime.gateway.invocation import InvokeFailure, Invoker
from fullon.runtime.gateway.parts import WEBSOCKET_PATHS
from fullon.runtime.gateway.responses import HttpResponse
from fullon.runtime.gateway.ws_authorizer import Denied, Unauthorized, authorize
from fullon.runtime.gateway.ws_events import EventBuilder, new_identifier, read_handshake
from fullon.runtime.manifest import Manifest
from local.gateway.access_log import AccessLog
from local.gateway.connections import Connection, Connections
from local.gateway.management import ManagementListener
from local.gateway.settings import GatewaySettings
from local.gateway.wire import Wire

INBOX_LIMIT = 16
"""Messages of one client that may wait; beyond it the socket is not read, so its sender is slowed, not the others."""
_FAREWELL_SECONDS = 2.0
_RESERVED = ("$connect", "$disconnect", "$default")


class WebSocketGateway:
    """Every WebSocket of the platform, and the management API for pushing to them.

    Args:
        pool: runs the functions.
        manifest: names the websocket function with its routes, and the authorizer.
        settings: limits, ports, and the environment whose access key the management API takes.
    """

    def __init__(self, pool: Invoker, manifest: Manifest, settings: GatewaySettings) -> None:
        function = manifest.websocket
        if function is None:
            raise ValueError("the manifest has no function of kind websocket")
        self._pool = pool
        self._function = function.name
        self._routes = frozenset(function.websocket_routes)
        self._authorizer = manifest.authorizer.name if manifest.authorizer else None
        self._settings = settings
        self._events = EventBuilder(settings.websocket_api_id, settings.account_id, settings.region)
        self._log = AccessLog(SystemClock())
        self._wires: dict[Wire, Connection | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._progress = asyncio.Event()
        self._management: ManagementListener | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self.connections = Connections(
            settings.websocket_message_limit,
            settings.websocket_idle_timeout,
            settings.websocket_maximum_age,
            lambda: asyncio.get_running_loop().time(),
        )

    @property
    def management_url(self) -> str:
        """Endpoint of the management API, once started."""
        assert self._management is not None
        return self._management.url

    async def start(self) -> None:
        """Open the management listener on loopback."""
        access_key = self._settings.environment.get("AWS_ACCESS_KEY_ID", "")
        self._management = ManagementListener(self.connections, access_key)
        await self._management.start(self._settings.management_port)
        self._sweeper = asyncio.create_task(self.connections.sweep())

    async def stop(self) -> None:
        """Say goodbye to every connection and close the management listener."""
        for wire in list(self._wires):
            wire.shutdown()
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._management is not None:
            await self._management.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                while self._wires or self._tasks:
                    self._progress.clear()
                    await self._progress.wait()
        for task in self._tasks:
            task.cancel()
        self._log.flush()

    def protocol(self, *, config: Any, server_state: Any, app_state: Any) -> asyncio.Protocol:
        """A wire for a connection that asks for an upgrade; called by uvicorn."""
        settings = self._settings
        wire = Wire(self, server_state, settings.websocket_message_limit, settings.websocket_buffer_limit)
        self._wires[wire] = None
        return wire

    # -- what happens on a wire

    def opening(self, wire: Wire, request: Request, response: Response) -> None:
        self._spawn(self._open(wire, request, response))

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

    async def _open(self, wire: Wire, request: Request, response: Response) -> None:
        handshake = read_handshake(
            request.path, request.headers.raw_items(), source_address=wire.peer, port=self._settings.port
        )
        now, loop = datetime.now(UTC), asyncio.get_running_loop()
        connection = Connection(new_identifier(), wire, handshake, now, loop.time())
        event = self._events.connect(connection.connection_id, handshake, now)
        request_id = event["requestContext"]["requestId"]
        try:
            refusal = await self._admit(connection, event, request_id) or await self._connect(event, request_id)
        except Exception:
            self._refuse(connection, refusals.internal(request_id))
            raise  # a fault of the gateway itself: logged where the task ends
        if refusal is not None:
            self._refuse(connection, refusal)
            return
        if wire not in self._wires or not wire.accept(response):
            connection.ended = (1006, "Connection lost")
            await self._disconnect(connection)
            return
        connection.opened = loop.time()
        self._wires[wire] = connection
        self.connections.add(connection)
        self._log.write("socket_opened", connection_id=connection.connection_id, source=handshake.source_address)

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
        try:
            answer = await self._pool.invoke(self._function, event)
            body = _body(answer)
        except (InvokeFailure, ValueError) as failure:
            self._log.write(
                "message_failed",
                level="error",
                connection_id=connection.connection_id,
                request_id=request_id,
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
        self._log.write("socket_closed", connection_id=identifier, code=code, reason=reason)
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
        try:
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
