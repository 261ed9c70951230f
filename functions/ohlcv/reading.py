"""What every route of the domain begins with: the readers, names and times out of a query."""

from __future__ import annotations

from fullon.kernel.clock import parse_time, to_milliseconds
from fullon.kernel.errors import Invalid
from fullon.market.overview import Overview
from fullon.market.service import MarketData
from fullon.runtime.container import Container
from fullon.runtime.pages import decode_cursor


def market(container: Container) -> MarketData:
    """The reader on the stores of this process."""
    return MarketData(container.candles, container.connection, container.valkey)


def overview(container: Container) -> Overview:
    """The catalogue, and how fresh and complete its candles are."""
    return Overview(container.candles, container.connection)


def after_name(cursor: str | None) -> str:
    """The name a page begins behind."""
    if cursor is None:
        return ""
    [name] = decode_cursor(cursor, 1)
    if not isinstance(name, str):
        raise Invalid("The cursor is not one of this list.", fields={"cursor": "not a cursor of this list"})
    return name


#: Times after the year 2200 mean that year: calendars end, and "for ever" is often written as the year 9999.
LATEST_MS = 7_258_118_400_000


def moment(text: str, field: str) -> int:
    """Epoch milliseconds of a time in a query."""
    return min(to_milliseconds(parse_time(text, field)), LATEST_MS)


def time_range(start_time: str, end_time: str | None) -> tuple[int, int | None]:
    """Both ends of a range, epoch milliseconds.

    Raises:
        Invalid: not times, or the end is not after the start.
    """
    start = moment(start_time, "start_time")
    end = None if end_time is None else moment(end_time, "end_time")
    if end is not None and end <= start:
        raise Invalid("end_time must be after start_time.", fields={"end_time": "not after start_time"})
    return start, end
