"""The paper venue's market: minutes, the trades inside them and the bars over them agree exactly."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullon.kernel.errors import Corrupt, Invalid
from local import demo_data
from local.demo_data import MinuteBar
from local.paper.exchange import Instrument
from local.paper.history import MINUTE_MS, Minutes, recorded, synthetic, turning_points
from local.paper.klines import INTERVALS, Span
from local.paper.market import BTC_USDT, ETH_USDT, SYMBOLS, Symbol
from local.paper.prints import SLOTS, Tape, Trade, print_bar

CYCLE = 300
LISTED = 29_000_017  # not on the hour
BTC = Instrument(BTC_USDT, synthetic(BTC_USDT, 7, CYCLE), 7, LISTED)
LATER = st.integers(min_value=LISTED * MINUTE_MS, max_value=(LISTED + 3 * CYCLE) * MINUTE_MS)


@st.composite
def bars(draw: st.DrawFn) -> tuple[int, int, int, int, int]:
    """Open, high, low, close and a volume that can print them."""
    low = draw(st.integers(1, 10_000_000))
    high = low + draw(st.integers(0, 100_000))
    opened, close = draw(st.integers(low, high)), draw(st.integers(low, high))
    needed = len(turning_points(opened, high, low, close))
    return opened, high, low, close, needed + draw(st.integers(0, 40) | st.integers(0, 10**13))


@given(bars(), st.binary(min_size=4 * SLOTS, max_size=4 * SLOTS))
def test_the_trades_of_a_minute_make_up_its_bar_exactly(bar: tuple[int, int, int, int, int], draws: bytes) -> None:
    opened, high, low, close, volume = bar

    prints = print_bar(opened, high, low, close, volume, draws)

    assert (prints.prices[0], max(prints.prices), min(prints.prices), prints.prices[-1]) == (opened, high, low, close)
    assert sum(prints.quantities) == volume
    assert min(prints.quantities) >= 1
    assert len(prints.prices) == min(SLOTS, volume) == len(prints.offsets) == len(prints.buyer_is_maker)
    assert prints.offsets[0] == 0
    assert all(before < after for before, after in zip(prints.offsets, prints.offsets[1:], strict=False))
    assert prints.offsets[-1] < MINUTE_MS


@given(LATER, st.sampled_from(list(INTERVALS)))
def test_a_bar_is_the_sum_of_the_trades_up_to_now(now: int, name: str) -> None:
    interval = INTERVALS[name]

    bar = BTC.klines.bar(interval, now, now)

    inside = [trade for trade in every_trade(now) if trade.time >= interval.floor(now)]
    assert bar.open_time == interval.floor(now)
    assert bar.close_time == interval.next(now) - 1
    if inside:
        assert bar.span == total(inside)
    else:
        before = [trade for trade in every_trade(now) if trade.time < interval.floor(now)][-1].price
        assert bar.span == Span(before, before, before, before, 0, 0, 0, 0, 0, -1, -1)


@given(LATER, st.sampled_from(["3m", "5m", "15m", "30m", "1h", "2h", "4h"]))
def test_a_longer_bar_is_the_sum_of_its_minutes(now: int, name: str) -> None:
    interval = INTERVALS[name]

    longer = BTC.klines.bar(interval, now, now)

    minutes = BTC.klines.between(INTERVALS["1m"], longer.open_time, longer.close_time, 1000, now)
    assert minutes[0].open_time == max(longer.open_time, LISTED * MINUTE_MS)
    assert (longer.span.open, longer.span.close) == (minutes[0].span.open, minutes[-1].span.close)
    assert longer.span.high == max(bar.span.high for bar in minutes)
    assert longer.span.low == min(bar.span.low for bar in minutes)
    assert longer.span.volume == sum(bar.span.volume for bar in minutes)
    assert longer.span.trades == sum(bar.span.trades for bar in minutes)


@given(LATER, LATER)
def test_a_stretch_of_time_holds_exactly_the_trades_in_it(one: int, other: int) -> None:
    first, last = min(one, other), max(one, other)

    span = BTC.klines.span(first, last)

    inside = [trade for trade in every_trade(last) if trade.time >= first]
    assert span == (total(inside) if inside else None)


@given(LATER, st.integers(1, 400))
def test_trades_are_found_by_id_by_time_and_from_the_end(now: int, limit: int) -> None:
    trades = every_trade(now)

    assert BTC.last(now) == trades[-1]
    assert BTC.recent(now, limit) == trades[-limit:]
    oldest = max(trades[-1].id - limit, LISTED * SLOTS)
    assert list(BTC.tape.since(oldest, now)) == [trade for trade in trades if trade.id >= oldest]
    assert [trade.id for trade in trades] == list(range(LISTED * SLOTS, LISTED * SLOTS + len(trades)))


@given(
    LATER,
    st.sampled_from(["1m", "5m", "1h", "1d", "1M"]),
    st.none() | LATER | st.just(0),
    st.none() | LATER,
    st.integers(1, 50),
)
def test_bars_are_chosen_by_opening_time_from_the_start_or_else_the_newest(
    now: int, name: str, start: int | None, end: int | None, limit: int
) -> None:
    interval = INTERVALS[name]

    found = BTC.klines.between(interval, start, end, limit, now)

    opening, moment = [], interval.floor(LISTED * MINUTE_MS)
    while moment <= now:
        opening.append(moment)
        moment = interval.next(moment)
    wanted = [m for m in opening if (start is None or m >= start) and (end is None or m <= end)]
    assert [bar.open_time for bar in found] == (wanted[-limit:] if start is None else wanted[:limit])


def test_nothing_exists_before_the_symbol_was_listed() -> None:
    now = (LISTED + 10) * MINUTE_MS

    bars = BTC.klines.between(INTERVALS["1m"], 0, None, 1000, now)

    assert [bar.open_time for bar in bars] == [(LISTED + each) * MINUTE_MS for each in range(11)]
    assert BTC.recent(now, 100_000)[0].id == LISTED * SLOTS


def test_the_same_seed_prints_the_same_market_and_another_seed_another() -> None:
    again = Instrument(BTC_USDT, synthetic(BTC_USDT, 7, CYCLE), 7, LISTED)
    other = Instrument(BTC_USDT, synthetic(BTC_USDT, 8, CYCLE), 8, LISTED)
    now = (LISTED + 5) * MINUTE_MS

    assert again.recent(now, 100) == BTC.recent(now, 100)
    assert other.recent(now, 100) != BTC.recent(now, 100)


def test_a_synthetic_series_closes_where_it_opens_so_that_rounds_have_no_seam() -> None:
    minutes = synthetic(ETH_USDT, 1)

    assert all(minutes.close[index] == minutes.open[(index + 1) % len(minutes)] for index in range(len(minutes)))
    assert all(
        low <= min(opened, close) and max(opened, close) <= high and low > 0
        for opened, high, low, close in zip(minutes.open, minutes.high, minutes.low, minutes.close, strict=True)
    )
    assert min(minutes.volume) >= SLOTS


def test_a_recording_repeats_from_its_own_first_minute() -> None:
    minutes = recorded(BTC_USDT, [minute(0, "10.00"), minute(1, "11.00"), minute(2, "12.00")])
    start = minutes.anchor

    prices = [minutes.open[minutes.index(start + offset)] for offset in (-1, 0, 1, 2, 3, 3 * 10**6)]

    assert prices == [1200, 1000, 1100, 1200, 1000, 1000]


def test_a_missing_minute_is_flat_and_without_trades() -> None:
    minutes = recorded(BTC_USDT, [minute(0, "10.00"), minute(2, "12.00")])
    instrument = Instrument(BTC_USDT, minutes, 1, minutes.anchor)
    now = (minutes.anchor + 2) * MINUTE_MS - 1

    bar = instrument.klines.bar(INTERVALS["1m"], now, now)

    assert bar.span == Span(1000, 1000, 1000, 1000, 0, 0, 0, 0, 0, -1, -1)
    assert list(instrument.tape.trades(minutes.anchor + 1)) == []
    assert instrument.last(now).price == 1000


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [MinuteBar(60, "10", "9", "8", "9", "1")],
        [MinuteBar(60, "10", "12", "11", "12", "1")],
        [MinuteBar(61, "10", "10", "10", "10", "1")],
        [MinuteBar(120, "10", "10", "10", "10", "1"), MinuteBar(60, "10", "10", "10", "10", "1")],
        [MinuteBar(60, "10", "12", "8", "9", "0.00000003")],
        [MinuteBar(60, "10", "12", "8", "9", "0")],
    ],
)
def test_a_recording_that_cannot_have_been_traded_is_refused(rows: list[MinuteBar]) -> None:
    with pytest.raises(Corrupt):
        recorded(BTC_USDT, rows)


def test_a_recording_finer_than_tick_or_step_is_refused() -> None:
    with pytest.raises(Invalid, match="price with at most 2 decimals"):
        recorded(BTC_USDT, [MinuteBar(60, "10.001", "11", "9", "10", "1")])
    with pytest.raises(Invalid, match="quantity with at most 8 decimals"):
        recorded(BTC_USDT, [MinuteBar(60, "10", "11", "9", "10", "1.000000001")])


@given(st.sampled_from(SYMBOLS), st.integers(0, 10**15))
def test_ticks_and_steps_survive_the_way_to_text_and_back(symbol: Symbol, units: int) -> None:
    assert symbol.ticks(symbol.price(units)) == units
    assert symbol.steps(symbol.quantity(units)) == units
    assert Decimal(symbol.amount(units)) == Decimal(units).scaleb(-symbol.price_decimals - symbol.quantity_decimals)


def test_prints_repeat_with_the_round() -> None:
    tape = Tape(Minutes(0, (5, 6), (7, 8), (4, 5), (6, 5), (100, 200)), "x")

    assert tape.prints(0) == tape.prints(2_000_000)
    assert tape.prints(0) != tape.prints(1)


def test_negative_changes_are_written_with_their_sign() -> None:
    assert BTC_USDT.price(-5) == "-0.05000000"


def test_recorded_minutes_are_read_as_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "minutes.csv"
    file.write_text("timestamp,open,high,low,close,volume\n1786924800,62831.65,62831.65,62830.32,62830.33,0.00336376\n")

    bars = demo_data.load(file)

    assert bars == [MinuteBar(1786924800, "62831.65", "62831.65", "62830.32", "62830.33", "0.00336376")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"time,price\n1,2\n"),
        ("a.csv", b"timestamp,open,high,low,close,volume\nnever,1,1,1,1,1\n"),
        ("a.csv", b"timestamp,open,high,low,close,volume\n60,1,1,1\n"),
        ("a.csv.gz", b"not gzip"),
        ("a.csv", b"\xff\xfe"),
    ],
)
def test_a_file_that_holds_no_minutes_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)

    with pytest.raises(Corrupt, match=name):
        demo_data.load(file)


def every_trade(now: int) -> list[Trade]:
    """All trades of BTC since it was listed, read minute by minute."""
    minutes = range(LISTED, now // MINUTE_MS + 1)
    return [trade for each in minutes for trade in BTC.tape.trades(each) if trade.time <= now]


def total(trades: list[Trade]) -> Span:
    """What ``trades`` sum to, computed the long way."""
    taken = [trade for trade in trades if not trade.buyer_is_maker]
    return Span(
        trades[0].price,
        max(trade.price for trade in trades),
        min(trade.price for trade in trades),
        trades[-1].price,
        sum(trade.quantity for trade in trades),
        sum(trade.price * trade.quantity for trade in trades),
        len(trades),
        sum(trade.quantity for trade in taken),
        sum(trade.price * trade.quantity for trade in taken),
        trades[0].id,
        trades[-1].id,
    )


def minute(number: int, price: str) -> MinuteBar:
    """A minute at one price, 60 seconds after the one before."""
    return MinuteBar(1_786_924_800 + 60 * number, price, price, price, price, "1")
