"""From PostgreSQL to the fan-out: which connections there are, what they subscribe to, and which have to go.

A bell in Valkey names the connection that changed; a poll compares the revisions of all, so a lost bell costs seconds.
While PostgreSQL is away, pushing goes on with what is known, and credentials still expire.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING

import asyncpg

from fullon.kernel.clock import Clock
from fullon.kernel.errors import Unavailable
from fullon.kernel.retry import Outage
from fullon.streams import store
from fullon.streams.fanout import Fanout
from fullon.streams.frames import REASONS
from fullon.streams.model import CHANNELS, Limits

if TYPE_CHECKING:
    from fullon.streams.store import Connection, ConnectionRecord, Subscription

    Connections = Callable[[], AbstractAsyncContextManager[Connection]]
    #: Told of new subscriptions of a connection; gives what to call when the first frame of each has been taken.
    Begun = Callable[[ConnectionRecord, Sequence[Subscription]], Mapping[tuple[str, str], Callable[[], None]]]

POLL_SECONDS = 2.0
GATHER_SECONDS = 0.03
#: A connection that nothing was pushed to for so long is asked for, so that rows of dead ones do not stay.
SILENT_SECONDS = 300.0
_LEFT_OVERS_SECONDS = 60.0
_DOWN = (Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
_log = logging.getLogger("fullon.streams")


class Registry:
    """Keeps the fan-out's subscribers as PostgreSQL says.

    Args:
        connection: opens a connection of the platform database.
        poll: seconds between two looks at everything.
        begun: told of new subscriptions, for logs and traces.
    """

    def __init__(
        self,
        connection: Connections,
        fanout: Fanout,
        clock: Clock,
        outage: Outage,
        *,
        poll: float = POLL_SECONDS,
        limits: Limits | None = None,
        begun: Begun | None = None,
    ) -> None:
        self._connection = connection
        self._fanout = fanout
        self._clock = clock
        self._outage = outage
        self._poll = poll
        self._limits = limits or Limits()
        self._begun = begun
        self._revisions: dict[str, int] = {}
        self._expiries: dict[str, datetime] = {}
        self._lost: set[str] = set()
        self._changed: set[str] = set()
        self._everything = True
        self._rung = asyncio.Event()
        self._swept = float("-inf")

    def bell(self, message: bytes) -> None:
        """A connection changed: the message names it, or says nothing."""
        if message:
            self._changed.add(message.decode())
        else:
            self._everything = True
        self._rung.set()

    def look_again(self, message: bytes = b"") -> None:
        """Credentials changed: look at everything now."""
        self._everything = True
        self._rung.set()

    def lost(self, connection_id: str) -> None:
        """The gateway does not know a connection any more: its rows are to go."""
        self._revisions.pop(connection_id, None)
        self._expiries.pop(connection_id, None)
        self._lost.add(connection_id)
        self._rung.set()

    async def run(self) -> None:
        """Look at every bell and every ``poll`` seconds, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._poll):
                    await self._rung.wait()
                # Bells come in groups; and the function that rang is about to answer, which is to come first.
                await asyncio.sleep(GATHER_SECONDS)
            except TimeoutError:
                self._everything = True
            self._rung.clear()
            try:
                await self._look()
                self._outage.passed()
            except _DOWN as error:
                self._outage.failed(_unavailable(error))
                self._everything = True
                await asyncio.sleep(self._poll / 2)
            self.expire()

    def expire(self) -> None:
        """Say goodbye to those whose credentials have expired."""
        now = self._clock.now()
        for connection_id in [name for name, moment in self._expiries.items() if moment <= now]:
            del self._expiries[connection_id]
            self._fanout.say_bye(connection_id, "token_expired")

    def look_at_silent(self, most: int = 100) -> None:
        """Ask the gateway for some of the connections that nothing was pushed to for long."""
        before = self._fanout.now() - SILENT_SECONDS
        silent = [each for each in self._fanout.subscribers.values() if each.heard_at < before]
        for subscriber in silent[:most]:
            subscriber.look()

    async def _look(self) -> None:
        everything, self._everything = self._everything, False
        changed, self._changed = self._changed, set()
        lost = set(self._lost)
        async with self._connection() as connection:
            if lost:
                await store.remove_connections(connection, lost)
            if everything:
                changed |= await self._compare(connection)
            changed -= lost
            if changed:
                self._apply(changed, await store.read_connections(connection, changed))
            if everything:
                for connection_id, reason in (await store.ended(connection, self._clock.now())).items():
                    self._fanout.say_bye(connection_id, reason)
        self._lost -= lost

    async def _compare(self, connection: Connection) -> set[str]:
        """Connections that are new, gone, or have another revision than the one known."""
        if self._fanout.now() - self._swept > _LEFT_OVERS_SECONDS:
            self._swept = self._fanout.now()
            await store.remove_left_overs(connection, self._clock.now(), self._limits.connection_age)
        revisions = await store.revisions(connection)
        different = {name for name, revision in revisions.items() if self._revisions.get(name) != revision}
        return different | (self._revisions.keys() - revisions.keys())

    def _apply(self, changed: Collection[str], records: Collection[ConnectionRecord]) -> None:
        found = {record.connection_id: record for record in records}
        for connection_id in changed:
            record = found.get(connection_id)
            if record is not None:
                self._update(record)
            elif self._revisions.pop(connection_id, None) is not None:
                self._expiries.pop(connection_id, None)
                # Mostly it has disconnected and the gateway says so; if not, its user was removed.
                self._fanout.say_bye(connection_id, "connection_removed")

    def _update(self, record: ConnectionRecord) -> None:
        connection_id = record.connection_id
        self._revisions[connection_id] = record.revision
        self._expiries[connection_id] = record.expires_at
        subscriber = self._fanout.connect(connection_id)
        if record.closing is not None:
            self._fanout.say_bye(connection_id, record.closing if record.closing in REASONS else "connection_removed")  # type: ignore[arg-type]
            return
        wanted = {(each.channel, each.key) for each in record.subscriptions}
        for name, key in [held for held in subscriber.keys if held not in wanted]:
            self._fanout.unsubscribe(connection_id, CHANNELS[name], key)
        fresh = [
            each for each in record.subscriptions if subscriber.keys.get((each.channel, each.key)) != each.revision
        ]
        first = self._begun(record, fresh) if self._begun is not None and fresh else {}
        for each in fresh:
            channel = CHANNELS.get(each.channel)
            if channel is None:
                _log.error("subscription to no channel", extra={"channel": each.channel})
            elif channel.owned and each.key.partition(":")[0] != str(record.identity.user_id):
                _log.error("subscription to what is somebody else's", extra={"connection_id": connection_id})
            else:
                self._fanout.subscribe(
                    connection_id, channel, each.key, each.revision, first.get((each.channel, each.key))
                )


def _unavailable(error: BaseException) -> Unavailable:
    unavailable = Unavailable("The database cannot be reached; trying again.", code="database_down")
    unavailable.__cause__ = error
    return unavailable
