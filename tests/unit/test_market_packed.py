"""Candles as bytes: turning, cutting, aggregating and filling them keeps every bit."""

from __future__ import annotations

import math
from functools import reduce
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fullon.kernel.timeframes import MINUTE_MS, Timeframe
from fullon.market import packed
from fullon.venues.quotes import Bar
from tests.market_builder import MONDAY, minutes, recomputed

prices = some.floats(min_value=1e-12, max_value=1e12, allow_nan=False)
bars = some.lists(
    some.builds(Bar, some.integers(0, 4_000_000).map(lambda m: MONDAY + m * MINUTE_MS), *[prices] * 5),
    unique_by=lambda bar: bar.ts,
    max_size=80,
).map(lambda found: sorted(found, key=lambda bar: bar.ts))


@given(bars)
def test_what_is_packed_is_unpacked_to_the_last_bit(rows: list[Bar]) -> None:
    data = packed.pack(rows)

    assert packed.unpack(data) == rows
    assert packed.count(data) == len(rows)


def test_rows_are_what_postgresql_sends() -> None:
    one_second_after_2000 = Bar(946_684_801_000, 1.0, 2.0, 0.5, 1.5, 3.0)

    data = packed.pack([one_second_after_2000])

    assert data.hex() == "00000000000f4240" + "3ff0000000000000" + "4000000000000000" + "3fe0000000000000" + (
        "3ff8000000000000" + "4008000000000000"
    )


@given(bars, some.sampled_from(list(Timeframe)))
def test_aggregates_are_what_the_book_says(rows: list[Bar], timeframe: Timeframe) -> None:
    found = packed.unpack(packed.aggregate(packed.pack(rows), timeframe))

    expected = recomputed(rows, timeframe)
    assert [(bar.ts, bar.open, bar.high, bar.low, bar.close) for bar in found] == [
        (bar.ts, bar.open, bar.high, bar.low, bar.close) for bar in expected
    ]
    assert all(math.isclose(ours.volume, theirs.volume) for ours, theirs in zip(found, expected, strict=True))


def test_volumes_are_plain_sums_in_the_order_of_time() -> None:
    hour = minutes(MONDAY, 60)

    [bar] = packed.unpack(packed.aggregate(packed.pack(hour), Timeframe.H1))

    assert bar.volume == reduce(add, [minute.volume for minute in hour])


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    days = [Bar(MONDAY + day * 24 * 60 * MINUTE_MS, 1.0, 2.0, 0.5, 1.5, 1.0) for day in range(-2, 40)]

    weeks = packed.unpack(packed.aggregate(packed.pack(days), Timeframe.W1))
    months = packed.unpack(packed.aggregate(packed.pack(days), Timeframe.MONTH))

    assert [week.volume for week in weeks] == [2, 7, 7, 7, 7, 7, 5]
    assert weeks[1].ts == MONDAY
    assert [month.volume for month in months] == [31, 11]


@pytest.mark.parametrize(
    ("start", "end", "kept"),
    [(0, 10, range(10)), (3, 6, range(3, 6)), (9, None, range(9, 10)), (10, None, range(0)), (-5, 1, range(1))],
)
def test_a_cut_includes_its_start_and_not_its_end(start: int, end: int | None, kept: range) -> None:
    rows = minutes(MONDAY, 10)

    data = packed.between(
        packed.pack(rows), MONDAY + start * MINUTE_MS, None if end is None else MONDAY + end * MINUTE_MS
    )

    assert packed.unpack(data) == [rows[number] for number in kept]


def test_filling_repeats_the_close_before_and_trades_nothing() -> None:
    rows = minutes(MONDAY, 6, without={0, 2, 3})

    filled = packed.fill(rows, Timeframe.M1, MONDAY, MONDAY + 7 * MINUTE_MS, 99.0)

    assert [bar.ts for bar in filled] == [MONDAY + number * MINUTE_MS for number in range(7)]
    assert filled[0] == Bar(MONDAY, 99.0, 99.0, 99.0, 99.0, 0.0)
    assert filled[1] == rows[0]
    assert {bar.open for bar in filled[2:4]} == {rows[0].close}
    assert filled[6].close == rows[-1].close


def test_filling_does_not_invent_prices_before_the_first_candle() -> None:
    rows = minutes(MONDAY, 4, without={0, 1})

    filled = packed.fill(rows, Timeframe.M1, MONDAY, MONDAY + 4 * MINUTE_MS, None)

    assert filled == rows
