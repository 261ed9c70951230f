"""How fresh and how complete stored candles are; read from the roll-ups, so a year of minutes costs milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fullon.market.store import Connection

MINUTE = timedelta(minutes=1)
#: How many gaps of a symbol are named.
NAMED_GAPS = 20

_COVERAGE = """
SELECT series.series_id, series.verified_until,
       (SELECT ts FROM candles WHERE candles.series_id = series.series_id ORDER BY ts LIMIT 1) AS first,
       (SELECT ts FROM candles WHERE candles.series_id = series.series_id ORDER BY ts DESC LIMIT 1) AS newest,
       coalesce((SELECT sum(minutes) FROM candles_1d days WHERE days.series_id = series.series_id), 0) AS candles
  FROM series
 WHERE series.series_id = ANY ($1::integer[])
"""
# A complete hour is one span, the minutes of the others are spans of their own; a gap is what lies between two spans.
_GAPS = """
WITH spans AS (
    SELECT ts AS start, ts + interval '1 hour' AS stop FROM candles_1h WHERE series_id = $1 AND minutes = 60
    UNION ALL
    SELECT minute.ts, minute.ts + interval '1 minute'
      FROM candles_1h AS hours
      JOIN candles AS minute ON minute.series_id = hours.series_id
       AND minute.ts >= hours.ts AND minute.ts < hours.ts + interval '1 hour'
     WHERE hours.series_id = $1 AND hours.minutes < 60
), steps AS (SELECT stop, lead(start) OVER (ORDER BY start) AS next FROM spans)
SELECT stop, next, count(*) OVER () AS total FROM steps WHERE next > stop ORDER BY stop DESC LIMIT $2
"""
_IMPLAUSIBLE = """
SELECT count(*) FROM candles
 WHERE series_id = ANY ($1::integer[]) AND ts >= $2
   AND NOT (high >= greatest(open, close) AND low <= least(open, close) AND low > 0 AND volume >= 0
            AND high < 'infinity' AND volume < 'infinity')
"""
_WRONG_ROLL_UPS = """
SELECT count(*)
  FROM (SELECT * FROM candles_1h WHERE series_id = ANY ($1::integer[]) AND ts >= $2) AS kept
  FULL JOIN (
        SELECT series_id, date_trunc('hour', ts, 'UTC') AS ts, (array_agg(open ORDER BY ts))[1] AS open,
               max(high) AS high, min(low) AS low, (array_agg(close ORDER BY ts DESC))[1] AS close,
               sum(volume ORDER BY ts) AS volume, count(*) AS minutes
          FROM candles WHERE series_id = ANY ($1::integer[]) AND ts >= $2 GROUP BY 1, 2) AS computed
    USING (series_id, ts)
 WHERE (kept.open, kept.high, kept.low, kept.close, kept.volume, kept.minutes) IS DISTINCT FROM
       (computed.open, computed.high, computed.low, computed.close, computed.volume, computed.minutes)
"""


@dataclass(frozen=True, slots=True)
class Gap:
    """From the first missing minute to before the next one that is there."""

    start: datetime
    end: datetime

    @property
    def minutes(self) -> int:
        """How many are missing."""
        return (self.end - self.start) // MINUTE


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is stored of one series.

    Attributes:
        first: time of the oldest minute; None when there is none, like ``newest``.
        verified_until: before this everything was read again from the venue after it had closed.
        candles: how many minutes.
    """

    first: datetime | None = None
    newest: datetime | None = None
    verified_until: datetime | None = None
    candles: int = 0

    @property
    def missing(self) -> int:
        """Minutes between the first and the newest that are not there."""
        if self.first is None or self.newest is None:
            return 0
        return (self.newest - self.first) // MINUTE + 1 - self.candles

    def age(self, now: datetime) -> timedelta | None:
        """How long ago the newest candle closed."""
        return None if self.newest is None else max(timedelta(), now - self.newest - MINUTE)


async def coverage(connection: Connection, series_ids: Sequence[int]) -> dict[int, Coverage]:
    """What is stored of these series; those without a row have nothing."""
    rows = await connection.fetch(_COVERAGE, list(series_ids))
    return {
        row["series_id"]: Coverage(row["first"], row["newest"], row["verified_until"], int(row["candles"]))
        for row in rows
    }


async def gaps(connection: Connection, series_id: int) -> tuple[int, list[Gap]]:
    """How many gaps a series has, and the latest of them, newest first."""
    rows = await connection.fetch(_GAPS, series_id, NAMED_GAPS)
    return (rows[0]["total"] if rows else 0), [Gap(row["stop"], row["next"]) for row in rows]


async def implausible(connection: Connection, series_ids: Sequence[int], since: datetime) -> int:
    """Minutes whose prices or volume cannot be."""
    return int(await connection.fetchval(_IMPLAUSIBLE, list(series_ids), since))


async def wrong_roll_ups(connection: Connection, series_ids: Sequence[int], since: datetime) -> int:
    """Hours that differ from what their minutes say; ``since`` begins an hour."""
    return int(await connection.fetchval(_WRONG_ROLL_UPS, list(series_ids), since))
