"""One venue order for each intent, whatever dies, stops or gets lost on the way; the order's state is right in the end.

The daemon kills itself at a step, or the venue loses, delays or fails a request; then another daemon takes over.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fullon.orders.model import Order, OrderStatus
from fullon.runtime.container import Container
from tests.daemons.collecting import Stage, sow, stage
from tests.daemons.executing import PATIENCE, Trader, a_trader, has_died, has_stopped, let_go, start
from tests.daemons.waiting import until
from tests.local.paper_trading import switch
from tests.paper_venue import RunningVenue, paper_venue

S = OrderStatus
ORDER = {"method": "POST", "path": "/api/v3/order", "times": 1}
NO_FAULTS: dict[str, Any] = {"requests": [], "duplicate_client_ids": "open", "visibility_delay_ms": 0}


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with paper_venue("--control") as running:
        yield running


@pytest.fixture
async def made(
    venue: RunningVenue, container: Container, platform_database: str, candles_database: str, valkey_url: str
) -> AsyncIterator[Stage]:
    """The container comes first, so that daemons have its settings, the sealing key among them."""
    await switch(venue, **NO_FAULTS)
    with stage(venue, platform_database, candles_database, valkey_url) as ready:
        await sow(ready, symbols=["BTC/USDT"], backtest=0)
        yield ready
    await switch(venue, **NO_FAULTS)


@pytest.fixture
async def trader(container: Container, made: Stage) -> Trader:
    return await a_trader(container, made)


async def struck(venue: RunningVenue) -> bool:
    """Whether the fault has hit a request."""
    state = await switch(venue)
    return all(rule["struck"] for rule in state["requests"])


async def an_intent(trader: Trader, kind: str) -> tuple[Order, OrderStatus]:
    """A market order, which is filled at once, or a limit order, which rests; and how it ends."""
    return (await trader.enter(), S.FILLED) if kind == "market" else (await trader.enter_limit(), S.OPEN)


@pytest.mark.parametrize("kind", ["market", "limit"])
async def test_an_intent_reaches_the_venue_once(trader: Trader, made: Stage, kind: str) -> None:
    start(made)

    order, end = await an_intent(trader, kind)

    await trader.becomes(order, end)
    await trader.is_there_once(order)
    assert await trader.history(order) == ["new", "submitted", end.value]


@pytest.mark.parametrize("kind", ["market", "limit"])
@pytest.mark.parametrize("step", ["before_submit", "after_submit", "after_send", "while_recording", "after_record"])
async def test_killed_while_sending(trader: Trader, made: Stage, step: str, kind: str) -> None:
    order, end = await an_intent(trader, kind)
    await has_died(start(made, "--at", step))
    await let_go(made)

    start(made)

    await trader.becomes(order, end)
    await trader.is_there_once(order)


@pytest.mark.parametrize(
    ("step", "nth"), [("before_look", 1), ("after_look", 1), ("before_look", 2), ("after_look", 2)]
)
async def test_killed_while_looking_for_an_order_that_never_arrived(
    trader: Trader, made: Stage, venue: RunningVenue, step: str, nth: int
) -> None:
    await switch(venue, requests=[{**ORDER, "effect": "lose_request"}])
    order = await trader.enter()
    await has_died(start(made, "--at", step, "--nth", str(nth)))
    await let_go(made)

    start(made)

    await trader.becomes(order, S.FILLED)
    await trader.is_there_once(order)
    assert (await trader.read(order)).attempt == 2


@pytest.mark.parametrize("step", ["before_cancel", "after_cancel"])
async def test_killed_while_cancelling(trader: Trader, made: Stage, step: str) -> None:
    order = await trader.enter_limit()
    first = start(made, "--at", step)
    await trader.becomes(order, S.OPEN)
    await trader.end(order)
    await has_died(first)
    await let_go(made)

    start(made)

    await trader.becomes(order, S.CANCELED)
    await trader.is_there_once(order)


@pytest.mark.parametrize("rule", ["open", "always", "never"])
@pytest.mark.parametrize(
    ("effect", "attempt"), [("lose_reply", 1), ("fail_after", 1), ("lose_request", 2), ("fail_before", 2)]
)
async def test_an_answer_that_is_lost(
    trader: Trader, made: Stage, venue: RunningVenue, effect: str, attempt: int, rule: str
) -> None:
    await switch(venue, requests=[{**ORDER, "effect": effect}], duplicate_client_ids=rule)
    order = await trader.enter()

    start(made)

    found = await trader.becomes(order, S.FILLED)
    await trader.is_there_once(order)
    assert found.attempt == attempt


async def test_an_order_that_shows_late_is_not_sent_again(trader: Trader, made: Stage, venue: RunningVenue) -> None:
    await switch(venue, requests=[{**ORDER, "effect": "lose_reply"}], visibility_delay_ms=3000)
    order = await trader.enter()

    start(made, "--grace", "8")

    found = await trader.becomes(order, S.FILLED)
    await switch(venue, visibility_delay_ms=0)
    await trader.is_there_once(order)
    assert found.attempt == 1
    assert await trader.history(order) == ["new", "submitted", "unknown", "unknown", "filled"]


@pytest.mark.parametrize("milliseconds", [2500, 9000])
async def test_a_request_that_is_under_way_when_its_sender_dies(
    trader: Trader, made: Stage, venue: RunningVenue, milliseconds: int
) -> None:
    """It arrives before the second look, or after it and too late for the venue."""
    await switch(venue, requests=[{**ORDER, "effect": "delay_before", "milliseconds": milliseconds}])
    order = await trader.enter()
    first = start(made)
    await until(lambda: struck(venue), PATIENCE, "the request")
    first.kill()
    await let_go(made)

    start(made, "--grace", "6")

    await trader.becomes(order, S.FILLED)
    await asyncio.sleep(milliseconds / 1000)  # until the delayed request is certainly done with
    await trader.is_there_once(order)


async def test_killed_while_the_reply_is_on_its_way(trader: Trader, made: Stage, venue: RunningVenue) -> None:
    await switch(venue, requests=[{**ORDER, "effect": "delay_after", "milliseconds": 60_000}])
    order = await trader.enter()
    first = start(made)
    await until(lambda: struck(venue), PATIENCE, "the request")
    first.kill()
    await let_go(made)

    start(made)

    found = await trader.becomes(order, S.FILLED)
    await trader.is_there_once(order)
    assert found.attempt == 1


@pytest.mark.parametrize("step", ["after_submit", "after_send", "before_submit"])
async def test_a_leader_that_wakes_after_its_lease_sends_and_writes_nothing(
    trader: Trader, made: Stage, step: str
) -> None:
    order = await trader.enter()
    paused = start(made, "--at", step, "--signal", "STOP")
    await has_stopped(paused)
    await let_go(made)
    start(made, "--grace", "7")
    await trader.becomes(order, S.FILLED)
    before = await trader.read(order)

    paused.process.send_signal(signal.SIGCONT)

    await until(lambda: paused.said("leadership lost"), PATIENCE, "the former leader finds out")
    await trader.is_there_once(order)
    assert await trader.read(order) == before


async def test_two_daemons_at_once_and_the_leader_dies(trader: Trader, made: Stage) -> None:
    daemons = [start(made), start(made)]
    orders = [await trader.enter() for _ in range(5)]
    for order in orders:
        await trader.becomes(order, S.FILLED)
    [leader] = [daemon for daemon in daemons if daemon.said("leading")]

    leader.kill()
    orders += [await trader.enter() for _ in range(5)]
    await let_go(made)

    for order in orders:
        await trader.becomes(order, S.FILLED)
    assert len(await trader.at_venue()) == len(orders)
    assert sorted(each["venue_trade_id"] for each in await trader.fills()) == await trader.trades_at_venue()


async def test_a_venue_that_is_away_gets_each_order_once_when_it_is_back(
    trader: Trader, made: Stage, venue: RunningVenue
) -> None:
    start(made)
    first = await trader.enter()
    await trader.becomes(first, S.FILLED)
    await switch(venue, down=3)

    second = await trader.enter()

    await trader.becomes(second, S.FILLED)
    assert len(await trader.at_venue()) == 2


async def test_a_daemon_that_is_told_to_stop_finishes_what_is_under_way(
    trader: Trader, made: Stage, venue: RunningVenue
) -> None:
    await switch(venue, requests=[{**ORDER, "effect": "delay_after", "milliseconds": 2000}])
    daemon = start(made)
    order = await trader.enter()
    await until(lambda: struck(venue), PATIENCE, "the request")

    code = daemon.stop(40)

    assert code == 0
    assert (await trader.read(order)).status is S.FILLED
    await trader.is_there_once(order)
