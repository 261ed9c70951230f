"""Guessing a venue's time between two questions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fullon.kernel.clock import ManualClock
from fullon.venues.clock import VenueClock

START = 1_795_135_447_278


class Asked:
    """A venue whose clock starts at ``START`` and runs at some speed; only its time is ever asked for."""

    def __init__(self, wall: ManualClock, speed: float) -> None:
        self._wall = wall
        self._speed = speed

    async def server_time(self) -> int:
        return START + int(self._wall.monotonic() * self._speed * 1000)


def watched(speed: float) -> tuple[ManualClock, VenueClock]:
    wall = ManualClock(datetime(2026, 11, 21, tzinfo=UTC))
    return wall, VenueClock(Asked(wall, speed), wall)  # type: ignore[arg-type]


def test_before_the_first_answer_nothing_is_known() -> None:
    _, clock = watched(1)

    assert clock.now() == 0


@pytest.mark.parametrize("speed", [1, 60, 1440])
async def test_two_answers_tell_the_speed(speed: float) -> None:
    wall, clock = watched(speed)
    await clock.ask()
    wall.advance(1)
    await clock.ask()

    wall.advance(10)

    assert clock.speed == speed
    assert clock.now() == START + 11_000 * speed


async def test_a_clock_that_stands_still_or_goes_back_counts_as_ordinary_time() -> None:
    wall, clock = watched(-3)
    await clock.ask()
    wall.advance(1)

    await clock.ask()

    assert clock.speed == 1


async def test_questions_in_quick_succession_do_not_spoil_the_speed() -> None:
    wall, clock = watched(60)
    await clock.ask()
    wall.advance(1)
    await clock.ask()

    for _ in range(5):
        wall.advance(0.01)
        await clock.ask()

    assert clock.speed == 60


async def test_a_minute_of_a_fast_venue_passes_in_a_second() -> None:
    wall, clock = watched(60)
    await clock.ask()
    wall.advance(1)
    await clock.ask()

    assert 0 < clock.until_next_minute() <= 1
