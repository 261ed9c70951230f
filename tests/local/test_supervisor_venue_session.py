"""The paper venue's time never goes back over restarts of a home."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from fullon.kernel.clock import ManualClock
from local.home import Home
from local.paper.clock import VenueClock
from local.supervisor.venue_session import VenueSession, session_of

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def venue_now(session: VenueSession, clock: ManualClock) -> int:
    return VenueClock(clock, session.speed, session.anchor, session.behind).now()


def test_the_same_speed_goes_on_with_the_same_session(tmp_path: Path) -> None:
    clock = ManualClock(START)
    first = session_of(Home(tmp_path), 60, clock)
    clock.advance(timedelta(minutes=5).total_seconds())

    again = session_of(Home(tmp_path), 60, clock)

    assert again == first
    assert venue_now(first, clock) < clock.now().timestamp() * 1000


def test_another_speed_goes_on_where_the_former_session_had_come_to(tmp_path: Path) -> None:
    clock = ManualClock(START)
    slow = session_of(Home(tmp_path), 10, clock)
    clock.advance(60)
    reached = venue_now(slow, clock)

    fast = session_of(Home(tmp_path), 100, clock)

    assert venue_now(fast, clock) == reached
    clock.advance(1)
    assert venue_now(fast, clock) == reached + 100_000


def test_a_home_that_has_reached_the_wall_clock_stays_there(tmp_path: Path) -> None:
    clock = ManualClock(START)
    session_of(Home(tmp_path), 1, clock)
    clock.advance(60)

    fast = session_of(Home(tmp_path), 60, clock)

    assert fast.behind == 0
    assert venue_now(fast, clock) == int(clock.now().timestamp() * 1000)


def test_a_damaged_file_begins_a_new_session(tmp_path: Path) -> None:
    (tmp_path / "venue.json").write_text('{"anchor": -1, "speed": 2, "behind": 0}')

    session = session_of(Home(tmp_path), 2, ManualClock(START))

    assert session.anchor == int(START.timestamp() * 1000)
