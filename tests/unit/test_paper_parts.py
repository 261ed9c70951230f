"""The paper venue's clock, order book, rate limit, frames and addresses."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from fullon.kernel.clock import ManualClock, to_milliseconds
from fullon.kernel.errors import Invalid
from local.paper import frames
from local.paper.addresses import ccxt_overrides
from local.paper.clock import CATCH_UP_SECONDS, VenueClock
from local.paper.errors import VenueError
from local.paper.exchange import HISTORY_MINUTES, Exchange, open_exchange
from local.paper.faults import Faults
from local.paper.feeds import DepthFeed, KlineFeed, Moment, TradeFeed, open_feed
from local.paper.klines import INTERVALS
from local.paper.order_book import OrderBooks
from local.paper.sockets import MAXIMUM_BACKLOG, Socket
from local.paper.weights import WeightLimit

START = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)
START_MS = to_milliseconds(START)


def test_at_speed_one_the_venues_time_is_the_wall_clock() -> None:
    wall = ManualClock(START)
    clock = VenueClock(wall)

    wall.advance(12.345)

    assert clock.now() == START_MS + 12_345


def test_a_faster_clock_starts_in_the_past_and_catches_up_in_thirty_minutes() -> None:
    wall = ManualClock(START)
    clock = VenueClock(wall, speed=60)

    begin = clock.now()
    wall.advance(CATCH_UP_SECONDS / 2)
    half = clock.now()
    wall.advance(CATCH_UP_SECONDS / 2)
    met = clock.now()
    wall.advance(100)

    assert begin == START_MS - CATCH_UP_SECONDS * 59 * 1000
    assert half == begin + CATCH_UP_SECONDS * 30 * 1000
    assert met == START_MS + CATCH_UP_SECONDS * 1000
    assert clock.now() == met + 100_000


@given(
    st.floats(1, 5000),
    st.none() | st.floats(0, 10**7),
    st.lists(st.floats(-60, 10_000), max_size=20),
)
def test_the_venues_time_never_goes_back_nor_beyond_the_wall_clock(
    speed: float, behind: float | None, steps: list[float]
) -> None:
    wall = ManualClock(START)
    clock = VenueClock(wall, speed, behind=behind)
    latest = seen = START_MS

    before = clock.now()
    for step in steps:
        wall.advance(step)
        seen = to_milliseconds(wall.now())
        latest = max(latest, seen)
        now = clock.now()
        assert before <= now <= latest
        before = now


def test_a_venue_started_again_with_its_anchor_goes_on_where_it_would_be() -> None:
    wall = ManualClock(START)
    first = VenueClock(wall, speed=100)
    wall.advance(10)

    second = VenueClock(wall, speed=100, anchor=first.anchor)

    assert second.now() == first.now()
    assert second.begin == first.begin


@pytest.mark.parametrize(("speed", "behind"), [(0.5, None), (2.0, -1.0)])
def test_a_clock_that_would_be_slow_or_ahead_is_refused(speed: float, behind: float | None) -> None:
    with pytest.raises(ValueError, match="venue's clock"):
        VenueClock(ManualClock(START), speed, behind=behind)


def test_history_is_thirty_days_of_minutes_ending_now() -> None:
    wall, exchange = market()

    bars = exchange.instruments["BTCUSDT"].klines.between(INTERVALS["1m"], 0, None, 100_000, exchange.clock.now())

    assert len(bars) == HISTORY_MINUTES + 1  # the last one is running
    assert bars[-1].open_time == to_milliseconds(wall.now()) // 60_000 * 60_000


@given(st.integers(0, 10**9))
def test_the_last_trade_stands_at_the_best_price_of_its_side(later: int) -> None:
    now = START_MS + later
    for instrument in SHARED.instruments.values():
        quote, last = instrument.quote(now), instrument.last(now)
        assert quote.bid < quote.ask
        assert last.price == (quote.bid if last.buyer_is_maker else quote.ask)
        assert min(quote.bid_quantity, quote.ask_quantity) > 0


@given(st.integers(0, 10**9))
def test_the_books_top_is_the_quote_and_levels_fall_away_from_it(later: int) -> None:
    instrument, now = SHARED.instruments["SOLUSDT"], START_MS + later

    quote, depth = instrument.quote(now), instrument.depth(now, 50)

    assert next(iter(depth.bids.items())) == (quote.bid, quote.bid_quantity)
    assert next(iter(depth.asks.items())) == (quote.ask, quote.ask_quantity)
    assert list(depth.bids) == sorted(depth.bids, reverse=True)
    assert list(depth.asks) == sorted(depth.asks)
    assert (len(depth.bids), len(depth.asks)) == (50, 50)


@given(st.lists(st.integers(10, 3000), min_size=2, max_size=30), st.integers(0, 29))
def test_a_snapshot_and_the_differences_after_it_make_up_the_book(steps: list[int], snapshot_after: int) -> None:
    wall, exchange = market(SHARED)
    instrument, books = exchange.instruments["ETHUSDT"], OrderBooks(exchange)
    fast, slow = DepthFeed(instrument, books, 0.1), DepthFeed(instrument, books, 1.0)
    snapshot, events = books.refresh(instrument), []

    for number, step in enumerate(steps):
        wall.advance(step / 1000)
        fast.advance(moment(wall, exchange))
        events += slow.advance(moment(wall, exchange))
        if number == snapshot_after:
            snapshot = books.refresh(instrument)
    wall.advance(2)
    events += slow.advance(moment(wall, exchange))

    symbol, expected = instrument.symbol, books.refresh(instrument)
    book = {"b": dict(snapshot.depth.bids), "a": dict(snapshot.depth.asks)}
    following = snapshot.update_id
    for event in (decoded(each) for each in events):
        if event["u"] <= snapshot.update_id:
            continue
        assert event["U"] == following + 1 or (following == snapshot.update_id and event["U"] <= following + 1)
        following = event["u"]
        for side in book:
            for price, quantity in event[side]:
                book[side][symbol.ticks(price)] = symbol.steps(quantity)
    assert {price: quantity for price, quantity in book["b"].items() if quantity} == expected.depth.bids
    assert {price: quantity for price, quantity in book["a"].items() if quantity} == expected.depth.asks


@given(st.lists(st.integers(1, 200_000), min_size=1, max_size=15))
def test_streams_leave_out_neither_a_trade_nor_a_closed_bar(steps: list[int]) -> None:
    wall, exchange = market(SHARED)
    instrument, begin = exchange.instruments["BTCUSDT"], exchange.clock.now()
    trades, bars = TradeFeed(instrument, begin, aggregate=False), KlineFeed(instrument, INTERVALS["1m"])
    seen, closed = [], []
    bars.advance(moment(wall, exchange))

    for step in steps:
        wall.advance(step / 1000)
        seen += [decoded(each)["t"] for each in trades.advance(moment(wall, exchange))]
        closed += [decoded(each)["k"] for each in bars.advance(moment(wall, exchange))]

    now = exchange.clock.now()
    assert seen == [trade.id for trade in instrument.tape.since(instrument.last(begin).id + 1, now)]
    finished = [bar["t"] for bar in closed if bar["x"]]
    assert finished == list(range(begin // 60_000 * 60_000, now // 60_000 * 60_000, 60_000))
    for bar in closed:
        if bar["x"]:
            expected = instrument.klines.bar(INTERVALS["1m"], bar["t"], now).span
            assert (bar["n"], bar["v"]) == (expected.trades, instrument.symbol.quantity(expected.volume))
            assert (bar["f"], bar["L"]) == (expected.first_id, expected.last_id)


@pytest.mark.parametrize(
    "name", ["BTCUSDT@trade", "nope@trade", "btcusdt@kline_7m", "btcusdt@depth7", "btcusdt", "0", "!nothing@arr"]
)
def test_a_stream_that_does_not_exist_has_no_feed(name: str) -> None:
    assert open_feed(name, SHARED, OrderBooks(SHARED)) is None


def test_weight_is_counted_by_address_and_minute() -> None:
    wall = ManualClock(START)
    limit = WeightLimit(wall, 100)

    assert [limit.spend("a", 60), limit.spend("a", 40), limit.spend("b", 10)] == [60, 100, 10]
    wall.advance(60)
    assert limit.spend("a", 5) == 5


def test_above_the_limit_comes_429_then_a_ban_that_doubles() -> None:
    wall = ManualClock(START + timedelta(seconds=20))
    limit = WeightLimit(wall, 100, patience=2, ban=120)

    refusals = [refused(limit) for _ in range(4)]
    wall.advance(60)
    still = refused(limit)
    wall.advance(61)
    again = limit.spend("a", 1)
    second = [refused(limit) for _ in range(3)][-1]

    assert [each.status for each in refusals] == [429, 429, 418, 418]
    assert refusals[0].headers["Retry-After"] == "40"
    assert refusals[0].code == refusals[2].code == -1003
    assert still.status == 418
    assert still.headers["Retry-After"] == "60"
    assert again == 1
    assert second.headers["Retry-After"] == "240"


def test_a_change_of_faults_is_all_or_nothing() -> None:
    wall = ManualClock(START)
    faults = Faults(wall.monotonic)

    with pytest.raises(Invalid, match="nonsense"):
        faults.apply({"delay_ms": 100, "nonsense": 1})

    assert faults.state()["delay_ms"] == 0


@pytest.mark.parametrize(
    "change",
    [
        [],
        {"down": -1},
        {"down": True},
        {"streams_silent": 1},
        {"delay_ms": "1"},
        {"clock_offset_ms": 1e12},
        {"burst": 5},
        {"burst": {"ticks_per_second": 0, "seconds": 1}},
        {"burst": {"seconds": 1}},
    ],
)
def test_a_fault_out_of_range_is_refused(change: object) -> None:
    with pytest.raises(Invalid):
        Faults(ManualClock(START).monotonic).apply(change)


def test_a_venue_is_down_for_as_long_as_it_was_told() -> None:
    wall = ManualClock(START)
    faults = Faults(wall.monotonic)

    drops = faults.apply({"down": 5})

    assert drops
    assert faults.down
    wall.advance(5)
    assert not faults.down


def test_a_connection_is_pinged_and_dropped_when_no_pong_comes() -> None:
    transport, faults = RecordingTransport(), Faults(ManualClock(START).monotonic)
    socket = Socket(transport, combined=False, faults=faults, opened=100.0)

    socket.keep_alive(119.9, START_MS)
    quiet = list(transport.written)
    socket.keep_alive(120.0, START_MS)
    pinged = list(transport.written)
    socket.answered(121.0)
    socket.keep_alive(200.0, START_MS)
    alive = not transport.closed
    socket.keep_alive(202.0, START_MS)

    assert quiet == []
    assert pinged == [frames.ping(str(START_MS).encode())]
    assert alive
    assert transport.closed
    assert transport.written[-1] == frames.close(1008, "Pong timeout")


def test_a_connection_ends_after_a_day() -> None:
    transport, faults = RecordingTransport(), Faults(ManualClock(START).monotonic)
    socket = Socket(transport, combined=False, faults=faults, opened=0.0)
    socket.answered(86_400.0)

    socket.keep_alive(86_400.0, START_MS)
    alive = not transport.closed
    socket.keep_alive(86_400.5, START_MS)

    assert alive
    assert transport.closed


def test_a_client_that_reads_too_slowly_is_dropped() -> None:
    transport, faults = RecordingTransport(), Faults(ManualClock(START).monotonic)
    socket = Socket(transport, combined=False, faults=faults, opened=0.0)

    socket.send(b"x" * MAXIMUM_BACKLOG, 1.0)
    patient = not transport.closed
    socket.send(b"x", 1.0)

    assert patient
    assert transport.closed


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_frames_are_those_of_the_protocol(size: int) -> None:
    payload = b"x" * size

    assert frames.text(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_control_frames_are_those_of_the_protocol() -> None:
    assert frames.ping(b"17") == Frame(Opcode.PING, b"17").serialize(mask=False)
    assert frames.pong(b"17") == Frame(Opcode.PONG, b"17").serialize(mask=False)
    assert frames.close(1001, "x") == Frame(Opcode.CLOSE, b"\x03\xe9x").serialize(mask=False)


def test_every_spot_address_of_ccxt_leads_to_the_venue() -> None:
    api = ccxt_overrides("http://127.0.0.1:8123/")["urls"]["api"]

    sockets = api.pop("ws")
    ws_api = sockets.pop("ws-api")
    assert all(address.startswith("http://127.0.0.1:8123/") for address in api.values())
    assert all(address == "ws://127.0.0.1:8123/stream/ws" for address in sockets.values())
    assert ws_api == {"spot": "ws://127.0.0.1:8123/ws-api/v3"}


class RecordingTransport(asyncio.Transport):
    """A connection whose client reads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self.written))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


def refused(limit: WeightLimit) -> VenueError:
    """The refusal of a request that is too heavy."""
    with pytest.raises(VenueError) as caught:
        limit.spend("a", 101)
    return caught.value


def market(like: Exchange | None = None) -> tuple[ManualClock, Exchange]:
    """A market at ``START`` with a clock that is moved by hand; with the instruments of ``like``, which cost time."""
    wall = ManualClock(START)
    clock = VenueClock(wall)
    return wall, Exchange(clock, like.instruments) if like else open_exchange(clock, 3, None)


def moment(wall: ManualClock, exchange: Exchange) -> Moment:
    """A tick at the present moment."""
    now = exchange.clock.now()
    return Moment(now, now, wall.monotonic(), now * 1000)


def decoded(message: bytes) -> Any:
    """A message of a feed."""
    return orjson.loads(message)


SHARED = market()[1]
