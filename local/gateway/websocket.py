"""The WebSocket half of the local gateway: uvicorn's connections are wires of the WebSocket API, and @connections is
a listener on loopback."""

import asyncio
from typing import Any

from fullon.kernel.clock import SystemClock
from fullon.runtime.gateway.invocation import Invoker
from fullon.runtime.gateway.management import ManagementListener
from fullon.runtime.gateway.websocket import SocketApi, SocketLimits
from fullon.runtime.gateway.ws_events import EventBuilder
from fullon.runtime.manifest import Manifest
from fullon.runtime.tracing import Budget
from local.gateway.access_log import AccessLog
from local.gateway.settings import GatewaySettings
from local.gateway.wire import TransportWire


class WebSocketGateway(SocketApi):
    """Every WebSocket of the platform, and the management API for pushing to them.

    Args:
        pool: runs the functions.
        manifest: names the websocket function with its routes, and the authorizer.
        settings: limits, ports, and the environment whose access key the management API takes.
    """

    def __init__(self, pool: Invoker, manifest: Manifest, settings: GatewaySettings) -> None:
        self._lines = AccessLog(SystemClock())
        super().__init__(
            pool,
            manifest,
            EventBuilder(settings.websocket_api_id, settings.account_id, settings.region),
            SocketLimits(
                message=settings.websocket_message_limit,
                idle_timeout=settings.websocket_idle_timeout,
                maximum_age=settings.websocket_maximum_age,
            ),
            self._lines,
            budget=Budget(settings.traces_per_second),
        )
        self._settings = settings
        self._management = ManagementListener(self.connections, settings.environment.get("AWS_ACCESS_KEY_ID", ""))

    @property
    def management_url(self) -> str:
        """Endpoint of the management API, once started."""
        return self._management.url

    async def start(self) -> None:
        """Open the management listener on loopback."""
        await self._management.start("127.0.0.1", self._settings.management_port)
        await super().start()

    async def stop(self) -> None:
        """Say goodbye to every connection and close the management listener."""
        self.say_goodbye()
        await self._management.stop()
        await super().stop()
        self._lines.flush()

    def protocol(self, *, config: Any, server_state: Any, app_state: Any) -> asyncio.Protocol:
        """A wire for a connection that asks for an upgrade; called by uvicorn."""
        settings = self._settings
        wire = TransportWire(self, server_state, settings.websocket_message_limit, settings.websocket_buffer_limit)
        self.add(wire)
        return wire
