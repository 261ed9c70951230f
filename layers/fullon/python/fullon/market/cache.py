"""Reading market data from Valkey: ticks, present and recent bars. Writing is :mod:`live_cache`.

A command is given up after two seconds. What cannot be read raises ``Unavailable`` (``cache_down``) or ``TimedOut``
(``cache_timed_out``), except where a caller can do without.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
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

_log = logging.getLogger("fullon.market")


@dataclass(frozen=True, slots=True)
class Present:
    """The bars of a symbol that change now.

    Attributes:
        minute: the latest one-minute bar; says how far ``bar`` has come.
        bar: the latest bar of the timeframe asked for.
    """

    minute: Bar
    bar: Bar

    @property
    def known_until(self) -> int:
        """The venue's clock has passed this, epoch milliseconds."""
        return max(self.bar.ts, self.minute.ts + (MINUTE_MS if self.minute.final else 0))


async def tick(valkey: Redis, exchange: str, symbol: str) -> Tick | None:
    """The latest tick of a symbol."""
    async with _bounded(COMMAND_SECONDS):
        record = await valkey.hget(keys.ticks(exchange), symbol)
    return None if record is None else Tick.from_record(orjson.loads(record))


async def ticks(valkey: Redis, exchange: str) -> list[Tick]:
    """The latest tick of every symbol of an exchange, by symbol."""
    async with _bounded(COMMAND_SECONDS):
        records = await valkey.hvals(keys.ticks(exchange))
    return sorted((Tick.from_record(orjson.loads(record)) for record in records), key=lambda each: each.symbol)


async def bars(
    valkey: Redis, exchange: str, symbol: str, timeframe: Timeframe, limit: int
) -> tuple[Bar | None, list[Bar]]:
    """The present bar, and up to ``limit`` final ones before it, oldest first."""
    async with _bounded(COMMAND_SECONDS), valkey.pipeline(transaction=False) as batch:
        batch.hget(keys.bars(exchange, symbol), timeframe.value)
        batch.zrange(keys.recent(exchange, symbol, timeframe), -limit, -1)
        record, recent = await batch.execute()
    present = None if record is None else Bar.from_record(orjson.loads(record))
    return present, [Bar.from_record(orjson.loads(each)) for each in recent]


async def present(valkey: Redis, exchange: str, symbol: str, timeframe: Timeframe) -> Present | None:
    """The bars that change now; None if there are none, or they cannot be had quickly."""
    wanted = [Timeframe.M1.value, timeframe.value]
    try:
        async with _bounded(OPTIONAL_SECONDS):
            records = await valkey.hmget(keys.bars(exchange, symbol), wanted)
        minute, bar = (record and Bar.from_record(orjson.loads(record)) for record in records)
        return Present(minute, bar) if minute and bar else None
    except (Unavailable, TimedOut, Corrupt, orjson.JSONDecodeError) as error:
        _log.warning("answering without the running bar", extra={"cause": repr(error)})
        return None


@asynccontextmanager
async def _bounded(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except (TimeoutError, RedisTimeout) as error:
        raise TimedOut("The cache did not answer in time.", code="cache_timed_out") from error
    except (RedisError, OSError) as error:
        raise Unavailable("The cache cannot be reached; try again shortly.", code="cache_down") from error
