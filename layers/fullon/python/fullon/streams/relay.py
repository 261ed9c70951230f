"""From the outbox to Valkey's stream ``feed:orders`` and to the subscribers of what is their own.

A row of the outbox was written in the transaction of its change. It is removed when it stands in the stream and has
been handed to the fan-out, so nothing is lost whatever ends in between, and a change may be told twice: records carry
an id or a version. The streamer does this because it runs wherever there are subscribers, leads alone, and serves
changes of all writers, whichever of them are running.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
from redis.exceptions import RedisError

from fullon.kernel.clock import Clock, to_milliseconds
from fullon.kernel.errors import Unavailable
from fullon.kernel.retry import Backoff, Outage, give_way
from fullon.orders import order_cache
from fullon.streams import records
from fullon.streams.fanout import Fanout
from fullon.streams.model import CHANNELS, ORDERS, Channel, read_key

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from fullon.streams.store import Connection

    Connections = Callable[[], AbstractAsyncContextManager[Connection]]

#: Stream, field ``b``: ``{"entry", "uid", "channel", "key", "at", "data"}``.
ORDERS_STREAM = "feed:orders"
ORDERS_STREAM_LENGTH = 100_000
_FIELD = b"b"
#: Seconds between two looks at the outbox; a ring shortens the wait.
LOOK_SECONDS = 0.2
_BATCH = 500
_READ = """
SELECT entry_id, at, uid, channel, key, data::text AS data FROM outbox ORDER BY entry_id LIMIT $1
"""
_DOWN = (Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError, RedisError, OSError, TimeoutError)
_log = logging.getLogger("fullon.streams")


class Relay:
    """Moves the outbox, and gives subscribers their first snapshots.

    Args:
        connection: opens a connection of the platform database.
        outage: of moving; ``reading`` is that of the snapshots.
        taken: told how many changes were moved.
    """

    def __init__(
        self,
        connection: Connections,
        valkey: Redis,
        fanout: Fanout,
        clock: Clock,
        outage: Outage,
        reading: Outage,
        *,
        taken: Callable[[int], None],
    ) -> None:
        self._connection = connection
        self._valkey = valkey
        self._fanout = fanout
        self._clock = clock
        self._outage = outage
        self._reading = reading
        self._taken = taken
        self._rung = asyncio.Event()
        self._unread: dict[tuple[str, str], Channel] = {}
        self._asked = asyncio.Event()

    def ring(self, message: bytes = b"") -> None:
        """Something was written: look now."""
        self._rung.set()

    def read(self, channel: Channel, key: str) -> None:
        """Read the present records of a key, and let the fan-out know them."""
        self._unread[channel.name, key] = channel
        self._asked.set()

    async def run(self) -> None:
        """Move and read until cancelled; the stores may come and go."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._move())
            tasks.create_task(self._read_asked())

    async def _move(self) -> None:
        backoff = Backoff(0.1, 2.0)
        while True:
            try:
                moved = await self._move_some()
                self._outage.passed()
                backoff.reset()
            except _DOWN as error:
                give_way()
                self._outage.failed(_unavailable(error))
                await asyncio.sleep(backoff.pause())
                continue
            if moved < _BATCH:
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._rung.wait()
        except TimeoutError:
            return
        self._rung.clear()

    async def _move_some(self) -> int:
        async with self._connection() as connection:
            rows = await connection.fetch(_READ, _BATCH)
        if not rows:
            return 0
        changes = [(row, orjson.loads(row["data"])) for row in rows]
        async with self._valkey.pipeline(transaction=False) as batch:
            for row, data in changes:
                entry = {
                    "entry": row["entry_id"],
                    "uid": str(row["uid"]),
                    "channel": row["channel"],
                    "key": row["key"],
                    "at": to_milliseconds(row["at"]),
                    "data": data,
                }
                batch.xadd(ORDERS_STREAM, {_FIELD: orjson.dumps(entry)}, maxlen=ORDERS_STREAM_LENGTH, approximate=True)
            await batch.execute()
        await order_cache.keep(self._valkey, [data for row, data in changes if row["channel"] == ORDERS.name])
        give_way()
        self._hand_over(changes)
        async with self._connection() as connection:
            await connection.execute("DELETE FROM outbox WHERE entry_id = ANY($1)", [row["entry_id"] for row in rows])
        self._taken(len(rows))
        return len(rows)

    def _hand_over(self, changes: Sequence[tuple[Any, Any]]) -> None:
        now = to_milliseconds(self._clock.now())
        for row, data in changes:
            channel = CHANNELS.get(row["channel"])
            if channel is None or not (channel.owned and channel.lossless):
                _log.error("change of no channel", extra={"channel": row["channel"], "entry": row["entry_id"]})
                continue
            for key in _keys(str(row["uid"]), data):
                if self._fanout.wants(channel.name, key, key):
                    self._fanout.trades(channel, key, [data], now)

    async def _read_asked(self) -> None:
        backoff = Backoff(0.1, 2.0)
        while True:
            await self._asked.wait()
            self._asked.clear()
            unread, self._unread = self._unread, {}
            try:
                for (name, key), channel in list(unread.items()):
                    async with self._connection() as connection:
                        found = await records.latest(connection, read_key(channel, key))
                    self._fanout.know(channel, key, found[key], to_milliseconds(self._clock.now()))
                    del unread[name, key]
                backoff.reset()
                self._reading.passed()
            except _DOWN as error:
                self._reading.failed(_unavailable(error))
                self._unread = {**unread, **self._unread}
                self._asked.set()
                await asyncio.sleep(backoff.pause())


def _keys(uid: str, data: Any) -> Iterator[str]:
    """Keys that a change belongs to: all of the owner's, those of its account, those of its bot."""
    yield uid
    for member in ("ex_id", "bot_id"):
        if data.get(member):
            yield f"{uid}:{data[member]}"


def _unavailable(error: BaseException) -> Unavailable:
    unavailable = Unavailable("The database or the cache cannot be reached; trying again.", code="database_down")
    unavailable.__cause__ = error
    return unavailable
