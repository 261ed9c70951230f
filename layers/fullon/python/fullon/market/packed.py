"""Candles as bytes: what PostgreSQL sends, what is aggregated and cut, and what is encoded for an answer. Pure.

A row is 48 bytes, big-endian as PostgreSQL's ``*send`` functions write them: the start of the bucket in microseconds
since 2000-01-01 UTC, then open, high, low, close and volume as float8. Rows follow each other in the order of time.
Ten thousand candles leave the database in 2 ms like this, and in 11 ms as rows. Functions that are asked for the same
hours again and again remember their last answers; being pure, they cannot be wrong.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import add

from fullon.kernel.timeframes import Timeframe
from fullon.venues.quotes import Bar

ROW = struct.Struct(">q5d")
#: 2000-01-01 UTC, where PostgreSQL's microseconds begin, in epoch milliseconds.
_ORIGIN_MS = 946_684_800_000
_TS = struct.Struct(">q")


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows turned on their side; ``moment`` as in the rows, see :func:`milliseconds`."""

    moment: Sequence[int]
    open: Sequence[float]
    high: Sequence[float]
    low: Sequence[float]
    close: Sequence[float]
    volume: Sequence[float]


def packed_row(table: str) -> str:
    """The SQL expression of a row of ``table``, which has the columns of candles."""
    values = (f"float8send({table}.{column})" for column in ("open", "high", "low", "close", "volume"))
    return " || ".join((f"timestamptz_send({table}.ts)", *values))


def milliseconds(moment: int) -> int:
    """Epoch milliseconds of a row's time."""
    return moment // 1000 + _ORIGIN_MS


def columns(packed: bytes) -> Columns:
    """The columns of packed rows; 30 ns a row."""
    times, values = array("q", packed), array("d", packed)
    if sys.byteorder == "little":
        times.byteswap()
        values.byteswap()
    width = ROW.size // times.itemsize
    return Columns(times[::width], *(values[place::width] for place in range(1, width)))


def pack(bars: Iterable[Bar]) -> bytes:
    """Bars as rows; whether they are final is not kept."""
    return b"".join(ROW.pack(_moment(bar.ts), bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars)


def unpack(packed: bytes, *, final: bool = True) -> list[Bar]:
    """Rows as bars."""
    return [
        Bar(milliseconds(moment), opening, high, low, close, volume, final)
        for moment, opening, high, low, close, volume in ROW.iter_unpack(packed)
    ]


def count(packed: bytes) -> int:
    """How many rows there are."""
    return len(packed) // ROW.size


def first_ts(packed: bytes) -> int:
    """Time of the first row, epoch milliseconds."""
    return milliseconds(_TS.unpack_from(packed)[0])


def last_ts(packed: bytes) -> int:
    """Time of the last row, epoch milliseconds."""
    return milliseconds(_TS.unpack_from(packed, len(packed) - ROW.size)[0])


def between(packed: bytes, start: int, end: int | None) -> bytes:
    """The rows with ``start`` ≤ time < ``end`` (epoch milliseconds); no end means all that follow."""
    if not packed or (first_ts(packed) >= start and (end is None or last_ts(packed) < end)):
        return packed
    moments = columns(packed).moment
    stop = len(moments) if end is None else bisect_left(moments, _moment(end))
    return packed[bisect_left(moments, _moment(start)) * ROW.size : stop * ROW.size]


def aggregate(packed: bytes, timeframe: Timeframe) -> bytes:
    """Rows of ``timeframe`` from shorter ones: open of the first, close of the last, highest, lowest, sum.

    Volumes are added in the order of time, one after the other, so that every way of getting here gives the same bits.

    Args:
        packed: rows whose own buckets do not cross those of ``timeframe``.
    """
    rows = columns(packed)
    found: list[bytes] = []
    begin, length = 0, len(rows.moment)
    while begin < length:
        ts = milliseconds(rows.moment[begin])
        stop = bisect_left(rows.moment, _moment(timeframe.next(ts)), begin, length)
        found.append(
            ROW.pack(
                _moment(timeframe.floor(ts)),
                rows.open[begin],
                max(rows.high[begin:stop]),
                min(rows.low[begin:stop]),
                rows.close[stop - 1],
                reduce(add, rows.volume[begin:stop]),  # not sum(), which compensates from Python 3.12 on
            )
        )
        begin = stop
    return b"".join(found)


@lru_cache(maxsize=2048)
def aggregate_hour(packed: bytes, timeframe: Timeframe) -> bytes:
    """:func:`aggregate` for the minutes of one hour, remembered."""
    return aggregate(packed, timeframe)


def fill(bars: Sequence[Bar], timeframe: Timeframe, start: int, end: int, previous_close: float | None) -> list[Bar]:
    """The bars from ``start`` to before ``end`` with a flat one at the close before for every bucket that has none.

    Args:
        start: start of a bucket, epoch milliseconds.
        previous_close: close of the last candle before ``start``; without one, filling begins at the first bar.
    """
    present = {bar.ts: bar for bar in bars}
    filled: list[Bar] = []
    ts, close = start, previous_close
    while ts < end:
        bar = present.get(ts)
        if bar is not None:
            filled.append(bar)
            close = bar.close
        elif close is not None:
            filled.append(Bar(ts, close, close, close, close, 0.0))
        ts = timeframe.next(ts)
    return filled


def _moment(ts: int) -> int:
    return (ts - _ORIGIN_MS) * 1000
