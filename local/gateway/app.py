"""The gateway: an ASGI application that turns requests into events, and functions' answers into responses."""

import asyncio
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from fullon.kernel.clock import Clock, SystemClock
from fullon.runtime import schedules, tracing
from fullon.runtime.gateway import edge, refusals
from fullon.runtime.gateway.authorizer import Authorizer, AuthorizerFailed
from fullon.runtime.gateway.bodies import BodyTooLarge, ClientGone, read_body
from fullon.runtime.gateway.cors import CorsPolicy
from fullon.runtime.gateway.http_events import EventBuilder, add_body, source_address
from fullon.runtime.gateway.invocation import PAYLOAD_LIMIT, InvokeFailure
from fullon.runtime.gateway.parts import Receive, Scope, Send
from fullon.runtime.gateway.responses import HttpResponse
from fullon.runtime.gateway.routing import Match, RouteTable
from fullon.runtime.gateway.statics import PREFIX, StaticFolder
from fullon.runtime.manifest import Manifest
from local.gateway import http_responses
from local.gateway.access_log import AccessLog
from local.gateway.http_responses import MalformedResponse
from local.gateway.parts import WebSocketPart
from local.gateway.settings import GatewaySettings
from local.lambda_runtime.fleet import Limits
from local.lambda_runtime.pool import FunctionPool
from local.lambda_runtime.reload import CodeWatcher

_STOP_GRACE_SECONDS = 2.0
"""For what is still under way after the server's own four; the whole platform has ten."""

MakeWebSocketPart = Callable[[FunctionPool, Manifest, GatewaySettings], WebSocketPart]


@dataclass(slots=True)
class _Exchange:
    """One request while it is served, with what its log line needs."""

    request_id: str
    started: float
    edge: edge.EdgeHeaders
    trace_id: str
    function: str | None = None
    user_id: str | None = None
    error: str | None = None


class Gateway:
    """HTTP API, WebSocket API and statics on one port.

    Args:
        manifest: routes and functions.
        settings: addresses, folders and limits.
        make_websocket: builds the WebSocket half; without it, connections are refused.
        log: where request lines go; standard output by default.

    Raises:
        Invalid: the settings contradict a rule, for example a CORS origin of ``*``.
    """

    def __init__(
        self,
        manifest: Manifest,
        settings: GatewaySettings,
        make_websocket: MakeWebSocketPart | None = None,
        *,
        clock: Clock | None = None,
        log: AccessLog | None = None,
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._log = log or AccessLog(self._clock)
        self.pool = FunctionPool(
            manifest.functions,
            task_root=settings.task_root,
            logs=settings.home / "logs" / "functions",
            inherited=settings.environment,
            limits=Limits(maximum_concurrency=settings.maximum_concurrency, idle_expiry=settings.idle_expiry),
            region=settings.region,
            account_id=settings.account_id,
            clock=self._clock,
        )
        self._routes = RouteTable(manifest)
        self._events = EventBuilder(account_id=settings.account_id, api_id=settings.api_id, region=settings.region)
        self._authorizer: Authorizer | None = None
        if manifest.authorizer is not None:
            ttl = manifest.authorizer.identity_ttl if settings.identity_ttl is None else settings.identity_ttl
            self._authorizer = Authorizer(self.pool, manifest.authorizer.name, ttl, self._clock)
        self._cors = CorsPolicy(settings.cors_origins)
        has_statics = settings.statics is not None and settings.statics.is_dir()
        self._statics = StaticFolder(settings.statics) if settings.statics is not None and has_statics else None
        self.websocket = make_websocket(self.pool, manifest, settings) if make_websocket else None
        self._watcher: CodeWatcher | None = None
        self._budget = tracing.Budget(settings.traces_per_second)
        self._scheduled = manifest.of_kind("schedule")
        self._scheduler: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Get ready for the first request; processes of functions start when they are needed."""
        await self.pool.start()
        if self.websocket is not None:
            await self.websocket.start()
        if self._scheduled:
            runs = schedules.run(
                self._scheduled,
                self._run_scheduled,
                self._clock,
                region=self.settings.region,
                account_id=self.settings.account_id,
                first_after=self.settings.schedules_after,
            )
            self._scheduler = asyncio.create_task(runs, name="scheduled functions")
        if self.settings.reload:
            self._watcher = CodeWatcher(
                self.pool,
                task_root=self.settings.task_root,
                shared=self.settings.shared_code,
                reloaded=lambda names: self._log.write("reload", functions=names),
            )
            await self._watcher.start()

    async def stop(self) -> None:
        """Finish what is under way and end every process of a function."""
        if self._scheduler is not None:
            self._scheduler.cancel()
        if self._watcher is not None:
            await self._watcher.stop()
        if self.websocket is not None:
            await self.websocket.stop()
        await self.pool.stop(grace=_STOP_GRACE_SECONDS)
        self._log.flush()

    async def _run_scheduled(self, name: str, event: Mapping[str, Any]) -> None:
        started = self._clock.monotonic()
        failure = None
        trace = tracing.began(self._budget)
        try:
            with tracing.span("schedule", "producer", {"faas.invoked_name": name}):
                await self.pool.invoke(name, event, request_id=event["id"])
        except InvokeFailure as error:
            failure = str(error)
        fields: dict[str, Any] = {"request_id": event["id"], "trace_id": trace.trace_id, "function": name}
        fields["duration_ms"] = round((self._clock.monotonic() - started) * 1000, 2)
        if failure is not None:
            fields["error"] = failure[:2000]
        self._log.write("schedule", level="info" if failure is None else "warning", **fields)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one WebSocket connection (ASGI 3)."""
        if scope["type"] == "http":
            await self._serve_http(scope, receive, send)
        elif scope["type"] == "websocket":
            # Only without a WebSocket half: with one, the server hands it the connection itself.
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "no WebSocket at this address"})

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = scope.get("server")
        started = self._clock.monotonic()
        read = edge.read_headers(
            scope["headers"],
            peer=source_address(scope),
            scheme=scope["scheme"],
            port=(server[1] if server else None) or self.settings.port,
        )
        trace = tracing.arrived(read.headers, self._budget)
        exchange = _Exchange(edge.new_request_id(), started, read, trace.trace_id)
        request_headers = exchange.edge.headers
        try:
            response = self._cors.preflight(scope["method"], request_headers)
            if response is None:
                with tracing.span("gateway", "server", {"http.request.method": scope["method"]}) as span:
                    response = await self._respond(scope, receive, exchange)
                    if span is not None:
                        span.set_attribute("http.response.status_code", response.status)
                        span.set_attribute("fullon.request_id", exchange.request_id)
                self._cors.apply(response, request_headers)
        except ClientGone:
            self._write_log(scope, exchange, 499)
            return
        except Exception as error:  # noqa: BLE001 - a fault of the gateway itself: logged, answered without a word of it
            exchange.error = "".join(traceback.format_exception(error))
            response = refusals.internal(exchange.request_id)
        body = b"" if response.status in {204, 304} else response.body
        headers = response.headers
        headers.append((b"apigw-requestid", exchange.request_id.encode()))
        if response.status not in {204, 304}:
            length = len(body)
            if scope["method"] == "HEAD" and not body and response.length is not None:
                length = response.length
            headers.append((b"content-length", b"%d" % length))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self._write_log(scope, exchange, response.status)

    async def _respond(self, scope: Scope, receive: Receive, exchange: _Exchange) -> HttpResponse:
        method, path, headers = scope["method"], scope["path"], exchange.edge.headers
        match = self._routes.match(method, path)
        if match is None:
            return self._static_file(method, path, headers) or refusals.not_found(exchange.request_id)
        try:
            return await self._call_function(scope, receive, exchange, match)
        except BodyTooLarge:
            return refusals.too_large(exchange.request_id)
        except AuthorizerFailed as failure:
            exchange.error = f"authorizer: {failure}"
            return refusals.authorizer_failed(exchange.request_id)
        except MalformedResponse as failure:
            exchange.error = f"the answer is malformed: {failure}"
            return refusals.malformed(match[0].function, exchange.request_id)
        except InvokeFailure as failure:
            exchange.error = str(failure)
            return refusals.failed(failure, exchange.request_id)

    async def _call_function(self, scope: Scope, receive: Receive, exchange: _Exchange, match: Match) -> HttpResponse:
        route, path_parameters = match
        request_id = exchange.request_id
        exchange.function = route.function
        event = self._events.request(
            scope, exchange.edge, route, path_parameters, request_id=request_id, now=self._clock.now()
        )
        if route.authorised and self._authorizer is not None:
            refusal = await self._authorizer.admit(event, self._events.authorizer, request_id)
            if refusal is not None:
                return refusal
            exchange.user_id = event["requestContext"]["authorizer"]["lambda"].get("user_id")
        add_body(event, await read_body(receive, scope["headers"], PAYLOAD_LIMIT))
        answer = await self.pool.invoke_bytes(route.function, orjson.dumps(event), request_id=request_id)
        return http_responses.parse(answer)

    def _static_file(self, method: str, path: str, headers: dict[str, str]) -> HttpResponse | None:
        is_static = path == PREFIX or path.startswith(PREFIX + "/")
        if self._statics is None or method not in {"GET", "HEAD"} or not is_static:
            return None
        return self._statics.respond(path, headers.get("if-none-match"))

    def _write_log(self, scope: Scope, exchange: _Exchange, status: int) -> None:
        fields: dict[str, Any] = {
            "request_id": exchange.request_id,
            "trace_id": exchange.trace_id,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "duration_ms": round((self._clock.monotonic() - exchange.started) * 1000, 2),
        }
        if exchange.function is not None:
            fields["function"] = exchange.function
        if exchange.user_id is not None:
            fields["user_id"] = exchange.user_id
        if exchange.error is not None:
            fields["error"] = exchange.error[:2000]
        level = "error" if status >= 500 else "info"
        self._log.write("request", level=level, **fields)
