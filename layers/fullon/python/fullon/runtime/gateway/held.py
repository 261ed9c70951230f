"""The WebSocket connections that one server process holds, and the listener through which they are pushed to.

The streamer reads the listener's address out of each connection's id (:mod:`fullon.streams.owners`), so processes and
containers need not know of each other, and a load balancer may send a client to any of them.
"""

import errno
import ipaddress
import logging
import math
import socket
from collections.abc import Mapping
from typing import Any

from fullon.kernel.errors import Invalid
from fullon.runtime.gateway.asgi_wire import AsgiWire
from fullon.runtime.gateway.invocation import Invoker
from fullon.runtime.gateway.management import ManagementListener
from fullon.runtime.gateway.parts import Receive, Scope, Send
from fullon.runtime.gateway.signature import Verifier
from fullon.runtime.gateway.websocket import SocketApi, SocketLimits
from fullon.runtime.gateway.ws_events import EventBuilder, new_identifier
from fullon.runtime.manifest import Manifest
from fullon.runtime.settings import Settings
from fullon.runtime.tracing import Budget
from fullon.streams.owners import owned_id

PORTS_TRIED = 64
"""From ``MANAGEMENT_PORT`` on: each worker process of a host takes one."""
_LOOPBACK = "127.0.0.1"


class HeldConnections:
    """All of one process.

    Args:
        functions: runs authorizer and routes.
        manifest: names them.
        environment: holds the AWS keys with which pushes are signed.

    Raises:
        Invalid: the keys are missing, or ``MANAGEMENT_HOST`` has no address.
    """

    def __init__(
        self, functions: Invoker, manifest: Manifest, settings: Settings, environment: Mapping[str, str]
    ) -> None:
        access_key = environment.get("AWS_ACCESS_KEY_ID", "")
        secret_key = environment.get("AWS_SECRET_ACCESS_KEY", "")
        if not access_key or not secret_key:
            raise Invalid(
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set: the streamer signs its pushes with them.",
                code="settings",
            )
        self._host = address_of(settings.management_host or _LOOPBACK)
        self._first_port = settings.management_port
        # An ASGI server pings its clients by itself and ends those that do not answer, so silence means nothing here.
        self._limits = SocketLimits(idle_timeout=math.inf)
        self._api = SocketApi(
            functions,
            manifest,
            EventBuilder("fullonsocket", "000000000000", settings.aws_region),
            self._limits,
            _Lines(),
            new_id=lambda: owned_id(new_identifier().rstrip("="), self._host, self._management.port),
            budget=Budget(settings.traces_per_second),
        )
        verifier = None if ipaddress.ip_address(self._host).is_loopback else Verifier(access_key, secret_key)
        self._management = ManagementListener(self._api.connections, access_key, verifier)

    @property
    def management_url(self) -> str:
        """Where this process's connections are pushed to, once started."""
        return self._management.url

    async def start(self) -> None:
        """Open the listener.

        Raises:
            OSError: no port is free, or the address is not of this host.
        """
        for number in range(PORTS_TRIED):
            try:
                await self._management.start(self._host, self._first_port + number if self._first_port else 0)
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE or not self._first_port or number == PORTS_TRIED - 1:
                    raise
        await self._api.start()

    async def stop(self) -> None:
        """Say goodbye to every connection, tell the functions, and close the listener."""
        await self._api.stop()
        await self._management.stop()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection (ASGI, scope ``websocket``) to its end."""
        wire = AsgiWire(self._api, scope, self._limits.message)
        self._api.add(wire)
        await wire.run(receive, send)


def address_of(host: str) -> str:
    """The address that a setting names: itself, what a name resolves to, or with ``auto`` this host's own.

    Raises:
        Invalid: there is none.
    """
    name = socket.gethostname() if host == "auto" else host
    try:
        address = ipaddress.ip_address(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)[0][4][0])
    except (OSError, ValueError) as error:
        raise Invalid(f"MANAGEMENT_HOST is {host!r}, which has no address here.", code="settings") from error
    if address.is_unspecified:
        raise Invalid(f"MANAGEMENT_HOST is {host!r}: the streamer needs an address to go to.", code="settings")
    return str(address)


class _Lines:
    """The log of the WebSocket API as lines of this process's log."""

    _log = logging.getLogger("fullon.gateway")

    def write(self, event: str, *, level: str = "info", **fields: Any) -> None:
        self._log.log(logging.getLevelName(level.upper()), event, extra=fields)
