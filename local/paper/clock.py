"""The venue's clock: the wall clock, or one that starts in the past and catches up with it."""

from __future__ import annotations

from fullon.kernel.clock import Clock, to_milliseconds

#: Wall seconds after which a session at a speed above 1 has caught up, unless told otherwise.
CATCH_UP_SECONDS = 30 * 60


class VenueClock:
    """Where the venue reads the time.

    With ``s`` for speed, ``a`` for the anchor and ``b`` for how far behind it starts, the venue's time at wall time
    ``w`` is ``min(w, a - b + s (w - a))``: it meets the wall clock ``b / (s - 1)`` after the anchor and then goes on
    with it. It never goes back, also when the wall clock is set back. Because it depends on nothing but the wall clock
    and the arguments, a venue started again with the same anchor goes on as if it had not been away.

    Args:
        source: the wall clock.
        speed: venue seconds for each wall second, at least 1. At 1 the venue's time is the wall clock.
        anchor: wall time at which the session began, epoch milliseconds; None for now.
        behind: seconds by which the venue's time is behind the wall clock at the anchor; None for so much that it
            catches up after ``CATCH_UP_SECONDS``. Ignored at speed 1.
    """

    def __init__(
        self, source: Clock, speed: float = 1.0, anchor: int | None = None, behind: float | None = None
    ) -> None:
        if speed < 1:
            raise ValueError("a venue's clock runs at speed 1 or faster")
        if behind is not None and behind < 0:
            raise ValueError("a venue's clock does not start in the future")
        self._source = source
        self.speed = speed
        self.anchor = to_milliseconds(source.now()) if anchor is None else anchor
        self.behind = (CATCH_UP_SECONDS * (speed - 1) if behind is None else behind) if speed > 1 else 0.0
        self._last = 0

    @property
    def begin(self) -> int:
        """The venue's time at the anchor, epoch milliseconds."""
        return self.anchor - round(self.behind * 1000)

    def microseconds(self) -> int:
        """The venue's time in epoch microseconds."""
        moment = self._source.now()
        wall = to_milliseconds(moment) * 1000 + moment.microsecond % 1000
        replayed = self.begin * 1000 + int((wall - self.anchor * 1000) * self.speed)
        self._last = max(self._last, min(wall, replayed) if self.behind else wall)
        return self._last

    def now(self) -> int:
        """The venue's time in epoch milliseconds."""
        return self.microseconds() // 1000
