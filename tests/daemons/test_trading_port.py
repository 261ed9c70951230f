"""Placing orders through ccxt at the paper venue: what is final, what is not known, and what is found again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from fullon.kernel.clock import SystemClock
from fullon.kernel.errors import FullonError
from fullon.venues.account import Keys
from fullon.venues.account_data import Kind, Side
from fullon.venues.budget import Allowance, Budget
from fullon.venues.ccxt_trading import CcxtTrading
from fullon.venues.errors import NotOffered, VenueClockDiffers, VenueDown, VenueLimit
from fullon.venues.trading import Found, Placement, Refused, Unknown
from local.ports import free_port
from local.seed_venues import paper_params
from tests.daemons.waiting import until
from tests.local.paper_trading import KEY, SECRET, SignedClient, open_account, switch
from tests.paper_venue import RunningVenue, paper_venue

BTC = "BTC/USDT"
NO_FAULTS: dict[str, Any] = {
    "requests": [], "duplicate_client_ids": "open", "visibility_delay_ms": 0, "clock_offset_ms": 0
}  # fmt: skip
ORDER = {"method": "POST", "path": "/api/v3/order", "times": 1}


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with paper_venue("--control") as running:
        yield running


@pytest.fixture
async def trading(venue: RunningVenue) -> AsyncIterator[CcxtTrading]:
    await open_account(venue)
    await switch(venue, **NO_FAULTS)
    opened = port(venue.url)
    yield opened
    await switch(venue, **NO_FAULTS)
    await opened.close()


def port(url: str, **more: Any) -> CcxtTrading:
    return CcxtTrading(
        "paper", "binance", paper_params(), url, Keys(KEY, SECRET), test=False, clock=SystemClock(), **more
    )


def an_order(side: Side = "buy", volume: str = "0.01", kind: Kind = "market", **more: Any) -> Placement:
    prices: dict[str, Any] = {"price": None, "stop_price": None}
    return Placement(
        symbol=BTC,
        side=side,
        kind=kind,
        volume=Decimal(volume),
        client_order_id=uuid4().hex,
        sent_at=SystemClock().now(),
        **{**prices, **more},
    )


async def price(trading: CcxtTrading, share: str) -> Decimal:
    """A price on the tick, so far from the market: ``1.1`` is ten per cent above it."""
    [tick] = await trading.tickers([BTC])
    return (tick.price * Decimal(share)).quantize(Decimal("0.01"))


async def a_limit(trading: CcxtTrading) -> Placement:
    """One that rests."""
    return an_order(kind="limit", price=await price(trading, "0.9"))


async def send(trading: CcxtTrading, placement: Placement) -> Found:
    await trading.turn(placement.symbol)
    return await trading.place(replace(placement, sent_at=SystemClock().now()))


async def found(trading: CcxtTrading, placement: Placement) -> Found:
    answer = await trading.find(BTC, placement.client_order_id)
    assert answer is not None
    return answer


async def times_at_venue(venue: RunningVenue, placement: Placement) -> int:
    """How many orders the venue has of this client id, by its own list."""
    async with SignedClient(venue) as client:
        listed = (await client("GET", "/api/v3/allOrders", symbol="BTCUSDT", limit=1000)).json()
    return sum(each["clientOrderId"] == placement.client_order_id for each in listed)


async def test_a_market_order_answers_its_fills_exactly(trading: CcxtTrading) -> None:
    placement = an_order(volume="0.5")

    placed = await send(trading, placement)

    assert (placed.order.state, placed.order.filled) == ("filled", Decimal("0.5"))
    assert placed.order.client_order_id == placement.client_order_id
    assert sum(fill.volume for fill in placed.fills) == Decimal("0.5")
    assert sum(fill.volume * fill.price for fill in placed.fills) == placed.order.cost
    assert {fill.fee_currency for fill in placed.fills} == {"BTC"}
    assert {fill.maker for fill in placed.fills} == {False}
    later = await found(trading, placement)
    assert [fill.venue_trade_id for fill in later.fills] == [fill.venue_trade_id for fill in placed.fills]


@pytest.mark.parametrize(
    ("kind", "prices"),
    [
        ("limit", {"price": "0.9"}),
        ("stop", {"stop_price": "1.1"}),
        ("stop_limit", {"stop_price": "1.1", "price": "1.11"}),
    ],
)
async def test_each_kind_rests_at_the_venue_is_found_and_canceled(
    trading: CcxtTrading, kind: Kind, prices: dict[str, str]
) -> None:
    asked: Any = {name: await price(trading, share) for name, share in prices.items()}
    placement = an_order(kind=kind, **asked)

    placed = await send(trading, placement)
    looked_up = await found(trading, placement)
    canceled = await trading.cancel(BTC, placement.client_order_id, placed.order.venue_order_id)
    again = await trading.cancel(BTC, placement.client_order_id, placed.order.venue_order_id)

    assert (placed.order.state, placed.order.kind) == ("open", kind)
    assert looked_up.order == replace(placed.order, at=looked_up.order.at)
    assert canceled is not None
    assert again is not None
    assert (canceled.order.state, again.order.state) == ("canceled", "canceled")


async def test_an_order_that_was_never_sent_is_found_nowhere_nor_canceled(trading: CcxtTrading) -> None:
    assert await trading.find(BTC, uuid4().hex) is None
    assert await trading.cancel(BTC, uuid4().hex, None) is None


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"volume": Decimal("30")}, "balance"),
        ({"volume": Decimal("0.00001")}, "minimum_notional"),
        ({"price": Decimal("100"), "kind": "limit"}, "price_band"),
        ({"volume": Decimal("0.010000001")}, "quantity_step"),
        ({"price": Decimal("10000.001"), "kind": "limit"}, "price_tick"),
    ],
)
async def test_a_refusal_is_final_and_names_the_rule(trading: CcxtTrading, change: dict[str, Any], rule: str) -> None:
    with pytest.raises(Refused) as refused:
        await send(trading, replace(an_order(), **change))

    assert refused.value.rule == rule


async def test_a_symbol_the_venue_does_not_list_is_refused_before_anything_is_sent(trading: CcxtTrading) -> None:
    with pytest.raises(Refused) as refused:
        await trading.turn("NO/SUCH")

    assert refused.value.rule == "symbol"


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        ({"effect": "lose_reply"}, 1),
        ({"effect": "fail_after"}, 1),
        ({"effect": "lose_request"}, 0),
        ({"effect": "fail_before"}, 0),
        ({"effect": "fail_before", "status": 500, "code": -1000}, 0),
        ({"effect": "fail_after", "status": 502, "code": -1001}, 1),
    ],
)
async def test_what_is_not_answered_is_unknown_and_what_arrived_is_found(
    trading: CcxtTrading, venue: RunningVenue, fault: dict[str, Any], times: int
) -> None:
    placement = an_order()
    await trading.turn(BTC)
    await switch(venue, requests=[{**ORDER, **fault}])

    with pytest.raises(Unknown):
        await send(trading, placement)

    assert (await trading.find(BTC, placement.client_order_id) is not None) is bool(times)
    assert await times_at_venue(venue, placement) == times


@pytest.mark.parametrize("state", ["open", "filled"])
async def test_an_order_that_shows_late_is_found_when_it_shows(
    trading: CcxtTrading, venue: RunningVenue, state: str
) -> None:
    placement = await a_limit(trading) if state == "open" else an_order()
    await trading.turn(BTC)
    await switch(venue, visibility_delay_ms=3000, requests=[{**ORDER, "effect": "lose_reply"}])
    with pytest.raises(Unknown):
        await send(trading, placement)

    first = await trading.find(BTC, placement.client_order_id)

    async def shows() -> bool:
        return await trading.find(BTC, placement.client_order_id) is not None

    assert first is None
    await until(shows, what="the order shows")
    assert (await found(trading, placement)).order.state == state


async def test_an_order_that_only_its_trades_tell_of_is_found_through_them(trading: CcxtTrading) -> None:
    placement = an_order()
    await send(trading, placement)
    by_lists = await found(trading, placement)
    through_trades = await trading._by_fills(BTC, placement.client_order_id, set())

    assert through_trades is not None
    assert through_trades.order.venue_order_id == by_lists.order.venue_order_id
    assert through_trades.fills == by_lists.fills


async def test_a_question_that_fails_is_no_absence(trading: CcxtTrading, venue: RunningVenue) -> None:
    placement = an_order()
    await send(trading, placement)

    for path in ("/api/v3/order", "/api/v3/openOrders", "/api/v3/allOrders", "/api/v3/myTrades"):
        await switch(venue, requests=[{"method": "GET", "path": path, "effect": "fail_before", "times": 1}])
        with pytest.raises(VenueDown):
            await trading.find(BTC, placement.client_order_id if path.endswith(("order", "myTrades")) else uuid4().hex)


async def test_what_arrives_after_its_window_is_refused_by_the_venue(trading: CcxtTrading, venue: RunningVenue) -> None:
    placement = an_order()
    await trading.turn(BTC)

    with pytest.raises(VenueClockDiffers):
        await trading.place(replace(placement, sent_at=SystemClock().now() - timedelta(seconds=6)))

    assert await times_at_venue(venue, placement) == 0


async def test_a_venue_whose_clock_is_off_is_signed_for_with_its_own_time(
    trading: CcxtTrading, venue: RunningVenue
) -> None:
    await trading.turn(BTC)
    await switch(venue, clock_offset_ms=120_000)
    with pytest.raises(VenueClockDiffers):
        await send(trading, an_order())

    placed = await send(trading, an_order())

    assert placed.order.state == "filled"
    assert (await trading.find(BTC, placed.order.client_order_id or "")) is not None


async def test_an_id_the_venue_knows_already_is_looked_for_not_refused(
    trading: CcxtTrading, venue: RunningVenue
) -> None:
    placement = await a_limit(trading)
    await send(trading, placement)

    with pytest.raises(Unknown):
        await send(trading, placement)

    assert await times_at_venue(venue, placement) == 1


async def test_a_venue_that_cannot_be_reached_got_nothing(venue: RunningVenue) -> None:
    nowhere = port(f"http://127.0.0.1:{free_port()}")
    known = port(venue.url)
    await known.turn(BTC)
    nowhere._exchange.set_markets(known._exchange.markets)

    with pytest.raises(VenueDown) as down:
        await nowhere.place(an_order())

    assert "nothing was sent" in down.value.detail
    await nowhere.close()
    await known.close()


async def test_no_error_shows_key_or_signature(trading: CcxtTrading, venue: RunningVenue) -> None:
    await trading.turn(BTC)
    await switch(venue, requests=[{"effect": "lose_reply", "path": "/api/v3/order"}])
    errors: list[BaseException | None] = []
    for call in (trading.place(an_order()), trading.find(BTC, "x"), trading.cancel(BTC, "x", None)):
        with pytest.raises(FullonError) as error:
            await call
        errors.append(error.value)

    while errors:
        error_ = errors.pop()
        if error_ is not None:
            assert not any(word in repr(error_) + str(error_) for word in ("signature", SECRET, KEY))
            errors += [error_.__cause__, error_.__context__]


async def test_a_venue_that_says_slower_is_left_in_peace(trading: CcxtTrading, venue: RunningVenue) -> None:
    budget = Budget(SystemClock())
    careful = port(venue.url, budget=budget)
    await careful.turn(BTC)
    await switch(venue, requests=[{**ORDER, "effect": "fail_before", "status": 500, "code": -1003}])
    with pytest.raises(Unknown):  # with a status that leaves it open
        await careful.place(an_order())
    budget.back_off(3600)

    waiting = asyncio.create_task(careful.turn(BTC))
    _, unfinished = await asyncio.wait({waiting}, timeout=0.2)

    assert unfinished
    waiting.cancel()
    await asyncio.wait({waiting})
    await careful.close()


async def test_too_many_orders_are_said_to_be_too_many() -> None:
    with paper_venue("--control", "--order-limit", "1") as venue:
        await open_account(venue)
        plenty = Allowance(SystemClock(), burst=100, rate=100)
        eager = port(venue.url, budget=Budget(SystemClock(), orders=plenty))
        await eager.turn(BTC)

        answers = await asyncio.gather(*(eager.place(an_order()) for _ in range(5)), return_exceptions=True)

        limits = [each for each in answers if isinstance(each, VenueLimit)]
        assert len(limits) >= 3  # a window of ten seconds may end between two
        assert all(each.retry_after >= 1 for each in limits)
        await eager.close()


async def test_venues_that_take_late_orders_are_not_offered() -> None:
    with pytest.raises(NotOffered):
        CcxtTrading("kraken", "kraken", {}, None, Keys("k", "s"), test=False, clock=SystemClock())
