"""The vocabulary of ASGI, and where the WebSocket API is."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

WEBSOCKET_PATHS = ("/ws", "/api/v1/cache/ws")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
