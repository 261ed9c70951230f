"""One ASGI application for any container platform: all functions of the manifest, authorizer and WebSocket included.

The outcomes are API Gateway's: 401 for a missing credential, 403 for a refused one, an authorizer's answer reused by
identity, events that carry its context, ``X-API-Key`` as the edge takes it.
"""

import asyncio
import logging as standard_logging
from collections.abc import Mapping
from typing import Any

from fullon.kernel.clock import Clock, SystemClock
from fullon.kernel.errors import FullonError
from fullon.runtime import logging, metrics, schedules, tracing
from fullon.runtime.container import Container
from fullon.runtime.gateway import edge, refusals
from fullon.runtime.gateway.authorizer import Authorizer, AuthorizerFailed
from fullon.runtime.gateway.bodies import BodyTooLarge, ClientGone, read_body
from fullon.runtime.gateway.cors import CorsPolicy
from fullon.runtime.gateway.edge import EdgeHeaders
from fullon.runtime.gateway.held import HeldConnections
from fullon.runtime.gateway.http_events import EventBuilder, source_address
from fullon.runtime.gateway.in_process import InProcess
from fullon.runtime.gateway.invocation import PAYLOAD_LIMIT, FunctionTimedOut
from fullon.runtime.gateway.parts import Message, Receive, Scope, Send
from fullon.runtime.gateway.responses import HttpResponse
from fullon.runtime.gateway.routing import Match, RouteTable
from fullon.runtime.gateway.statics import PREFIX, StaticFolder
from fullon.runtime.manifest import Manifest
from fullon.runtime.settings import Settings

ACCOUNT_ID = "000000000000"
"""There is no AWS account; events and ARNs need one."""
POOL_SIZE = 10
"""Connections to each database of one process, unless ``DB_POOL_SIZE`` is set: all functions share them here."""

_log = standard_logging.getLogger("fullon.gateway")


class Application:
    """HTTP API, WebSocket API and dashboard of one process.

    Args:
        manifest: routes and functions.
        settings: of the stores and of this server.
        environment: holds the AWS keys with which the streamer's pushes are signed.

    Raises:
        Invalid: the settings cannot work; the sentence says which.
    """

    def __init__(
        self, manifest: Manifest, settings: Settings, environment: Mapping[str, str], clock: Clock | None = None
    ) -> None:
        if "db_pool_size" not in settings.model_fields_set:
            settings = settings.model_copy(update={"db_pool_size": POOL_SIZE})
        self._clock = clock or SystemClock()
        self._container = Container(settings, self._clock)
        assert self._container.tokens is not None, "bad keys end the start, not the first request"
        self._functions = InProcess(manifest, self._container)
        self._routes = RouteTable(manifest)
        self._events = EventBuilder(account_id=ACCOUNT_ID, api_id="fullon", region=settings.aws_region)
        self._authorizer: Authorizer | None = None
        if manifest.authorizer is not None:
            function = manifest.authorizer
            self._authorizer = Authorizer(self._functions, function.name, function.identity_ttl, self._clock)
        self._cors = CorsPolicy(settings.cors_origins)
        has_dashboard = settings.dashboard is not None and settings.dashboard.is_dir()
        self._statics = StaticFolder(settings.dashboard) if settings.dashboard and has_dashboard else None
        self._sockets = HeldConnections(self._functions, manifest, settings, environment)
        self._settings = settings
        self._scheduled = manifest.of_kind("schedule")
        self._budget = tracing.Budget(settings.traces_per_second)
        self._beside: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one WebSocket connection, or the server's start and end (ASGI 3)."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._sockets.serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def start(self) -> None:
        """Get ready for the first request; the stores are opened when they are needed."""
        await self._sockets.start()
        runs = schedules.run(
            self._scheduled, self._run_scheduled, self._clock, region=self._settings.aws_region, account_id=ACCOUNT_ID
        )
        self._beside = [
            asyncio.create_task(runs, name="scheduled functions"),
            asyncio.create_task(metrics.flush_forever(self._settings.metrics_seconds), name="metrics"),
        ]
        _log.info("server ready", extra={"management": self._sockets.management_url})

    async def stop(self) -> None:
        """End what is still open."""
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        await self._sockets.stop()
        tracing.flush()
        await self._container.close()

    async def _run_scheduled(self, name: str, event: Mapping[str, Any]) -> None:
        tracing.began(self._budget)
        with tracing.span("schedule", "producer", {"faas.invoked_name": name}):
            await self._functions.invoke(name, event, request_id=event["id"])

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.start()
                except (FullonError, OSError) as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = scope.get("server")
        headers = edge.read_headers(
            scope["headers"],
            peer=source_address(scope),
            scheme=scope["scheme"],
            port=(server[1] if server else None) or 80,
        )
        answer = _Answer(send, self._cors, headers.headers)
        request_id = edge.new_request_id()
        started = self._clock.monotonic()
        trace = tracing.arrived(headers.headers, self._budget)
        try:
            response = self._cors.preflight(scope["method"], headers.headers)
            if response is None:
                with tracing.span("gateway", "server", {"http.request.method": scope["method"]}):
                    response = await self._respond(scope, receive, answer, headers, request_id)
        except ClientGone:
            return
        except Exception:
            if answer.begun:
                raise  # the server cuts the answer off, so that nobody takes a half for the whole
            _log.exception("fault", extra={"request_id": request_id, "path": scope["path"]})
            response = refusals.internal(request_id)
        if response is None:
            return
        await answer.give(response)
        logging.clear()
        logging.bind(request_id=request_id, trace_id=trace.trace_id)
        facts = {"method": scope["method"], "path": scope["path"], "status": response.status}
        _log.info("request", extra={**facts, "duration_ms": round((self._clock.monotonic() - started) * 1000, 2)})

    async def _respond(
        self, scope: Scope, receive: Receive, answer: "_Answer", headers: EdgeHeaders, request_id: str
    ) -> HttpResponse | None:
        """Let a function answer, or say what this server answers itself."""
        match = self._routes.match(scope["method"], scope["path"])
        if match is None:
            return self._static_file(scope, headers) or refusals.not_found(request_id)
        try:
            return await self._call_function(scope, receive, answer, headers, request_id, match)
        except BodyTooLarge:
            return refusals.too_large(request_id)
        except AuthorizerFailed as failure:
            _log.error("authorizer failed", extra={"request_id": request_id, "cause": str(failure)})
            return refusals.authorizer_failed(request_id)
        except FunctionTimedOut as failure:
            if answer.begun:
                raise
            return refusals.failed(failure, request_id)

    async def _call_function(
        self,
        scope: Scope,
        receive: Receive,
        answer: "_Answer",
        headers: EdgeHeaders,
        request_id: str,
        match: Match,
    ) -> HttpResponse | None:
        route, path_parameters = match
        event = self._events.request(
            scope, headers, route, path_parameters, request_id=request_id, now=self._clock.now()
        )
        if route.authorised and self._authorizer is not None:
            refusal = await self._authorizer.admit(event, self._events.authorizer, request_id)
            if refusal is not None:
                return refusal
        body = await read_body(receive, scope["headers"], PAYLOAD_LIMIT)
        inner = {**scope, "aws.event": event}
        if tracing.is_recording():  # the framework's own spans take their parent from here
            others = [pair for pair in scope["headers"] if pair[0] != b"traceparent"]
            inner["headers"] = [*others, (b"traceparent", (tracing.traceparent() or "").encode())]
        await self._functions.serve(route.function, inner, _whole(body, receive), answer.send)
        return None

    def _static_file(self, scope: Scope, headers: EdgeHeaders) -> HttpResponse | None:
        path = scope["path"]
        is_static = path == PREFIX or path.startswith(PREFIX + "/")
        if self._statics is None or scope["method"] not in {"GET", "HEAD"} or not is_static:
            return None
        return self._statics.respond(path, headers.headers.get("if-none-match"))


class _Answer:
    """The answer of one request on its way out, whoever writes it."""

    def __init__(self, send: Send, cors: CorsPolicy, request_headers: dict[str, str]) -> None:
        self._send = send
        self._cors = cors
        self._request_headers = request_headers
        self.begun = False

    async def send(self, message: Message) -> None:
        """Pass on what a function sends (ASGI)."""
        if message["type"] == "http.response.start":
            self.begun = True
            response = HttpResponse(message["status"], list(message.get("headers", ())), b"")
            self._cors.apply(response, self._request_headers)
            message = {**message, "headers": response.headers}
        await self._send(message)

    async def give(self, response: HttpResponse) -> None:
        """Send a whole answer."""
        self._cors.apply(response, self._request_headers)
        has_body = response.status not in {204, 304}
        length = [(b"content-length", str(len(response.body)).encode())] if has_body else []
        await self._send(
            {"type": "http.response.start", "status": response.status, "headers": [*response.headers, *length]}
        )
        await self._send({"type": "http.response.body", "body": response.body if has_body else b""})


def _whole(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives the body at once, and then what the server says."""
    given = False

    async def give() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give
