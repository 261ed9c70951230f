"""Reading an account through ccxt and ccxt.pro: what the paper venue, a process of its own, says of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from fullon.kernel.clock import SystemClock
from fullon.venues.account import Keys
from fullon.venues.account_data import BALANCES_CHANGED, AccountData, Event, VenueFill, VenueOrder
from fullon.venues.connect import connect_account_data
from fullon.venues.errors import VenueClockDiffers, VenueDown, VenueTimedOut, WrongApiSecret
from fullon.venues.model import Venue
from local.seed_venues import paper_params
from tests.local.paper_trading import KEY, SECRET, SignedClient, open_account, switch
from tests.paper_venue import RunningVenue, paper_venue

D = Decimal
BTC = "BTC/USDT"
BUY = {"side": "BUY", "type": "MARKET"}


@pytest.fixture(scope="module")
def running() -> Iterator[RunningVenue]:
    with paper_venue("--control") as venue:
        yield venue


@pytest.fixture
async def venue(running: RunningVenue) -> AsyncIterator[RunningVenue]:
    """The venue, well, with an account without open orders."""
    await open_account(running)
    yield running
    await switch(running, requests=[], clock_offset_ms=0, streams_silent=False)
    async with SignedClient(running) as hand:
        await hand("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")


def connected(venue: RunningVenue, secret: str = SECRET) -> AccountData:
    row = Venue(1, "paper", "binance", params=paper_params())
    return connect_account_data(row, venue.url, Keys(KEY, secret), SystemClock(), test=False)


@pytest.fixture
async def data(venue: RunningVenue) -> AsyncIterator[AccountData]:
    opened = connected(venue)
    yield opened
    await opened.close()


async def resting(hand: SignedClient, venue: RunningVenue, **values: str) -> dict[str, Any]:
    """An order by hand that the market does not reach: a fifth below it."""
    async with httpx2.AsyncClient(verify=False) as client:
        day = (await client.get(f"{venue.url}/api/v3/ticker/24hr", params={"symbol": "BTCUSDT"})).json()
    below = str((D(day["lastPrice"]) * 8 // 1000) * 100)
    answer = await hand.order(side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.001", price=below, **values)
    assert answer.status_code == 200, answer.text
    placed: dict[str, Any] = answer.json()
    return placed


async def heard(data: AccountData, venue: RunningVenue, *wanted: type, times: int = 1) -> list[Event]:
    """Events from the moment the stream stands, in which an order is placed, until all that is wanted was told."""
    events: list[Event] = []
    async with asyncio.timeout(60), aclosing(data.stream()) as stream, SignedClient(venue) as hand:
        async for batch in stream:
            if not batch and not events:
                for _ in range(times):
                    answer = await hand.order(**BUY, quantity="0.002", newClientOrderId=f"hand{id(stream)}{_}")
                    assert answer.status_code == 200, answer.text
            events += batch
            if all(sum(isinstance(event, kind) for event in events) >= times for kind in wanted):
                return events
    raise AssertionError("the stream ended")


async def test_balances_are_exact_and_those_of_nothing_are_left_out(data: AccountData, venue: RunningVenue) -> None:
    await open_account(venue, balances={"USDT": "1000000.12345678", "BTC": "10", "SOL": "0"})
    async with SignedClient(venue) as hand:
        placed = await resting(hand, venue)
        held = D(placed["price"]) * D("0.001")

    found = {each.currency: (each.free, each.used) for each in await data.balances()}

    assert found["USDT"] == (D("1000000.12345678") - held, held)
    assert found["BTC"] == (D(10), D(0))
    assert "SOL" not in found
    assert await data.positions() == []


async def test_open_orders_of_all_symbols_and_one_by_its_id(data: AccountData, venue: RunningVenue) -> None:
    async with SignedClient(venue) as hand:
        placed = await resting(hand, venue, newClientOrderId="by-hand")

    [order] = await data.open_orders([])
    by_id = await data.order(BTC, str(placed["orderId"]))

    assert order == by_id
    assert (order.client_order_id, order.kind, order.state, order.price, order.volume, order.filled) == (
        "by-hand",
        "limit",
        "open",
        D(placed["price"]),
        D("0.001"),
        D(0),
    )
    assert await data.order(BTC, "999999999") is None


async def test_fills_are_paged_by_id_and_exact(data: AccountData, venue: RunningVenue) -> None:
    before = await data.fills(BTC, None, None)
    async with SignedClient(venue) as hand:
        placed = [(await hand.order(**BUY, quantity="0.003")).json() for _ in range(3)]
    stated = [each for order in placed for each in order["fills"]]

    last = before[-1].venue_trade_id if before else "0"
    found = await data.fills(BTC, last, None)
    rest = await data.fills(BTC, found[0].venue_trade_id, None)

    assert [(fill.venue_trade_id, fill.price, fill.volume, fill.fee, fill.fee_currency) for fill in found] == [
        (str(each["tradeId"]), D(each["price"]), D(each["qty"]), D(each["commission"]), each["commissionAsset"])
        for each in stated
    ]
    assert rest == found[1:]
    assert {fill.maker for fill in found} == {False}


async def test_the_stream_tells_orders_fills_and_that_balances_changed(data: AccountData, venue: RunningVenue) -> None:
    events = await heard(data, venue, VenueOrder, VenueFill, str, times=2)

    fills = [event for event in events if isinstance(event, VenueFill)]
    ended = [event for event in events if isinstance(event, VenueOrder) and event.state == "filled"]
    assert BALANCES_CHANGED in events
    assert {fill.client_order_id for fill in fills} == {order.client_order_id for order in ended}
    assert {fill.venue_order_id for fill in fills} == {order.venue_order_id for order in ended}
    asked = {fill.venue_trade_id: fill for fill in await data.fills(BTC, None, None)}
    for fill in fills:
        same = asked[fill.venue_trade_id]
        assert (fill.price, fill.volume, fill.fee, fill.at) == (same.price, same.volume, same.fee, same.at)


async def test_a_cut_stream_ends_and_can_be_opened_again(data: AccountData, venue: RunningVenue) -> None:
    with pytest.raises((VenueDown, VenueTimedOut)):
        async with asyncio.timeout(60), aclosing(data.stream()) as stream:
            async for _ in stream:
                await switch(venue, disconnect=True)

    assert await heard(data, venue, VenueFill)


async def test_requests_follow_the_venues_clock_once_it_refused_ours(data: AccountData, venue: RunningVenue) -> None:
    await data.balances()
    await switch(venue, clock_offset_ms=-3_600_000)

    with pytest.raises(VenueClockDiffers):
        await data.balances()
    offset = await data.clock_offset()

    assert abs(offset + 3_600_000) < 30_000
    assert await data.balances()


async def test_a_venue_that_replays_faster_than_time_is_asked_on_and_on() -> None:
    with paper_venue("--control", "--speed", "600") as fast:
        await open_account(fast)
        data = connected(fast)
        try:
            assert abs(await data.clock_offset()) > 3_600_000
            await asyncio.sleep(0.5)  # in which it goes on by five minutes
            assert await data.balances()
        finally:
            await data.close()


async def test_errors_say_what_is_wrong_and_hold_neither_key_nor_signature(venue: RunningVenue) -> None:
    wrong = connected(venue, secret="AnotherSecretOfTheTests99")
    try:
        with pytest.raises(WrongApiSecret) as caught:
            await wrong.balances()
        with pytest.raises(WrongApiSecret) as streamed:
            async with asyncio.timeout(60), aclosing(wrong.stream()) as stream:
                async for _ in stream:
                    pass
    finally:
        await wrong.close()

    for error in (caught.value, streamed.value):
        assert error.__cause__ is None
        assert error.__suppress_context__
        assert "signature=" not in repr(error)
        assert KEY not in str(error)


async def test_a_clock_that_differs_is_said(data: AccountData, venue: RunningVenue) -> None:
    await data.balances()
    await switch(venue, clock_offset_ms=7_200_000)

    with pytest.raises(VenueClockDiffers):
        for _ in range(3):
            await data.balances()
            await switch(venue, requests=[{"effect": "fail_before", "status": 400, "code": -1021, "times": 1}])
