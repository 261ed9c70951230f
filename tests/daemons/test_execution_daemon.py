"""The execution daemon beside its crashes: refusals, cancellations, accounts that are off, dry runs, metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest

from fullon.market.live_cache import LiveCache
from fullon.orders.model import OrderStatus, OrderType, Side
from fullon.runtime.container import Container
from fullon.venues.quotes import Tick
from tests.daemons.collecting import Stage, sow, stage
from tests.daemons.executing import SYMBOL, Trader, a_trader, start
from tests.local.paper_trading import switch
from tests.paper_venue import RunningVenue, paper_venue

S = OrderStatus


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with paper_venue("--control") as running:
        yield running


@pytest.fixture
async def made(
    venue: RunningVenue, container: Container, platform_database: str, candles_database: str, valkey_url: str
) -> AsyncIterator[Stage]:
    """The container comes first, so that daemons have its settings, the sealing key among them."""
    await switch(venue, requests=[])
    with stage(venue, platform_database, candles_database, valkey_url) as ready:
        await sow(ready, symbols=[SYMBOL], backtest=0)
        yield ready
    await switch(venue, requests=[])


@pytest.fixture
async def trader(container: Container, made: Stage) -> Trader:
    return await a_trader(container, made)


async def book(container: Container, bid: str, ask: str) -> None:
    """What the ticker daemon would write."""
    tick = Tick("paper", SYMBOL, Decimal(bid), Decimal(bid), Decimal(ask), None, None, 0)
    await LiveCache(container.valkey, "ticker").put_ticks([tick])


async def test_what_the_venue_refuses_is_rejected_with_its_rule(trader: Trader, made: Stage) -> None:
    start(made)

    order = await trader.becomes(await trader.enter("30"), S.REJECTED)

    assert order.reason is not None
    assert "insufficient balance" in order.reason
    assert await trader.at_venue() == []
    async with trader.container.connection() as connection:
        said = await connection.fetchval(
            "SELECT message FROM order_events WHERE order_id = $1 ORDER BY event_id DESC LIMIT 1", order.order_id
        )
    assert said == "Rule: balance."


async def test_an_open_order_is_canceled_when_its_owner_asks(trader: Trader, made: Stage) -> None:
    start(made)
    order = await trader.becomes(await trader.enter_limit(), S.OPEN)

    await trader.end(order)

    await trader.becomes(order, S.CANCELED)
    await trader.is_there_once(order)


async def test_an_order_whose_end_is_asked_for_while_it_fills_is_filled(trader: Trader, made: Stage) -> None:
    slow = {"method": "POST", "path": "/api/v3/order", "times": 1, "effect": "delay_after", "milliseconds": 1500}
    await switch(made.venue, requests=[slow])
    start(made)
    order = await trader.becomes(await trader.enter_limit("1.05"), S.SUBMITTED, S.FILLED)

    if order.status is S.SUBMITTED:
        await trader.end(order)

    await trader.becomes(order, S.FILLED)
    await trader.is_there_once(order)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE exchanges SET active = false", "The account main is switched off."),
        ("UPDATE exchanges SET problem = 'This key can withdraw.'", "This key can withdraw."),
        ("UPDATE users SET active = false", "The owner of the account is deactivated."),
        ("UPDATE exchanges SET sealed = '\\x00112233'", None),
    ],
)
async def test_nothing_is_sent_for_an_account_that_is_not_in_use(
    trader: Trader, made: Stage, change: str, reason: str | None
) -> None:
    await made.query(change, database="platform")
    start(made)

    order = await trader.becomes(await trader.enter(), S.REJECTED)

    assert order.reason is not None
    assert reason is None or order.reason == reason
    assert await trader.at_venue() == []


async def test_a_lost_ring_loses_no_order(trader: Trader, made: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fullon.orders.order_cache.NEW_CHANNEL", "nobody-listens")
    start(made)

    await trader.becomes(await trader.enter(), S.FILLED)


async def test_dry_runs_fill_at_the_book_and_reach_no_venue(trader: Trader, made: Stage, container: Container) -> None:
    await book(container, "50000", "50010")
    market = await trader.enter(dry_run=True)
    resting = await trader.enter(dry_run=True, order_type=OrderType.LIMIT, price=Decimal("49000"))
    stop = await trader.enter(dry_run=True, side=Side.SELL, order_type=OrderType.STOP, stop_price=Decimal("49500"))
    unwanted = await trader.enter(dry_run=True, order_type=OrderType.LIMIT, price=Decimal("40000"))
    start(made)
    filled = await trader.becomes(market, S.FILLED)
    for order in (resting, stop, unwanted):
        await trader.becomes(order, S.OPEN)
    await trader.end(unwanted)
    await trader.becomes(unwanted, S.CANCELED)

    await book(container, "48900", "48910")

    touched, stopped = await trader.becomes(resting, S.FILLED), await trader.becomes(stop, S.FILLED)
    assert [each.average for each in (filled, touched, stopped)] == [Decimal(50010), Decimal(49000), Decimal(48900)]
    fills = await trader.fills()
    assert {each["source"] for each in fills} == {"dry"}
    assert {each["order_id"] for each in fills} == {market.order_id, resting.order_id, stop.order_id}
    assert {each["order_id"]: each["fee"] for each in fills}[market.order_id] == Decimal("0.5001")
    assert await trader.at_venue() == []


async def test_a_dry_run_without_a_known_price_waits_for_one(trader: Trader, made: Stage, container: Container) -> None:
    start(made)
    real = await trader.enter()
    dry = await trader.enter(dry_run=True)
    await trader.becomes(real, S.FILLED)
    assert (await trader.read(dry)).status is S.NEW

    await book(container, "50000", "50010")

    await trader.becomes(dry, S.FILLED)


async def test_orders_refusals_latency_and_depth_are_measured(
    trader: Trader, made: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METRICS_SECONDS", "0.5")
    daemon = start(made)

    await trader.becomes(await trader.enter(), S.FILLED)
    await trader.becomes(await trader.enter("30"), S.REJECTED)
    daemon.stop()

    lines = [line for line in daemon.lines() if line["event"] == "metrics"]
    assert sum(line.get("Orders", 0) for line in lines) == 2
    assert sum(line.get("OrderRejections", 0) for line in lines) == 1
    assert sum(len(line.get("OrderLatency", [])) for line in lines) == 1
    assert any("QueueDepth" in line for line in lines)
