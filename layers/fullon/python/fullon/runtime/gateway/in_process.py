"""The functions of the manifest in this process: what their handlers wrap, without Lambda around it.

A function ``functions.NAME.handler.handler`` has its ``create(container)`` in ``functions.NAME.app``: an ASGI
application, or a coroutine function of an event. The manifest names them as text, as it does for Lambda.
"""

import asyncio
import importlib
import logging as standard_logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fullon.runtime import logging, metrics, tracing
from fullon.runtime.container import Container
from fullon.runtime.gateway.invocation import FunctionError, FunctionNotFound, FunctionTimedOut
from fullon.runtime.gateway.parts import Receive, Scope, Send
from fullon.runtime.manifest import Function, FunctionKind, Manifest

_HANDLED: tuple[FunctionKind, ...] = ("authorizer", "websocket", "schedule")

_log = standard_logging.getLogger("fullon.gateway")

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Handler = Callable[[Mapping[str, Any]], Awaitable[Any]]


class InProcess:
    """Runs functions as coroutines of this process's loop.

    Args:
        manifest: names them; those of kind ``http`` become applications; authorizer, WebSocket routes and scheduled
            functions become handlers. Tasks are nobody's business here: ``python -m`` runs them.
        container: settings and stores of all of them.
    """

    def __init__(self, manifest: Manifest, container: Container) -> None:
        self._applications: dict[str, tuple[Application, int]] = {
            function.name: (_create(function, container), function.timeout) for function in manifest.of_kind("http")
        }
        self._handlers: dict[str, tuple[Handler, int]] = {
            function.name: (_create(function, container), function.timeout)
            for kind in _HANDLED
            for function in manifest.of_kind(kind)
        }

    async def serve(self, name: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a function of kind ``http`` answer a request.

        Raises:
            FunctionTimedOut: it did not finish in its time; it may have begun to answer.
        """
        application, seconds = self._applications[name]
        try:
            async with asyncio.timeout(seconds) as patience:
                await application(scope, receive, send)
        except TimeoutError as error:
            if not patience.expired():
                raise
            raise FunctionTimedOut(name, f"Task timed out after {seconds} seconds") from error

    async def invoke(self, name: str, event: Mapping[str, Any], *, request_id: str | None = None) -> Any:
        """Let another function answer an event; what it raises is a :class:`FunctionError`.

        Raises:
            FunctionNotFound, FunctionTimedOut, FunctionError: there is no answer.
        """
        if name not in self._handlers:
            raise FunctionNotFound(name, "Function not found")
        handler, seconds = self._handlers[name]
        logging.clear()
        logging.bind(request_id=request_id or event["requestContext"]["requestId"], trace_id=tracing.trace_id())
        started, failed = time.perf_counter(), True
        try:
            with tracing.span(name, "server"):
                async with asyncio.timeout(seconds) as patience:
                    answer = await handler(event)
            failed = False
        except Exception as error:
            if isinstance(error, TimeoutError) and patience.expired():
                raise FunctionTimedOut(name, f"Task timed out after {seconds} seconds") from error
            failed = not getattr(error, "is_an_answer", False)
            if failed:
                _log.exception("function failed", extra={"function": name})
            raise FunctionError(name, str(error), error_type=type(error).__name__) from error
        else:
            return answer
        finally:
            metrics.request_done((time.perf_counter() - started) * 1000, failed=failed, component=name)


def _create(function: Function, container: Container) -> Any:
    package = function.module.rpartition(".")[0]
    return importlib.import_module(f"{package}.app").create(container)
