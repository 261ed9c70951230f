"""The seam between the HTTP half and the WebSocket half of the gateway, which share one process and one port.

``local.gateway.websocket.WebSocketGateway(pool, manifest, settings)`` fulfils ``WebSocketPart``. uvicorn hands it the
transport of every upgraded connection instead of going through ASGI: a pushed message is then one write (ASGI costs a
task switch a message), and no library writes a line with the query string, which carries tickets and tokens.
"""

import asyncio
from typing import Any, Protocol


class WebSocketPart(Protocol):
    """Serves WebSocket connections, with its own management listener."""

    async def start(self) -> None:
        """Open the management listener; called before the first connection is accepted."""
        ...

    async def stop(self) -> None:
        """Say goodbye to every connection and close the management listener."""
        ...

    def protocol(self, *, config: Any, server_state: Any, app_state: Any) -> asyncio.Protocol:
        """What uvicorn makes for each connection that asks for an upgrade (its ``ws`` setting)."""
        ...
