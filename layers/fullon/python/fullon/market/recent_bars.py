"""The latest bars of every timeframe of a series, read from the minutes, hours and days in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fullon.kernel.clock import from_milliseconds, to_milliseconds
from fullon.kernel.timeframes import MINUTE_MS, Timeframe
from fullon.market.keys import RECENT_BARS
from fullon.market.running_bars import aggregated
from fullon.venues.quotes import Bar

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

#: Which table serves which timeframes; the last of each is the longest.
_SOURCES: Mapping[str, Sequence[Timeframe]] = {
    "candles": (Timeframe.M1, Timeframe.M3, Timeframe.M5, Timeframe.M15, Timeframe.M30),
    "candles_1h": (Timeframe.H1, Timeframe.H2, Timeframe.H4, Timeframe.H6, Timeframe.H8, Timeframe.H12),
    "candles_1d": (Timeframe.D1, Timeframe.D3, Timeframe.W1, Timeframe.MONTH),
}

_COLUMNS = "SELECT (extract(epoch FROM ts) * 1000)::bigint, open, high, low, close, volume"


@dataclass(frozen=True, slots=True)
class RecentBars:
    """What is stored of a series, from some moment on.

    Attributes:
        final: bars whose time is over, oldest first.
        parts: what is stored of the bars that are not.
        closed_until: end of the last stored minute, epoch milliseconds; 0 when nothing is stored.
    """

    final: Mapping[Timeframe, Sequence[Bar]] = field(default_factory=dict)
    parts: Mapping[Timeframe, Bar] = field(default_factory=dict)
    closed_until: int = 0


async def load(connection: Connection, series_id: int, since: int | None = None) -> RecentBars:
    """The bars of every timeframe.

    Args:
        since: those that hold this moment (epoch milliseconds) and later ones; None for as many as are kept.
    """
    newest = await connection.fetchval(
        "SELECT ts FROM candles WHERE series_id = $1 ORDER BY ts DESC LIMIT 1", series_id
    )
    if newest is None:
        return RecentBars()
    closed_until = to_milliseconds(newest) + MINUTE_MS
    final: dict[Timeframe, Sequence[Bar]] = {}
    parts: dict[Timeframe, Bar] = {}
    for table, timeframes in _SOURCES.items():
        oldest = closed_until - RECENT_BARS * timeframes[-1].milliseconds if since is None else since
        start = min(timeframe.floor(max(0, oldest)) for timeframe in timeframes)
        rows = await _bars(connection, table, series_id, start)
        for timeframe in timeframes:
            bars = aggregated(rows, timeframe, closed_until)
            if bars and not bars[-1].final:
                parts[timeframe] = bars.pop()
            final[timeframe] = [bar for bar in bars if bar.ts >= timeframe.floor(max(0, oldest))][-RECENT_BARS:]
    return RecentBars(final, parts, closed_until)


async def _bars(connection: Connection, table: str, series_id: int, start: int) -> list[Bar]:
    statement = f"{_COLUMNS} FROM {table} WHERE series_id = $1 AND ts >= $2 ORDER BY ts"
    return [Bar(*row) for row in await connection.fetch(statement, series_id, from_milliseconds(start))]
