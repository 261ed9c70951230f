"""Bar lengths and where their buckets begin. All in UTC; weeks start Monday 00:00, months on the first.

Buckets of fixed length are aligned to the epoch, except weeks (the epoch was a Thursday) and ``3d``, which follows the
epoch as the venues' own three-day bars do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from fullon.kernel.errors import Invalid

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
_WEEK_MS = 7 * DAY_MS
_FIRST_MONDAY_MS = 4 * DAY_MS  # 1970-01-05


class Timeframe(StrEnum):
    """The length of a bar."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H8 = "8h"
    H12 = "12h"
    D1 = "1d"
    D3 = "3d"
    W1 = "1w"
    MONTH = "1M"

    @classmethod
    def parse(cls, text: str) -> Timeframe:
        """The timeframe written ``text``.

        Raises:
            Invalid: not one of the known ones; the sentence lists them.
        """
        try:
            return cls(text)
        except ValueError as error:
            known = ", ".join(timeframe.value for timeframe in cls)
            raise Invalid(
                f"Unknown timeframe; use one of {known}.",
                code="unknown_timeframe",
                fields={"timeframe": "unknown"},
            ) from error

    @property
    def milliseconds(self) -> int:
        """Length of a bar; for a month the longest one, 31 days."""
        return _LENGTHS[self]

    def floor(self, moment: int) -> int:
        """Start of the bucket that holds ``moment`` (epoch milliseconds)."""
        if self is Timeframe.MONTH:
            date = datetime.fromtimestamp(moment // 1000, UTC)
            return _month_start(date.year, date.month)
        if self is Timeframe.W1:
            return moment - (moment - _FIRST_MONDAY_MS) % _WEEK_MS
        return moment - moment % _LENGTHS[self]

    def next(self, moment: int) -> int:
        """Start of the bucket after the one that holds ``moment``."""
        start = self.floor(moment)
        if self is Timeframe.MONTH:
            date = datetime.fromtimestamp(start // 1000, UTC)
            return _month_start(date.year + date.month // 12, date.month % 12 + 1)
        return start + _LENGTHS[self]


def _month_start(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000


_LENGTHS = {
    Timeframe.M1: MINUTE_MS,
    Timeframe.M3: 3 * MINUTE_MS,
    Timeframe.M5: 5 * MINUTE_MS,
    Timeframe.M15: 15 * MINUTE_MS,
    Timeframe.M30: 30 * MINUTE_MS,
    Timeframe.H1: HOUR_MS,
    Timeframe.H2: 2 * HOUR_MS,
    Timeframe.H4: 4 * HOUR_MS,
    Timeframe.H6: 6 * HOUR_MS,
    Timeframe.H8: 8 * HOUR_MS,
    Timeframe.H12: 12 * HOUR_MS,
    Timeframe.D1: DAY_MS,
    Timeframe.D3: 3 * DAY_MS,
    Timeframe.W1: _WEEK_MS,
    Timeframe.MONTH: 31 * DAY_MS,
}
