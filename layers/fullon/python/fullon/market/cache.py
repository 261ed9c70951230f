"""Reading market data from Valkey: ticks, present and recent bars. Writing is :mod:`live_cache`.

A command is given up after two seconds. What cannot be read raises ``Unavailable`` (``cache_down``) or ``TimedOut``
(``cache_timed_out``), except where a caller can do without.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from fullon.kernel.errors import Corrupt, TimedOut, Unavailable
from fullon.kernel.timeframes import MINUTE_MS, Timeframe
from fullon.market import keys
from fullon.venues.quotes import Bar, Tick

if TYPE_CHECKING:
    from redis.asyncio import Redis

COMMAND_SECONDS = 2.0
#: Candles are answered from PostgreSQL alone when Valkey takes longer than this.
OPTIONAL_SECONDS = 0.5
#: How many closed bars can be waiting to be written to PostgreSQL while it is slow.
UNSTORED_BARS = 5

_log = logging.getLogger("fullon.market")


@dataclass(frozen=True, slots=True)
class Present:
    """The bars of a symbol that change now.

    Attributes:
        minute: the latest one-minute bar; says how far ``bar`` has come.
        bar: the latest bar of the timeframe asked for.
        recent: the final ones before it, which PostgreSQL may not have yet.
    """

    minute: Bar
    bar: Bar
    recent: Sequence[Bar]

    @property
    def known_until(self) -> int:
        """The venue's clock has passed this, epoch milliseconds."""
        return max(self.bar.ts, self.minute.ts + (MINUTE_MS if self.minute.final else 0))


@dataclass(frozen=True, slots=True)
class TradesQueue:
    """The stream of trades. Times are epoch milliseconds by Valkey's clock.

    Attributes:
        length: batches in it.
        first: when the oldest of them was written.
        last: when the newest was.
        read: when the newest was written that the streamer has read; None while none runs.
    """

    length: int
    first: int
    last: int
    read: int | None


async def tick(valkey: Redis, exchange: str, symbol: str) -> Tick | None:
    """The latest tick of a symbol."""
    async with bounded():
        record = await valkey.hget(keys.ticks(exchange), symbol)
    return None if record is None else Tick.from_record(orjson.loads(record))


async def present_tick(valkey: Redis, exchange: str, symbol: str) -> Tick | None:
    """The latest tick of a symbol while its exchange is listened to; None where prices may be old."""
    async with bounded(), valkey.pipeline(transaction=False) as batch:
        batch.hget(keys.ticks(exchange), symbol)
        batch.exists(keys.heard(exchange))
        record, is_heard = await batch.execute()
    return Tick.from_record(orjson.loads(record)) if record is not None and is_heard else None


async def ticks(valkey: Redis, exchange: str) -> list[Tick]:
    """The latest tick of every symbol of an exchange, by symbol."""
    async with bounded():
        records = await valkey.hvals(keys.ticks(exchange))
    return sorted((Tick.from_record(orjson.loads(record)) for record in records), key=lambda each: each.symbol)


async def bars(
    valkey: Redis, exchange: str, symbol: str, timeframe: Timeframe, limit: int
) -> tuple[Bar | None, list[Bar]]:
    """The present bar, and up to ``limit`` final ones before it, oldest first."""
    async with bounded(), valkey.pipeline(transaction=False) as batch:
        batch.hget(keys.bars(exchange, symbol), timeframe.value)
        batch.zrange(keys.recent(exchange, symbol, timeframe), -limit, -1)
        record, recent = await batch.execute()
    return None if record is None else _bar(record), [_bar(each) for each in recent]


async def trades_queue(valkey: Redis) -> TradesQueue | None:
    """The stream of trades as a queue; None when it has never held any, or lost its memory."""
    async with bounded(), valkey.pipeline(transaction=False) as batch:
        batch.xlen(keys.TRADES_STREAM)
        batch.xrange(keys.TRADES_STREAM, count=1)
        batch.xrevrange(keys.TRADES_STREAM, count=1)
        batch.get(keys.TRADES_READ)
        length, first, last, read = await batch.execute()
    if not first or not last:
        return None
    return TradesQueue(length, _written_at(first[0][0]), _written_at(last[0][0]), read and _written_at(read))


def _written_at(entry_id: bytes) -> int:
    """Ids of a stream's entries begin with the time at which they were written."""
    return int(entry_id.partition(b"-")[0])


async def present(valkey: Redis, exchange: str, symbol: str, timeframe: Timeframe) -> Present | None:
    """The bars that change now; None if there are none, or they cannot be had quickly."""
    try:
        async with bounded(OPTIONAL_SECONDS), valkey.pipeline(transaction=False) as batch:
            batch.hmget(keys.bars(exchange, symbol), [Timeframe.M1.value, timeframe.value])
            batch.zrange(keys.recent(exchange, symbol, timeframe), -UNSTORED_BARS, -1)
            records, recent = await batch.execute()
        if None in records:
            return None
        minute, bar = map(_bar, records)
        return Present(minute, bar, [_bar(record) for record in recent])
    except (Unavailable, TimedOut, Corrupt, orjson.JSONDecodeError) as error:
        _log.warning("answering without the running bar", extra={"cause": repr(error)})
        return None


def _bar(record: bytes) -> Bar:
    return Bar.from_record(orjson.loads(record))


@asynccontextmanager
async def bounded(seconds: float | None = None) -> AsyncIterator[None]:
    """Give a command of Valkey up after ``seconds`` (by default two); its failures become errors of the tree."""
    try:
        async with asyncio.timeout(COMMAND_SECONDS if seconds is None else seconds):
            yield
    except (TimeoutError, RedisTimeout) as error:
        raise TimedOut("The cache did not answer in time.", code="cache_timed_out") from error
    except (RedisError, OSError) as error:
        raise Unavailable("The cache cannot be reached; try again shortly.", code="cache_down") from error
