"""Writing candles to PostgreSQL: minutes, and in the same transaction the hours and days they belong to.

A batch is copied into a temporary table and merged from there, so that writing it again changes nothing. Hours and
days are computed anew from their minutes whenever one of these changed, late and corrected ones alike; a complete hour
also keeps its minutes packed, for readers. Partitions are made when they are first needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fullon.kernel.clock import from_milliseconds, to_milliseconds
from fullon.kernel.timeframes import Timeframe
from fullon.market.errors import Superseded
from fullon.market.packed import packed_row
from fullon.venues.model import Symbol
from fullon.venues.quotes import Bar

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

#: Advisory locks: one for making partitions, one for each series.
_PARTITION_LOCK = 0x66756C70
_SERIES_LOCKS = 0x66756C73

_INTAKE = """
CREATE TEMP TABLE IF NOT EXISTS candle_intake (
    series_id integer, ts timestamptz, open float8, high float8, low float8, close float8, volume float8
) ON COMMIT DELETE ROWS
"""
_MERGE = """
INSERT INTO candles AS old (series_id, ts, open, high, low, close, volume)
SELECT series_id, ts, open, high, low, close, volume FROM candle_intake ORDER BY series_id, ts
ON CONFLICT (series_id, ts) DO UPDATE
   SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
       volume = excluded.volume
 WHERE (old.open, old.high, old.low, old.close, old.volume)
       IS DISTINCT FROM (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume)
RETURNING series_id, ts
"""
_ROLL_UP = """
INSERT INTO {table} AS old (series_id, ts, open, high, low, close, volume, minutes{packed})
SELECT bucket.series_id, bucket.ts, (array_agg(m.open ORDER BY m.ts))[1], max(m.high), min(m.low),
       (array_agg(m.close ORDER BY m.ts DESC))[1], sum(m.volume ORDER BY m.ts), count(*){minutes}
  FROM unnest($1::integer[], $2::timestamptz[]) AS bucket (series_id, ts)
  JOIN candles m ON m.series_id = bucket.series_id
   AND m.ts >= bucket.ts AND m.ts < bucket.ts + interval '{length}'
 GROUP BY 1, 2
ON CONFLICT (series_id, ts) DO UPDATE
   SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
       volume = excluded.volume, minutes = excluded.minutes{update}
"""
_PACKED_MINUTES = f", CASE WHEN count(*) = 60 THEN string_agg({packed_row('m')}, ''::bytea ORDER BY m.ts) END"
_ROLL_UPS = (
    (
        Timeframe.H1,
        _ROLL_UP.format(
            table="candles_1h",
            length="1 hour",
            packed=", packed",
            minutes=_PACKED_MINUTES,
            update=", packed = excluded.packed",
        ),
    ),
    (Timeframe.D1, _ROLL_UP.format(table="candles_1d", length="1 day", packed="", minutes="", update="")),
)


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: a collector under the fence of its lease. Writes of an older fence are refused."""

    name: str
    fence: int


async def claim(connection: Connection, writer: Writer, *, restart: bool = False) -> None:
    """Make ``writer`` the one that may write.

    Args:
        restart: its fence may also be lower than the known one; for when the lease was just confirmed although, as
            after a restore of the other database, its numbers have begun anew.

    Raises:
        Superseded: a newer one has claimed already.
    """
    claimed = await connection.fetchval(
        "INSERT INTO writers AS held (name, fence) VALUES ($1, $2)"
        " ON CONFLICT (name) DO UPDATE SET fence = excluded.fence WHERE held.fence <= excluded.fence OR $3"
        " RETURNING fence",
        writer.name,
        writer.fence,
        restart,
    )
    if claimed is None:
        raise Superseded(writer.name, writer.fence)


async def guard(connection: Connection, writer: Writer | None) -> None:
    """Let the caller's transaction go on only if ``writer`` is still the newest; None is a one-off load by hand.

    Raises:
        Superseded: a newer one has claimed.
    """
    if writer is None:
        return
    fence = await connection.fetchval("SELECT fence FROM writers WHERE name = $1 FOR SHARE", writer.name)
    if fence != writer.fence:
        raise Superseded(writer.name, writer.fence)


async def put_series(connection: Connection, symbols: Sequence[Symbol]) -> None:
    """Copy what the candle database needs to know of symbols; a renamed one keeps its candles.

    A series that has lost its name to another, because the catalogue was made anew, is kept under a name of its own.
    """
    await connection.execute(
        "UPDATE series SET symbol = series.symbol || '#' || series.series_id, active = false"
        " FROM unnest($1::integer[], $2::text[], $3::text[]) AS new (series_id, exchange, symbol)"
        " WHERE (series.exchange, series.symbol) = (new.exchange, new.symbol) AND series.series_id <> new.series_id",
        [each.symbol_id for each in symbols],
        [each.exchange for each in symbols],
        [each.symbol for each in symbols],
    )
    await connection.executemany(
        "INSERT INTO series (series_id, exchange, symbol, base, quote, active) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (series_id) DO UPDATE SET exchange = excluded.exchange, symbol = excluded.symbol,"
        " base = excluded.base, quote = excluded.quote, active = excluded.active"
        " WHERE (series.exchange, series.symbol, series.base, series.quote, series.active)"
        " IS DISTINCT FROM (excluded.exchange, excluded.symbol, excluded.base, excluded.quote, excluded.active)",
        [(each.symbol_id, each.exchange, each.symbol, each.base, each.quote, each.active) for each in symbols],
    )


async def verified_until(connection: Connection, series_id: int) -> int | None:
    """Up to when the series was read from its venue, epoch milliseconds; None if never."""
    moment = await connection.fetchval("SELECT verified_until FROM series WHERE series_id = $1", series_id)
    return None if moment is None else to_milliseconds(moment)


async def set_verified(connection: Connection, series_id: int, until: int) -> None:
    """Say up to when the series was read from its venue."""
    moment = from_milliseconds(until)
    await connection.execute("UPDATE series SET verified_until = $2 WHERE series_id = $1", series_id, moment)


async def put_candles(connection: Connection, bars: Iterable[tuple[int, Bar]]) -> list[tuple[int, int]]:
    """Merge closed minutes, each with its series, and bring the hours and days they lie in up to date.

    Call it in a transaction. Batches of one series wait for each other, so that no roll-up misses a minute.

    Args:
        bars: series and bar; of several for one minute the last counts.

    Returns:
        Series and time (epoch milliseconds) of the minutes that are new or changed.
    """
    rows = {(series, bar.ts): bar for series, bar in bars}
    if not rows:
        return []
    series_ids = sorted({series for series, _ in rows})
    await connection.execute(
        "SELECT pg_advisory_xact_lock($1, series) FROM unnest($2::integer[]) AS series", _SERIES_LOCKS, series_ids
    )
    await make_partitions(connection, "candles", [ts for _, ts in rows])
    await connection.execute(_INTAKE)
    await connection.copy_records_to_table(
        "candle_intake",
        records=[
            (series, from_milliseconds(ts), bar.open, bar.high, bar.low, bar.close, bar.volume)
            for (series, ts), bar in rows.items()
        ],
    )
    merged = await connection.fetch(_MERGE)
    await connection.execute("DELETE FROM candle_intake")
    changed = [(row["series_id"], to_milliseconds(row["ts"])) for row in merged]
    for timeframe, statement in _ROLL_UPS:
        buckets = sorted({(series, timeframe.floor(ts)) for series, ts in changed})
        if buckets:
            starts = [from_milliseconds(start) for _, start in buckets]
            await connection.execute(statement, [series for series, _ in buckets], starts)
    return changed


async def make_partitions(connection: Connection, table: str, times: Iterable[int]) -> None:
    """Make the monthly partitions that ``times`` (epoch milliseconds) fall into, where they are missing."""
    months = {Timeframe.MONTH.floor(ts) for ts in times}
    wanted = {partition_name(table, month): month for month in months}
    present = await connection.fetch(
        "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL", list(wanted)
    )
    missing = sorted(set(wanted) - {row["name"] for row in present})
    if not missing:
        return
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _PARTITION_LOCK)
    for name in missing:
        start, end = from_milliseconds(wanted[name]), from_milliseconds(Timeframe.MONTH.next(wanted[name]))
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF {table}"
            f" FOR VALUES FROM ('{start.isoformat()}') TO ('{end.isoformat()}')"
        )


def partition_name(table: str, month: int) -> str:
    """``candles_2026_11`` for the month that begins at ``month`` (epoch milliseconds)."""
    start: datetime = from_milliseconds(month)
    return f"{table}_{start.year:04}_{start.month:02}"
