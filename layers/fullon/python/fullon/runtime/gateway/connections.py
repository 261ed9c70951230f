"""The connections of the WebSocket API that are open now, by id, and the wires that carry them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, Protocol

from fullon.kernel.clock import rfc3339
from fullon.runtime.gateway.ws_events import Handshake

NORMAL, GOING_AWAY, UNSUPPORTED, NO_STATUS, ABNORMAL, NOT_UTF8, TOO_BIG = 1000, 1001, 1003, 1005, 1006, 1007, 1009
"""Close codes (RFC 6455, 7.4.1)."""
CLOSED_BY_API = "Connection Closed Normally"


class Sent(Enum):
    """What became of a push."""

    DONE = auto()
    FULL = auto()
    GONE = auto()


class Wire(Protocol):
    """One WebSocket, by whatever server; ``last_active`` is the loop's time, ``peer`` the client's address, ``port``
    the server's."""

    last_active: float
    peer: str
    port: int

    def accept(self) -> bool:
        """Open the connection; False when the client has gone meanwhile."""

    def refuse(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Answer the handshake with an HTTP error and end."""

    def send(self, payload: bytes) -> Sent:
        """Push a text message; ``payload`` is UTF-8. Nothing is kept when the buffer is full."""

    def close(self, code: int, reason: str, explanation: str | None = None) -> None:
        """Say goodbye; ``explanation`` is what ``closed`` will be told instead of the reason on the wire."""

    def pause(self) -> None:
        """Read no more from the client until ``resume``."""

    def resume(self) -> None:
        """Read on."""


class Listener(Protocol):
    """Who is told what happens on a wire."""

    def opening(self, wire: Wire, target: str, headers: Iterable[tuple[str, str]]) -> None:
        """A valid upgrade request for ``target`` (path and query) has arrived; answer by ``accept`` or ``refuse``."""

    def received(self, wire: Wire, text: str) -> None:
        """A whole text message has arrived."""

    def closed(self, wire: Wire, code: int, reason: str) -> None:
        """The connection has ended, whoever ended it; called once, also for one that was never accepted."""


@dataclass(slots=True, eq=False)
class Connection:
    """One client. ``authorizer`` is the context that its events carry; ``opened`` is the loop's time."""

    connection_id: str
    wire: Wire
    handshake: Handshake
    connected_at: datetime
    opened: float
    authorizer: dict[str, Any] | None = None
    inbox: deque[str] = field(default_factory=deque)
    work: asyncio.Task[None] | None = None
    ended: tuple[int, str] | None = None


class Connections:
    """Pushes to open connections, and closes those that are idle or too old.

    Args:
        message_limit: bytes of a pushed message.
        idle_timeout: seconds without a frame in either direction.
        maximum_age: seconds that any connection lives.
        now: the loop's time.
    """

    def __init__(self, message_limit: int, idle_timeout: float, maximum_age: float, now: Callable[[], float]) -> None:
        self.message_limit = message_limit
        self._idle_timeout = idle_timeout
        self._maximum_age = maximum_age
        self._now = now
        self._open: dict[str, Connection] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._open.values()))

    def add(self, connection: Connection) -> None:
        """Let pushes reach it."""
        self._open[connection.connection_id] = connection

    def remove(self, connection: Connection) -> None:
        """It is gone: pushes are answered so."""
        self._open.pop(connection.connection_id, None)

    def post(self, connection_id: str, payload: bytes) -> Sent:
        """Push a text message (UTF-8) to one client."""
        connection = self._open.get(connection_id)
        return Sent.GONE if connection is None else connection.wire.send(payload)

    def describe(self, connection_id: str) -> dict[str, Any] | None:
        """What the management API tells about a connection; None when it is gone."""
        connection = self._open.get(connection_id)
        if connection is None:
            return None
        idle_for = self._now() - connection.wire.last_active
        last_active = datetime.fromtimestamp(datetime.now(UTC).timestamp() - idle_for, UTC)
        return {
            "connectedAt": rfc3339(connection.connected_at),
            "identity": {
                "sourceIp": connection.handshake.source_address,
                "userAgent": connection.handshake.user_agent,
            },
            "lastActiveAt": rfc3339(last_active),
        }

    def close(self, connection_id: str) -> bool:
        """End a connection for the management API; False when it is gone already."""
        connection = self._open.get(connection_id)
        if connection is None:
            return False
        self.remove(connection)
        connection.wire.close(NORMAL, "", CLOSED_BY_API)
        return True

    async def sweep(self) -> None:
        """Close what is idle or too old, for as long as the task runs."""
        interval = min(max(min(self._idle_timeout, self._maximum_age) / 10, 0.02), 5.0)
        while True:
            await asyncio.sleep(interval)
            now = self._now()
            for connection in self:
                idle = now - connection.wire.last_active >= self._idle_timeout
                if idle or now - connection.opened >= self._maximum_age:
                    self.remove(connection)
                    connection.wire.close(GOING_AWAY, "Going away")
