"""Running bars of every timeframe equal what their minutes say, at every moment."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullon.kernel.timeframes import MINUTE_MS, Timeframe
from fullon.market.running_bars import RunningBars, aggregated
from fullon.venues.quotes import Bar


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * 1000


#: Around a year's end that is a Friday, a month's end in a leap year, a Sunday midnight, and any time.
EDGES = [at(2026, 12, 31, 23, 50), at(2028, 2, 29, 23, 50), at(2026, 8, 23, 23, 50), at(2026, 8, 19, 7, 3)]

minutes = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 400), st.integers(0, 400), st.booleans()), min_size=1, max_size=40
)


def made(start: int, rows: list[tuple[int, int, int, bool]]) -> list[Bar]:
    """Minutes from ``start`` on; the first number of each row is how many are missing before it."""
    bars, ts = [], start
    for missing, price, spread, _ in rows:
        ts += missing * MINUTE_MS
        bars.append(Bar(ts, float(price), price + spread + 0.5, price - 0.25, price + 0.25, spread / 8, final=False))
        ts += MINUTE_MS
    return bars


def expected(bars: list[Bar], timeframe: Timeframe) -> tuple[float, ...]:
    """The bar of ``timeframe`` at the last of ``bars``, straight from its definition."""
    start = timeframe.floor(bars[-1].ts)
    inside = [bar for bar in bars if start <= bar.ts < timeframe.next(start)]
    return (
        start,
        inside[0].open,
        max(bar.high for bar in inside),
        min(bar.low for bar in inside),
        inside[-1].close,
        math.fsum(bar.volume for bar in inside),
    )


def numbers(bar: Bar) -> tuple[float, ...]:
    return (bar.ts, bar.open, bar.high, bar.low, bar.close, bar.volume)


@pytest.mark.parametrize("start", EDGES)
@settings(max_examples=60)
@given(rows=minutes)
def test_each_timeframe_equals_its_minutes_after_every_minute(
    start: int, rows: list[tuple[int, int, int, bool]]
) -> None:
    running = RunningBars()
    seen = made(start, rows)
    present: dict[Timeframe, Bar] = {}

    for number, (bar, row) in enumerate(zip(seen, rows, strict=True)):
        present.update(running.update(bar))
        if row[3]:  # some minutes are closed by the venue's word, the others by the next one
            present.update(running.update(Bar(*bar.to_record()[:6])))  # type: ignore[arg-type]

        for timeframe in Timeframe:
            assert numbers(present[timeframe]) == pytest.approx(expected(seen[: number + 1], timeframe), rel=1e-12)


@pytest.mark.parametrize("start", EDGES)
@settings(max_examples=40)
@given(rows=minutes)
def test_each_bar_is_said_to_be_final_exactly_once_and_never_changes_after(
    start: int, rows: list[tuple[int, int, int, bool]]
) -> None:
    running = RunningBars()
    finals: list[tuple[Timeframe, int]] = []
    for bar in made(start, rows):
        for timeframe, changed in running.update(bar):
            assert (timeframe, changed.ts) not in finals
            if changed.final:
                finals.append((timeframe, changed.ts))
    finals += [(timeframe, bar.ts) for timeframe, bar in running.pass_time(start + 62 * 86_400_000) if bar.final]

    buckets = {(timeframe, timeframe.floor(bar.ts)) for bar in made(start, rows) for timeframe in Timeframe}
    assert sorted(finals) == sorted(buckets)


@pytest.mark.parametrize("start", EDGES)
@settings(max_examples=40)
@given(rows=minutes, cut=st.integers(1, 40))
def test_going_on_from_what_is_stored_is_the_same_as_never_having_stopped(
    start: int, rows: list[tuple[int, int, int, bool]], cut: int
) -> None:
    closed = [Bar(*bar.to_record()[:6]) for bar in made(start, rows)]  # type: ignore[arg-type]
    before, after = closed[:cut], closed[cut:]
    unbroken, restarted = RunningBars(), None
    for bar in before:
        unbroken.update(bar)
    until = before[-1].ts + MINUTE_MS
    parts = {timeframe: aggregated(before, timeframe, until)[-1] for timeframe in Timeframe}
    restarted = RunningBars({timeframe: bar for timeframe, bar in parts.items() if not bar.final}, until)

    for bar in after:
        first = {timeframe: numbers(changed) for timeframe, changed in unbroken.update(bar)}
        second = {timeframe: numbers(changed) for timeframe, changed in restarted.update(bar)}
        assert first.keys() == second.keys()
        for timeframe in first:
            assert first[timeframe] == pytest.approx(second[timeframe], rel=1e-12)


def test_a_minute_that_is_closed_already_changes_nothing() -> None:
    running = RunningBars(closed_until=10 * MINUTE_MS)

    assert running.update(Bar(9 * MINUTE_MS, 1, 1, 1, 1, 1)) == []
    assert running.update(Bar(9 * MINUTE_MS, 1, 1, 1, 1, 1, final=False)) == []


def test_time_that_passes_closes_bars_without_a_trade() -> None:
    running = RunningBars()
    running.update(Bar(at(2026, 8, 19, 7, 3), 1, 2, 0.5, 1.5, 4, final=False))

    closed = dict(running.pass_time(at(2026, 8, 19, 7, 15)))

    assert {timeframe for timeframe, bar in closed.items() if bar.final} == {
        Timeframe.M1,
        Timeframe.M3,
        Timeframe.M5,
        Timeframe.M15,
    }
    assert running.closed_until == at(2026, 8, 19, 7, 4)


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    sunday, monday, first = at(2026, 8, 30, 23, 59), at(2026, 8, 31), at(2026, 9, 1)
    bars = [Bar(ts, 1, 1, 1, 1, 1) for ts in (sunday, monday, first)]

    assert [bar.ts for bar in aggregated(bars, Timeframe.W1, first)] == [at(2026, 8, 24), monday]
    assert [bar.ts for bar in aggregated(bars, Timeframe.MONTH, first)] == [at(2026, 8, 1), first]
    assert [bar.final for bar in aggregated(bars, Timeframe.MONTH, first)] == [True, False]
