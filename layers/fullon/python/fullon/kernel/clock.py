"""Time as an argument: services are given a clock, so tests and replays decide what "now" is."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from fullon.kernel.errors import Invalid


class Clock(Protocol):
    """Where a service reads the time."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds on a scale that never goes back; only differences mean anything."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that stands still until it is moved; for tests."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock starts at an aware time")
        self._now = start.astimezone(UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move forward by ``seconds``."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds


def to_milliseconds(moment: datetime) -> int:
    """Epoch milliseconds of an aware time, rounded down."""
    if moment.tzinfo is None:
        raise ValueError("a naive time has no place on the epoch scale")
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def from_milliseconds(milliseconds: int) -> datetime:
    """The aware UTC time at ``milliseconds`` after the epoch."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def rfc3339(moment: datetime) -> str:
    """``moment`` as RFC 3339 in UTC with ``Z``: milliseconds where it has any finer than a second."""
    utc = moment.astimezone(UTC)
    spec = "milliseconds" if utc.microsecond else "seconds"
    return utc.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def parse_time(text: str, field: str = "time") -> datetime:
    """Read a moment as RFC 3339 (``Z`` or an offset; a bare date is its first instant, UTC) or epoch milliseconds.

    Raises:
        Invalid: neither of the two, or outside the years 1970 to 9999.
    """
    value = text.strip()
    try:
        if value.isdigit():
            return from_milliseconds(int(value))
        moment = datetime.fromisoformat(value.replace(" ", "+"))
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        if moment >= _EPOCH:
            return moment
    except (ValueError, OverflowError):
        pass
    raise Invalid(
        f"{field} must be a time such as 2026-08-17T00:00:00Z, or epoch milliseconds.",
        fields={field: "not a time"},
    )


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
