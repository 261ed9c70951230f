"""Each trade of a symbol comes out once, whatever streams and lists do to it."""

from __future__ import annotations

import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from fullon.market.trade_series import TradeSeries
from fullon.venues.quotes import Trade


def trade(number: int, ts: int | None = None) -> Trade:
    return Trade(str(number), number // 3 if ts is None else ts, Decimal(number), Decimal(1), "buy")


def numbers(trades: list[Trade]) -> list[int]:
    return [int(each.trade_id) for each in trades]


@given(st.integers(1, 60), st.randoms(use_true_random=False), st.data())
def test_repeated_and_shuffled_batches_come_out_once_and_nothing_is_lost(
    count: int, chance: random.Random, data: st.DataObject
) -> None:
    trades = [trade(number) for number in range(1, count + 1)]
    told = trades + [chance.choice(trades) for _ in range(count // 2)]
    chance.shuffle(told)
    series = TradeSeries()
    series.release()

    out: list[Trade] = []
    while told:
        size = data.draw(st.integers(1, 10))
        batch, told = told[:size], told[size:]
        series.take(batch)
        taken = series.take_waiting()
        assert taken == sorted(taken, key=lambda each: each.order)
        out += taken

    assert sorted(numbers(out)) == list(range(1, count + 1))
    assert series.last == trades[-1]


def test_the_stream_waits_until_the_list_has_filled_in_what_came_before() -> None:
    series = TradeSeries(trade(1))

    series.take([trade(5), trade(6)])
    before = numbers(series.take_waiting())
    series.fill([trade(2), trade(3), trade(4), trade(5)])
    series.release()

    assert before == []
    assert numbers(series.take_waiting()) == [2, 3, 4, 5, 6]


def test_trades_of_one_moment_are_told_apart_and_ordered_by_their_number() -> None:
    series = TradeSeries(trade(10, 7))
    series.release()

    series.take([trade(13, 7), trade(11, 7), trade(10, 7), trade(12, 7)])

    assert numbers(series.take_waiting()) == [11, 12, 13]


def test_the_last_stored_trade_is_not_taken_again() -> None:
    series = TradeSeries(trade(10))

    assert series.fill([trade(10), trade(11)]) == 1
