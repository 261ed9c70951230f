"""What time it is at a venue, guessed between two questions. For deciding when to look, never what is true.

A venue's clock need not be ours: it may be off, and a replayed one runs faster than time itself.
"""

from __future__ import annotations

from fullon.kernel.clock import Clock
from fullon.kernel.timeframes import MINUTE_MS
from fullon.venues.port import MarketData

#: A shorter distance between two answers says more about the network than about the clock's speed.
_MEASURABLE_SECONDS = 0.5
_FASTEST = 100_000.0


class VenueClock:
    """A venue's time, extrapolated from its last answer at the speed seen between the last two.

    Args:
        clock: its monotonic scale is what the venue's time is measured against.
    """

    def __init__(self, venue: MarketData, clock: Clock) -> None:
        self._venue = venue
        self._clock = clock
        self._asked: float | None = None
        self._answer = 0
        self._speed = 1.0

    @property
    def speed(self) -> float:
        """Venue seconds for each of ours; at least 1."""
        return self._speed

    async def ask(self) -> int:
        """The venue's time by its own word, epoch milliseconds; raises what the venue's port raises."""
        before = self._clock.monotonic()
        answer = await self._venue.server_time()
        asked = (before + self._clock.monotonic()) / 2
        if self._asked is not None and asked - self._asked >= _MEASURABLE_SECONDS:
            speed = (answer - self._answer) / 1000 / (asked - self._asked)
            self._speed = min(max(1.0, speed), _FASTEST)
        if self._asked is None or asked - self._asked >= _MEASURABLE_SECONDS:
            self._asked, self._answer = asked, answer
        return answer

    def now(self) -> int:
        """The venue's time as it should be now, epoch milliseconds; 0 before the first answer."""
        if self._asked is None:
            return 0
        return self._answer + int((self._clock.monotonic() - self._asked) * self._speed * 1000)

    def until_next_minute(self) -> float:
        """Our seconds until a minute begins at the venue."""
        return (MINUTE_MS - self.now() % MINUTE_MS) / 1000 / self._speed
