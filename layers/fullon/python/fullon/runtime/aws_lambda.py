"""Lambda entry points: one event loop per execution environment, Mangum for HTTP, plain coroutines for the rest.

Mangum takes the current loop at each call, and its own lifespan handling would start and stop the app on every
invocation. So this module owns the loop, starts nothing and gives the loop one tick before each request: connections
that were closed while the environment was frozen are noticed before a pool hands them out (measured: otherwise the
next request is a 500).

Each invocation enters its trace, and its metrics and spans have left before the environment may be frozen.
"""

from __future__ import annotations

import asyncio
import gc
import logging as standard_logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from fullon.runtime import logging, metrics, tracing
from fullon.runtime.settings import Settings

Event = Mapping[str, Any]
Handler = Callable[[Any, Any], Any]

tracing.spare_cold_starts()

_log = standard_logging.getLogger("fullon.invocation")
_IMPORTED = time.perf_counter()
_loop: asyncio.AbstractEventLoop | None = None
_component = "function"
_init_milliseconds: float | None = None


def event_loop() -> asyncio.AbstractEventLoop:
    """The loop of this execution environment, made at first use."""
    global _loop
    if _loop is None:
        _loop = asyncio.new_event_loop()
    asyncio.set_event_loop(_loop)
    return _loop


def http_handler(app: Any) -> Handler:
    """The Lambda handler of an ASGI application behind an HTTP API (payload format 2.0)."""
    from mangum import Mangum
    from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

    loop = event_loop()
    adapter = Mangum(app, lifespan="off", text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"])
    _ready()

    def handler(event: Any, context: Any) -> Any:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(asyncio.sleep(0))
        return _invoke(event, context, lambda: adapter(event, context))

    return handler


def plain_handler(answer: Callable[[Event], Awaitable[Any]]) -> Handler:
    """The Lambda handler of a coroutine that takes the event: authorizer, WebSocket routes, tasks."""
    loop = event_loop()
    _ready()

    def handler(event: Any, context: Any) -> Any:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(asyncio.sleep(0))
        return _invoke(event, context, lambda: _plainly(loop, answer, event, context))

    return handler


def start(component: str) -> Settings:
    """Settings and logging of a function, once at import; bad settings end the start with their sentence."""
    global _component
    settings = Settings.load()
    _component = component
    logging.configure(component, settings.log_level, settings.log_format)
    metrics.configure(component)
    tracing.configure(component, traces_file=settings.traces_file, otlp_endpoint=settings.otel_exporter_otlp_endpoint)
    return settings


def settle_memory() -> None:
    """Keep what start-up built out of later collections (measured: p99 of a Valkey-backed GET 74 → 6 ms)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _invoke(event: Any, context: Any, work: Callable[[], Any]) -> Any:
    """One invocation in its trace."""
    global _init_milliseconds
    headers = event.get("headers") if isinstance(event, Mapping) else None
    trace = tracing.incoming(headers, os.environ.get("_X_AMZN_TRACE_ID")) or tracing.Trace.begin(sampled=False)
    tracing.enter(trace)
    is_cold, milliseconds = _init_milliseconds is not None, _init_milliseconds
    if milliseconds is not None:
        metrics.count(metrics.COLD_STARTS)
        metrics.record(metrics.INIT_DURATION, milliseconds)
        _init_milliseconds = None
    try:
        return _kept(event, context, work, is_cold) if tracing.is_recording() else work()
    finally:
        if metrics.pending():
            metrics.flush(request_id=_request_id(event, context), trace_id=trace.trace_id)


def _kept(event: Any, context: Any, work: Callable[[], Any], is_cold: bool) -> Any:
    """An invocation with a span, which has left before the environment may be frozen."""
    facts: tracing.Facts = {
        "faas.invocation_id": str(getattr(context, "aws_request_id", "")),
        "faas.coldstart": is_cold,
    }
    try:
        with tracing.span(_component, "server", facts):
            if isinstance(event, dict) and isinstance(event.get("headers"), dict):
                # The framework's own spans take their parent from here.
                event["headers"]["traceparent"] = tracing.traceparent()
            return work()
    finally:
        tracing.flush()


def _plainly(
    loop: asyncio.AbstractEventLoop, answer: Callable[[Event], Awaitable[Any]], event: Any, context: Any
) -> Any:
    logging.clear()
    logging.bind(request_id=_request_id(event, context), trace_id=tracing.trace_id())
    return loop.run_until_complete(_answered(answer, event))


async def _answered(answer: Callable[[Event], Awaitable[Any]], event: Event) -> Any:
    """The answer of a plain handler, with its one log line."""
    started, failed = time.perf_counter(), True
    try:
        found = await answer(event)
        failed = isinstance(found, dict) and int(found.get("statusCode", 200)) >= 500
    except Exception as error:
        failed = not getattr(error, "is_an_answer", False)
        raise
    else:
        return found
    finally:
        duration = (time.perf_counter() - started) * 1000
        metrics.request_done(duration, failed=failed)
        logging.canonical(_log, "invocation", {"duration_ms": round(duration, 2), "failed": failed})


def _request_id(event: Any, context: Any) -> str:
    """The gateway's id of the request, else that of the invocation; on AWS they differ, locally they do not."""
    request = event.get("requestContext") if isinstance(event, Mapping) else None
    given = request.get("requestId") if isinstance(request, Mapping) else None
    return str(given or getattr(context, "aws_request_id", ""))


def _ready() -> None:
    """Start-up is over."""
    global _init_milliseconds
    settle_memory()
    _init_milliseconds = process_age() * 1000


def process_age() -> float:
    """Seconds since this process was started; where the system does not say, since this module was imported."""
    try:
        # proc(5): field 22, in ticks since the machine was started.
        started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, ValueError, IndexError, AttributeError):
        return time.perf_counter() - _IMPORTED
