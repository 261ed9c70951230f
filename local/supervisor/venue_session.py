"""The paper venue's session of a home: its time goes on over restarts, because what was stored came from it.

A venue that started in the past again would deliver candles that are stored already, and the newest stored ones would
lie in its future. So the anchor of the session is kept. With another speed a new session begins where the former
one had come to.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from fullon.kernel.clock import Clock
from local.home import Home, read_mapping, write_private
from local.paper.clock import VenueClock


@dataclass(frozen=True)
class VenueSession:
    """What `local.paper` is started with: `anchor` in epoch milliseconds, `behind` in seconds at the anchor."""

    anchor: int
    speed: float
    behind: float

    @property
    def arguments(self) -> list[str]:
        """For the command line."""
        return [
            "--speed", f"{self.speed:g}",
            "--anchor", str(self.anchor),
            "--start-behind", f"{self.behind:.3f}",
        ]  # fmt: skip


def session_of(home: Home, speed: float, clock: Clock) -> VenueSession:
    """The session of a home at this speed, kept for the next start."""
    former = _stored(home)
    if former is not None and former.speed == speed:
        return former
    if former is None:
        fresh = VenueClock(clock, speed)
        session = VenueSession(fresh.anchor, speed, fresh.behind)
    else:
        now = VenueClock(clock, former.speed, former.anchor, former.behind).now()
        anchor = VenueClock(clock).anchor
        session = VenueSession(anchor, speed, max(0.0, (anchor - now) / 1000))
    write_private(home.venue, asdict(session))
    return session


def _stored(home: Home) -> VenueSession | None:
    try:
        session = VenueSession(**read_mapping(home.venue))
        usable = session.speed >= 1 and session.behind >= 0 and session.anchor > 0
    except TypeError:
        return None
    return session if usable else None
