"""What ccxt says, as our values: exact, and tolerant of what venues leave out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullon.kernel.errors import Corrupt, Invalid
from fullon.kernel.timeframes import MINUTE_MS
from fullon.venues import ccxt_values
from fullon.venues.ccxt_streams import advance
from fullon.venues.ccxt_venue import _filled, _moved
from fullon.venues.quotes import Bar, Tick, Trade
from fullon.venues.trade_bars import minute_bars

TICKER = {
    "symbol": "BTC/USDT",
    "timestamp": 1_000,
    "last": "0.1",
    "bid": "0.09",
    "ask": "0.11",
    "baseVolume": "12.50000000",
    "percentage": "1.5",
    "open": "0.0985",
}


def test_prices_keep_every_digit_the_venue_wrote() -> None:
    tick = ccxt_values.tick("paper", {**TICKER, "last": "0.10000000000000001"}, None, 0)

    assert tick is not None
    assert tick.price == Decimal("0.10000000000000001")
    assert tick.to_record()["price"] == "0.10000000000000001"


def test_a_float_is_taken_by_its_shortest_notation() -> None:
    assert ccxt_values.decimal(0.1) == Decimal("0.1")
    assert ccxt_values.decimal(1e-8) == Decimal("0.00000001")


@pytest.mark.parametrize("nothing", [None, "", "abc", float("nan"), "Infinity"])
def test_what_is_no_number_is_none(nothing: object) -> None:
    assert ccxt_values.decimal(nothing) is None


def test_best_prices_of_a_stream_of_their_own_replace_those_of_the_ticker() -> None:
    tick = ccxt_values.tick("paper", TICKER, {"bid": "0.095", "ask": "0.105", "timestamp": 2_000}, 0)

    assert tick is not None
    assert (tick.bid, tick.ask, tick.time) == (Decimal("0.095"), Decimal("0.105"), 2_000)


def test_a_ticker_without_a_time_gets_ours() -> None:
    tick = ccxt_values.tick("paper", {**TICKER, "timestamp": None}, None, 77)

    assert tick is not None
    assert tick.time == 77


def test_a_market_that_never_traded_has_no_tick() -> None:
    assert ccxt_values.tick("paper", {**TICKER, "last": None, "close": None}, None, 0) is None


def test_the_change_follows_from_the_opening_price_where_it_is_not_stated() -> None:
    tick = ccxt_values.tick("paper", {**TICKER, "percentage": None, "open": "0.08"}, None, 0)

    assert tick is not None
    assert tick.change_24h == Decimal("25.000")


def test_trades_without_an_id_are_told_apart_by_what_they_are() -> None:
    raw: dict[str, Any] = {"id": None, "timestamp": 5, "price": "1", "amount": "2", "side": "buy"}

    first, second = ccxt_values.trade(raw), ccxt_values.trade({**raw, "amount": "3"})

    assert first is not None
    assert second is not None
    assert first.trade_id != second.trade_id
    assert first.ordinal == 0


def test_a_candle_with_holes_is_left_out_and_one_without_volume_is_not() -> None:
    assert ccxt_values.bar([0, "1", None, "1", "1", "1"]) is None
    assert ccxt_values.bar([0, "1", "2", "0.5", "1.5", None]) == Bar(0, 1.0, 2.0, 0.5, 1.5, 0.0)


@pytest.mark.parametrize(
    ("precision", "tick_size_mode", "step", "decimals"),
    [
        ("0.01", True, "0.01", 2),
        ("5", True, "5", 0),
        ("2", False, "0.01", 2),
        ("0", False, "1", 0),
        ("1E-8", True, "1E-8", 8),
    ],
)
def test_precision_becomes_a_step_and_a_number_of_decimals(
    precision: str, tick_size_mode: bool, step: str, decimals: int
) -> None:
    raw = {"symbol": "A/B", "base": "A", "quote": "B", "precision": {"price": precision}, "limits": {}}

    market = ccxt_values.market(raw, tick_size_mode=tick_size_mode)

    assert (market.tick_size, market.price_decimals) == (Decimal(step), decimals)
    assert (market.step_size, market.quantity_decimals, market.min_quantity) == (None, None, None)


def test_addresses_are_filled_in_or_moved_to_another_host() -> None:
    template = {"public": "{http}/api/v3", "ws": {"spot": "{ws}/stream/ws"}, "other": "https://elsewhere/x"}

    assert _filled(template, "http://127.0.0.1:9") == {
        "public": "http://127.0.0.1:9/api/v3",
        "ws": {"spot": "ws://127.0.0.1:9/stream/ws"},
        "other": "https://elsewhere/x",
    }
    assert _moved({"a": "https://api.kraken.com/0", "ws": ["x"], "s": "wss://ws.kraken.com/v2"}, "http://h:1") == {
        "a": "http://h:1/0",
        "ws": ["x"],
        "s": "ws://h:1/v2",
    }
    with pytest.raises(Invalid, match="settings"):
        _filled(template, None)


def bar(minute: int, close: float = 1.0, *, final: bool = False) -> Bar:
    return Bar(minute * MINUTE_MS, 1.0, 2.0, 0.5, close, 3.0, final)


def test_a_bar_is_final_when_a_later_one_has_begun_and_is_said_so_once() -> None:
    assert advance(None, [bar(1)]) == [bar(1)]
    assert advance(bar(1), [bar(1)]) == []
    assert advance(bar(1), [bar(1, 1.5)]) == [bar(1, 1.5)]
    assert advance(bar(1), [bar(1, 1.7), bar(2)]) == [bar(1, 1.7, final=True), bar(2)]
    assert advance(bar(2), [bar(1, 1.7), bar(2)]) == []


def test_a_bar_that_left_the_window_is_closed_with_what_was_last_seen_of_it() -> None:
    assert advance(bar(1, 1.7), [bar(3), bar(4)]) == [bar(1, 1.7, final=True), bar(3, final=True), bar(4)]


@given(
    st.lists(
        st.tuples(st.integers(0, 10 * MINUTE_MS), st.integers(1, 1000), st.integers(1, 1000)), min_size=1, max_size=60
    )
)
def test_minutes_of_trades_hold_every_trade_once(rows: list[tuple[int, int, int]]) -> None:
    trades = [
        Trade(str(number), ts, Decimal(price), Decimal(amount), "buy")
        for number, (ts, price, amount) in enumerate(sorted(rows))
    ]

    bars = minute_bars(trades)

    assert [each.ts for each in bars] == sorted({trade.ts - trade.ts % MINUTE_MS for trade in trades})
    assert sum(each.volume for each in bars) == sum(trade.amount for trade in trades)
    for each in bars:
        inside = [float(trade.price) for trade in trades if each.ts <= trade.ts < each.ts + MINUTE_MS]
        assert (each.open, each.high, each.low, each.close) == (inside[0], max(inside), min(inside), inside[-1])


def test_records_are_read_back_as_they_were_written() -> None:
    tick = ccxt_values.tick("paper", TICKER, None, 0)
    trade = Trade("7", 5, Decimal("1.10"), Decimal("0.00000001"), None)

    assert tick is not None
    assert Tick.from_record(tick.to_record()) == tick
    assert Trade.from_record(trade.to_record()) == trade
    assert Bar.from_record(bar(3).to_record()) == bar(3)
    assert Bar.from_record(bar(3).to_record()[:6]) == bar(3, final=True)


@pytest.mark.parametrize(
    "read", [lambda: Tick.from_record({}), lambda: Trade.from_record([1]), lambda: Bar.from_record([1, 2])]
)
def test_a_record_that_is_none_of_ours_is_corrupt(read: Any) -> None:
    with pytest.raises(Corrupt):
        read()
