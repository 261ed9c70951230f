"""The rate budget of an account: never above its rate, orders before reads."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from fullon.kernel.clock import ManualClock, SystemClock
from fullon.venues.budget import Allowance, Budget

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_an_allowance_is_spent_and_comes_back_at_its_rate() -> None:
    clock = ManualClock(START)
    allowance = Allowance(clock, burst=2, rate=4)
    assert allowance.wait(1) == 0
    allowance.take(2)

    spent = allowance.wait(1)
    clock.advance(0.25)

    assert (spent, allowance.wait(1)) == (0.25, 0)


def test_an_allowance_never_grows_beyond_its_burst() -> None:
    clock = ManualClock(START)
    allowance = Allowance(clock, burst=2, rate=4)
    clock.advance(3600)
    assert allowance.wait(2) == 0
    allowance.take(2)

    assert allowance.wait(1) == 0.25


async def test_an_order_that_waits_goes_before_every_read() -> None:
    clock = SystemClock()
    budget = Budget(clock, orders=Allowance(clock, burst=1, rate=5), weight=Allowance(clock, burst=1000, rate=1000))
    went: list[str] = []

    async def go(name: str, turn: asyncio.Future[None] | asyncio.Task[None]) -> None:
        await turn
        went.append(name)

    await budget.order()
    await asyncio.gather(
        go("first order", asyncio.ensure_future(budget.order())),
        go("read", asyncio.ensure_future(budget.read(1))),
        go("second order", asyncio.ensure_future(budget.order())),
    )

    assert went == ["first order", "second order", "read"]


async def test_who_gives_up_waiting_holds_up_nobody() -> None:
    clock = SystemClock()
    budget = Budget(clock, orders=Allowance(clock, burst=1, rate=5))
    await budget.order()
    waiting = asyncio.create_task(budget.order())
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.wait({waiting})

    await budget.read(1)
