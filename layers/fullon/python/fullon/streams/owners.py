"""Connections whose ids name the server process that holds them, and the client that pushes to each of those.

API Gateway answers for all its connections at one address. Where several processes or containers hold them instead,
the id of a connection ends in ``~`` and the address of its owner's management API, so whoever pushes goes straight
there: no registry to ask, and nothing to forward. Ids are made by the servers and kept in PostgreSQL; a client sees
its own at most, and can name none anywhere.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from fullon.streams.gateway import Done, GatewayClient, Outcome, Target
from fullon.streams.sigv4 import Credentials, canonical_path

SEPARATOR = "~"
#: An owner that cannot be reached for so long has ended, and its connections with it.
OWNER_PATIENCE_SECONDS = 15.0

_log = logging.getLogger("fullon.streams")


def owned_id(unique: str, host: str, port: int) -> str:
    """The id of a connection.

    Args:
        unique: is not used twice.
        host: address (IPv4 or IPv6) of the management API of the process that holds it.
    """
    packed = ipaddress.ip_address(host).packed + port.to_bytes(2, "big")
    return unique + SEPARATOR + base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def owner_of(connection_id: str) -> str | None:
    """The endpoint of the process that holds a connection; None when the id names none."""
    _, separator, text = connection_id.rpartition(SEPARATOR)
    if not separator:
        return None
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        address = ipaddress.ip_address(packed[:-2])
    except (binascii.Error, ValueError):
        return None
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"http://{host}:{int.from_bytes(packed[-2:], 'big')}"


@dataclass(slots=True)
class _Owner:
    """One process that holds connections; ``failing_since`` is when it was first not reached, of late."""

    client: GatewayClient
    failing_since: float | None = None


@dataclass(slots=True)
class _OwnedTarget(Target):
    endpoint: str | None


class Owners:
    """Pushes to connections wherever they are held; what the streamer needs of a gateway.

    A connection whose id names no owner, or one that has not been reached for ``patience`` seconds, counts as gone: its
    client, if it still lives, finds its row brought back by its next subscription.

    Args:
        region: of the signatures.
        credentials: gives those in force.
        now: seconds on a scale that never goes back.
    """

    def __init__(
        self,
        region: str,
        credentials: Callable[[], Awaitable[Credentials]],
        now: Callable[[], float],
        patience: float = OWNER_PATIENCE_SECONDS,
    ) -> None:
        self._region = region
        self._ask_credentials = credentials
        self._now = now
        self._patience = patience
        self._credentials: Credentials | None = None
        self._owners: dict[str, _Owner] = {}
        self._losses = 0
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def reachable(self) -> bool:
        """Always: one owner that is not is asked for its own connections only."""
        return True

    @property
    def losses(self) -> int:
        """How often an owner could not be reached."""
        return self._losses + sum(owner.client.losses for owner in self._owners.values())

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return sum(owner.client.waiting for owner in self._owners.values())

    async def start(self) -> None:
        """Get credentials.

        Raises:
            Unavailable: there are none.
        """
        self._credentials = await self._ask_credentials()

    async def close(self) -> None:
        """Drop every connection; requests under way have an unknown outcome."""
        for owner in self._owners.values():
            await owner.client.close()

    def target(self, connection_id: str) -> Target:
        """The address of a connection."""
        path = f"/@connections/{quote(connection_id, safe='')}"
        return _OwnedTarget(f" {path} HTTP/1.1\r\n".encode(), canonical_path(path).encode(), owner_of(connection_id))

    def post(self, target: Target, body: bytes, done: Done) -> None:
        """Push a message; ``done`` is called with what became of it, never before this returns."""
        self._submit(target, done, lambda client, judged: client.post(target, body, judged))

    def look(self, target: Target, done: Done) -> None:
        """Ask whether the connection is still there."""
        self._submit(target, done, lambda client, judged: client.look(target, judged))

    def end(self, target: Target, done: Done) -> None:
        """Close the connection."""
        self._submit(target, done, lambda client, judged: client.end(target, judged))

    def _submit(self, target: Target, done: Done, ask: Callable[[GatewayClient, Done], None]) -> None:
        assert isinstance(target, _OwnedTarget)
        endpoint = target.endpoint
        if endpoint is None:
            asyncio.get_running_loop().call_soon(done, Outcome.GONE)
            return
        owner = self._owner(endpoint)

        def judged(outcome: Outcome) -> None:
            if outcome is Outcome.UNREACHABLE:
                outcome = self._unreached(endpoint, owner)
            elif outcome is not Outcome.UNKNOWN:
                owner.failing_since = None
            done(outcome)

        ask(owner.client, judged)

    def _owner(self, endpoint: str) -> _Owner:
        owner = self._owners.get(endpoint)
        if owner is None:
            assert self._credentials is not None
            client = GatewayClient(endpoint, self._region, self._ask_credentials)
            client.begin(self._credentials)
            owner = self._owners[endpoint] = _Owner(client)
        return owner

    def _unreached(self, endpoint: str, owner: _Owner) -> Outcome:
        now = self._now()
        if owner.failing_since is None:
            owner.failing_since = now
        if now - owner.failing_since < self._patience:
            return Outcome.UNREACHABLE
        if self._owners.pop(endpoint, None) is not None:
            _log.warning("a server of connections has ended", extra={"endpoint": endpoint})
            self._losses += owner.client.losses
            task = asyncio.get_running_loop().create_task(owner.client.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        return Outcome.GONE
