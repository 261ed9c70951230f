"""The seam between the HTTP half and the WebSocket half of the gateway, which share one process and one port.

``local.gateway.websocket.WebSocketGateway(pool, manifest, settings)`` fulfils ``WebSocketPart``; the
application hands it every connection to ``WEBSOCKET_PATHS``.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

WEBSOCKET_PATHS = ("/ws", "/api/v1/cache/ws")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Invoker(Protocol):
    """Runs a function with an event and gives its answer; the pool of execution environments is one."""

    async def invoke(self, name: str, event: dict[str, Any], *, request_id: str | None = None) -> Any:
        """Raises a subclass of ``local.lambda_runtime.errors.InvokeFailure``."""
        ...


class WebSocketPart(Protocol):
    """An ASGI application for ``websocket`` scopes, with its own management listener."""

    async def start(self) -> None:
        """Open the management listener; called before the first connection is accepted."""
        ...

    async def stop(self) -> None:
        """Say goodbye to every connection and close the management listener."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until it ends."""
        ...
