"""Rows of any timeframe out of what PostgreSQL keeps: minutes by the hour, hours and days. Cutting rows to length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fullon.kernel.timeframes import DAY_MS, HOUR_MS, Timeframe
from fullon.market import packed, store
from fullon.market.store import Series

if TYPE_CHECKING:
    from fullon.market.store import Connection, RollUp


async def latest(
    connection: Connection, exchange: str, symbol: str, timeframe: Timeframe, limit: int
) -> tuple[Series | None, list[bytes]]:
    """Rows of at least the latest ``limit`` buckets, if there are so many."""
    if timeframe.milliseconds >= HOUR_MS:
        table, ratio = _roll_up(timeframe)
        series, rows = await store.latest_rows(connection, table, exchange, symbol, limit * ratio)
        return series, rows if ratio == 1 else [packed.aggregate(chunk, timeframe) for chunk in rows]
    found: list[bytes] = []
    wanted = limit * timeframe.milliseconds // HOUR_MS + 2
    before = None
    while True:
        series, hours = await store.latest_hours(connection, exchange, symbol, wanted, before)
        found = [_of_hour(hour, timeframe) for hour in hours] + found
        if len(hours) < wanted or total(found) >= limit:
            return series, found
        before = Timeframe.H1.floor(packed.first_ts(hours[0]))


async def between(
    connection: Connection,
    exchange: str,
    symbol: str,
    timeframe: Timeframe,
    start: int,
    end: int | None,
    limit: int,
) -> tuple[Series | None, list[bytes]]:
    """Rows of the first ``limit`` buckets, or a few more, from ``start`` to before ``end``; both begin a bucket."""
    if timeframe.milliseconds >= HOUR_MS:
        table, ratio = _roll_up(timeframe)
        series, rows = await store.rows_between(connection, table, exchange, symbol, start, end, limit * ratio)
        return series, rows if ratio == 1 else [packed.aggregate(chunk, timeframe) for chunk in rows]
    found: list[bytes] = []
    wanted = limit * timeframe.milliseconds // HOUR_MS + 2
    while True:
        series, hours = await store.hours_between(connection, exchange, symbol, start, end, wanted)
        found += [packed.between(_of_hour(hour, timeframe), start, end) for hour in hours]
        if len(hours) < wanted or total(found) >= limit:
            return series, found
        start = Timeframe.H1.next(packed.first_ts(hours[-1]))


def _of_hour(minutes: bytes, timeframe: Timeframe) -> bytes:
    return minutes if timeframe is Timeframe.M1 else packed.aggregate_hour(minutes, timeframe)


def _roll_up(timeframe: Timeframe) -> tuple[RollUp, int]:
    """The table that a timeframe of an hour or more is read from, and how many of its rows make a bucket at most."""
    if timeframe.milliseconds < DAY_MS:
        return "candles_1h", timeframe.milliseconds // HOUR_MS
    return "candles_1d", timeframe.milliseconds // DAY_MS


def newest(rows: Sequence[bytes], limit: int) -> list[bytes]:
    """The last ``limit`` rows."""
    kept: list[bytes] = []
    for chunk in reversed(rows):
        if limit <= 0:
            break
        kept.append(chunk[-limit * packed.ROW.size :])
        limit -= packed.count(chunk)
    return kept[::-1]


def oldest(rows: Sequence[bytes], limit: int) -> list[bytes]:
    """The first ``limit`` rows."""
    kept: list[bytes] = []
    for chunk in rows:
        if limit <= 0:
            break
        kept.append(chunk[: limit * packed.ROW.size])
        limit -= packed.count(chunk)
    return kept


def total(rows: Sequence[bytes]) -> int:
    """How many rows there are in all."""
    return sum(map(packed.count, rows))
