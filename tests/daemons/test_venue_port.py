"""One suite for every implementation of the market data port, against the paper venue over real HTTP and sockets."""

from __future__ import annotations

import asyncio
import json
import logging
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from decimal import Decimal
from itertools import pairwise
from typing import Any, TypeVar

import pytest

from fullon.kernel.clock import SystemClock
from fullon.kernel.errors import Invalid
from fullon.kernel.retry import Troubles
from fullon.kernel.timeframes import MINUTE_MS
from fullon.venues.ccxt_venue import CcxtVenue
from fullon.venues.connect import connect
from fullon.venues.errors import UnknownSymbol, VenueDown, VenueLimit
from fullon.venues.follow import follow
from fullon.venues.model import Venue
from fullon.venues.port import MarketData, Stream
from fullon.venues.quotes import Bar, Tick, Trade
from local.ports import free_port
from local.seed_venues import paper_params
from tests.daemons.waiting import until
from tests.paper_venue import SYMBOLS, RunningVenue, paper_venue

Item = TypeVar("Item")
SPEED = "60"


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with paper_venue("--control", "--speed", SPEED) as running:
        yield running


def opened(url: str, streams: str, **params: Any) -> MarketData:
    row = Venue(1, "paper", "binance", params={**paper_params(), "streams": streams, **params})
    return connect(row, url, SystemClock())


@pytest.fixture(params=["ccxt", "binance"])
async def data(request: pytest.FixtureRequest, venue: RunningVenue) -> AsyncIterator[MarketData]:
    port = opened(venue.url, request.param)
    yield port
    await port.close()
    control(venue, streams_silent=False)


def control(venue: RunningVenue, **fault: Any) -> None:
    body = urllib.request.Request(venue.control, json.dumps(fault).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(body, timeout=60) as answer:
        assert answer.status == 200


async def gathered(stream: Stream[Item], enough: int, seconds: float = 60) -> list[Item]:
    items: list[Item] = []
    async with asyncio.timeout(seconds), aclosing(stream):
        async for batch in stream:
            items += batch
            if len(items) >= enough:
                break
    return items


async def test_the_symbols_come_with_their_rules(data: MarketData) -> None:
    markets = {market.symbol: market for market in await data.markets()}

    assert sorted(markets) == SYMBOLS
    btc = markets["BTC/USDT"]
    assert (btc.tick_size, btc.price_decimals, btc.quantity_decimals) == (Decimal("0.01"), 2, 8)
    assert btc.min_notional == 5


async def test_the_list_of_candles_has_no_gap_and_starts_where_asked(data: MarketData) -> None:
    since = await data.server_time() // MINUTE_MS * MINUTE_MS - 120 * MINUTE_MS

    bars = await data.candles("BTC/USDT", since, 100)

    assert [bar.ts for bar in bars] == [since + number * MINUTE_MS for number in range(100)]
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)


async def test_trades_follow_the_one_they_are_asked_after(data: MarketData) -> None:
    newest = await data.trades("ETH/USDT", None, None, 50)

    page = await data.trades("ETH/USDT", newest[0].ts, newest[0].trade_id, 20)

    assert [trade.trade_id for trade in page] == [trade.trade_id for trade in newest[1:21]]
    assert page == sorted(page, key=lambda trade: trade.order)


async def test_tickers_are_there_at_once_and_change(data: MarketData) -> None:
    ticks: list[Tick] = await gathered(data.stream_tickers(SYMBOLS), 20)

    assert {tick.symbol for tick in ticks} == set(SYMBOLS)
    for name in SYMBOLS:
        changes = [tick for tick in ticks if tick.symbol == name]
        assert all(one != other for one, other in pairwise(changes))
    assert all(tick.exchange == "paper" and tick.volume and tick.change_24h is not None for tick in ticks)
    complete = [tick for tick in ticks if tick.bid and tick.ask]
    assert complete
    assert all(tick.bid < tick.ask for tick in complete if tick.bid and tick.ask)


async def test_streamed_bars_close_as_the_list_says(data: MarketData) -> None:
    changes: list[tuple[str, Bar]] = await gathered(data.stream_candles(SYMBOLS), 60)

    closed = [(name, bar) for name, bar in changes if bar.final]
    assert len(set(closed)) == len(closed) >= 3
    assert any(not bar.final for _, bar in changes)
    for name, bar in closed[3:]:  # the first may have begun before we looked
        listed = await data.candles(name, bar.ts, 1)
        assert listed == [bar]


async def test_streamed_trades_are_all_the_trades_of_the_list(data: MarketData) -> None:
    told: list[tuple[str, Trade]] = await gathered(data.stream_trades(SYMBOLS), 120)

    for name in SYMBOLS:
        streamed = [trade for symbol, trade in told if symbol == name]
        listed = await data.trades(name, streamed[0].ts, streamed[0].trade_id, 1000)
        assert streamed[1:] == [trade for trade in listed if trade.order <= streamed[-1].order]


async def test_a_dropped_connection_ends_the_stream(data: MarketData, venue: RunningVenue) -> None:
    stream = data.stream_trades(SYMBOLS)

    with pytest.raises(VenueDown):
        async with asyncio.timeout(60), aclosing(stream):
            async for _ in stream:
                control(venue, disconnect=True)


async def test_a_stream_that_is_closed_leaves_nothing_running(data: MarketData) -> None:
    before = asyncio.all_tasks()

    await gathered(data.stream_candles(SYMBOLS), 1)
    await asyncio.sleep(0.1)

    assert asyncio.all_tasks() == before


async def test_silence_with_an_open_socket_is_noticed_and_survived(data: MarketData, venue: RunningVenue) -> None:
    arrived: list[Tick] = []
    openings: list[int] = []
    following = asyncio.create_task(
        follow(
            lambda: data.stream_tickers(SYMBOLS),
            arrived.extend,
            what="tickers",
            troubles=Troubles(logging.getLogger("test")),
            silence=2.0,
            opening=lambda: openings.append(len(arrived)),
        )
    )
    try:
        await until(lambda: len(arrived) > 10)
        control(venue, streams_silent=True)
        await until(lambda: len(openings) > 1)
        control(venue, streams_silent=False)
        await until(lambda: len(arrived) > openings[-1] + 10)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_an_unknown_symbol_is_said_to_be_unknown(data: MarketData) -> None:
    with pytest.raises(UnknownSymbol):
        await data.candles("NOPE/USDT", 0, 1)


@pytest.mark.parametrize("streams", ["ccxt", "binance"])
async def test_a_venue_that_is_not_there_is_down(streams: str) -> None:
    port = opened(f"http://127.0.0.1:{free_port()}", streams)
    try:
        with pytest.raises(VenueDown):
            await port.server_time()
        with pytest.raises(VenueDown):
            await gathered(port.stream_candles(SYMBOLS), 1)
    finally:
        await port.close()


async def test_too_many_requests_are_a_limit_with_a_time() -> None:
    with paper_venue("--weight-limit", "30") as strict:
        port = opened(strict.url, "ccxt")
        try:
            with pytest.raises(VenueLimit) as caught:
                for _ in range(40):
                    await port.trades("BTC/USDT", None, None, 10)
        finally:
            await port.close()

    assert caught.value.retry_after > 0


def test_a_class_that_ccxt_does_not_have_is_refused() -> None:
    with pytest.raises(Invalid, match="mtgox"):
        connect(Venue(1, "mtgox", "mtgox"), None, SystemClock())


class WithoutStreams(CcxtVenue):
    """A venue of whose protocol ccxt has no streams, and no candles."""

    def _make(self) -> Any:
        exchange = super()._make()
        exchange.has = {name: has for name, has in exchange.has.items() if not name.startswith("watch")}
        exchange.has["fetchOHLCV"] = False
        return exchange


@pytest.fixture
async def plain(venue: RunningVenue) -> AsyncIterator[WithoutStreams]:
    port = WithoutStreams("paper", "binance", paper_params(), venue.url, clock=SystemClock())
    yield port
    await port.close()


async def test_a_venue_without_streams_is_polled(plain: WithoutStreams) -> None:
    assert not plain.capabilities.ticker_streams

    ticks = await gathered(plain.stream_tickers(SYMBOLS), 6)
    trades = await gathered(plain.stream_trades(["BTC/USDT"]), 1020)

    assert {tick.symbol for tick in ticks} == set(SYMBOLS)
    numbers = [int(trade.trade_id) for _, trade in trades]
    assert numbers == sorted(set(numbers))


async def test_candles_are_built_from_trades_where_the_venue_has_none(
    plain: WithoutStreams, venue: RunningVenue
) -> None:
    other = opened(venue.url, "ccxt")
    since = await plain.server_time() // MINUTE_MS * MINUTE_MS - 20 * MINUTE_MS
    try:
        built = await plain.candles("BTC/USDT", since, 10)
        listed = await other.candles("BTC/USDT", since, 10)
    finally:
        await other.close()

    assert [bar.to_record()[:5] for bar in built] == [bar.to_record()[:5] for bar in listed]
    assert [bar.volume for bar in built] == pytest.approx([bar.volume for bar in listed])
    closed = [bar for _, bar in await gathered(plain.stream_candles(["BTC/USDT"]), 5) if bar.final]
    assert closed
