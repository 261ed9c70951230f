"""Valkey: the latest values that snapshots are made of, the bell, and the counters of frames.

Losing Valkey loses none of it: values come again from the collectors, the bell is doubled by a poll, and while the
counters cannot be kept nobody is refused.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import orjson

from fullon.kernel.errors import Unavailable
from fullon.market import keys as names
from fullon.streams import frames
from fullon.streams.model import BALANCES, OHLCV, POSITIONS, PROCESSES, TICKERS, TRADES, Topics

if TYPE_CHECKING:
    from redis.asyncio import Redis

    Entry = tuple[bytes, dict[bytes, bytes]]

#: Rung when rows of connections or subscriptions have changed.
BELL = "streams:changed"
#: How many of the latest trades a snapshot holds.
RECENT_TRADES = 50
#: How far back in the stream of all trades a single ``get`` looks for them.
TRADES_LOOKED_AT = 2_000
PATIENCE_SECONDS = 1.0

_log = logging.getLogger("fullon.streams")


async def ring(valkey: Redis, connection_id: str) -> None:
    """Tell the streamer to look at a connection; if it does not hear, its poll finds the change."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await valkey.publish(BELL, connection_id)
    except _lost() as error:
        _log.warning("bell not rung", extra={"cause": repr(error)})


async def count_frame(valkey: Redis, uid: UUID, window: int, seconds: int) -> int:
    """Count a frame of a user in the window of that number and return how many there are; 0 when nobody counts."""
    return await _count(valkey, f"frames:{{{uid}}}:{window}", seconds + 1)


async def count_refusal(valkey: Redis, connection_id: str, seconds: int) -> int:
    """Count a refused frame of a connection; the count is of the ``seconds`` since the first."""
    return await _count(valkey, f"refusals:{{{connection_id}}}", seconds)


async def _count(valkey: Redis, key: str, seconds: int) -> int:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            pipeline = valkey.pipeline(transaction=False)
            pipeline.incr(key)
            pipeline.expire(key, seconds, nx=True)
            answers = await pipeline.execute()
    except _lost() as error:
        _log.warning("frame not counted", extra={"cause": repr(error)})
        return 0
    return int(answers[0])


async def latest(valkey: Redis, topics: Topics, processes: Iterable[str]) -> dict[str, Any]:
    """The present value of each key, as subscribers get it: None, or an empty list of trades, where there is none.

    Args:
        processes: the hashes of process records, one for each daemon.

    Raises:
        Unavailable: Valkey does not answer.
    """
    try:
        async with asyncio.timeout(3 * PATIENCE_SECONDS):
            return await _READERS[topics.channel.name](valkey, topics, tuple(processes))
    except _lost() as error:
        raise Unavailable("The cache cannot be reached; try again shortly.", code="cache_down") from error


async def _ticks(valkey: Redis, topics: Topics, _: Sequence[str]) -> dict[str, Any]:
    exchange = topics.exchange or ""
    if not topics.symbols:
        found = cast("dict[bytes, bytes]", await valkey.hgetall(names.ticks(exchange)))
        return {f"{exchange}:{symbol.decode()}": orjson.loads(value) for symbol, value in sorted(found.items())}
    values = await valkey.hmget(names.ticks(exchange), list(topics.symbols))
    return {key: value and orjson.loads(value) for key, value in zip(topics.keys, values, strict=True)}


async def _bars(valkey: Redis, topics: Topics, _: Sequence[str]) -> dict[str, Any]:
    exchange, timeframe = topics.exchange or "", topics.timeframe
    assert timeframe is not None
    pipeline = valkey.pipeline(transaction=False)
    for symbol in topics.symbols:
        pipeline.hget(names.bars(exchange, symbol), timeframe.value)
    values = await pipeline.execute()
    return {
        key: value and frames.bar_data(exchange, symbol, timeframe.value, orjson.loads(value))
        for key, symbol, value in zip(topics.keys, topics.symbols, values, strict=True)
    }


async def _trades(valkey: Redis, topics: Topics, _: Sequence[str]) -> dict[str, Any]:
    found: dict[str, list[Any]] = {key: [] for key in topics.keys}
    entries = cast("list[Entry]", await valkey.xrevrange(names.TRADES_STREAM, count=TRADES_LOOKED_AT))
    for _id, fields in reversed(entries):
        batch = orjson.loads(fields[names.TRADES_FIELD])
        trades = found.get(f"{batch['exchange']}:{batch['symbol']}")
        if trades is not None:
            trades += [frames.trade_data(record) for record in batch["trades"]]
    return {key: trades[-RECENT_TRADES:] for key, trades in found.items()}


async def _processes(valkey: Redis, topics: Topics, processes: Sequence[str]) -> dict[str, Any]:
    pipeline = valkey.pipeline(transaction=False)
    for key in processes:
        pipeline.hvals(key)
    records = [orjson.loads(value) for values in await pipeline.execute() for value in values]
    return {f"{record['type']}:{record['instance']}": record for record in records}


async def _accounts(valkey: Redis, topics: Topics, _: Sequence[str]) -> dict[str, Any]:
    from fullon.orders import account_cache

    assert topics.owner is not None
    part = topics.part
    wanted = await account_cache.of_user(valkey, topics.owner) if part is None else [part]
    states = await account_cache.read(valkey, wanted)
    found: dict[str, Any] = {} if part is None else {f"{topics.owner}:{part}": None}
    for state in states:
        if state.uid == topics.owner:
            found[f"{topics.owner}:{state.ex_id}"] = state.part(topics.channel.name)
    return found


_READERS = {
    TICKERS.name: _ticks,
    OHLCV.name: _bars,
    TRADES.name: _trades,
    PROCESSES.name: _processes,
    BALANCES.name: _accounts,
    POSITIONS.name: _accounts,
}


def _lost() -> tuple[type[Exception], ...]:
    """Imported late: a cold start pays for the client only when it is used."""
    from redis.exceptions import RedisError

    return (RedisError, OSError, asyncio.TimeoutError)
