"""Figures of closed trades and equity curves, against the standard library and by hand."""

from __future__ import annotations

import math
import statistics
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullon.orders import performance
from fullon.orders.performance import Outcome

D = Decimal
amounts = st.decimals("-1000", "1000", places=2)
rates = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=60)


def test_figures_of_trades_by_hand() -> None:
    found = performance.of_trades([D(10), D(-4), D(0), D(6)])

    assert (found.trades, found.wins, found.losses, found.pnl) == (4, 2, 1, D(12))
    assert found.win_rate == 0.5
    assert found.profit_factor == 4.0
    assert found.expectancy == D(3)
    assert (found.best, found.worst) == (D(10), D(-4))


def test_what_the_trades_do_not_define_is_nothing_and_not_zero() -> None:
    nothing = performance.of_trades([])
    assert (nothing.win_rate, nothing.profit_factor, nothing.expectancy, nothing.best) == (None, None, None, None)
    assert performance.of_trades([D(5)]).profit_factor is None


@given(st.lists(amounts, min_size=1))
def test_profit_and_loss_add_up(profits: list[Decimal]) -> None:
    found = performance.of_trades(profits)

    assert found.gross_profit - found.gross_loss == found.pnl == sum(profits)


def test_days_without_a_trade_count_as_days() -> None:
    outcomes = [Outcome(D(3), datetime(2026, 1, 4, 23, tzinfo=UTC)), Outcome(D(1), datetime(2026, 1, 1, tzinfo=UTC))]

    assert performance.by_day([*outcomes, *outcomes]) == {
        date(2026, 1, 1): D(2),
        date(2026, 1, 2): D(0),
        date(2026, 1, 3): D(0),
        date(2026, 1, 4): D(6),
    }
    assert performance.by_day([]) == {}


def test_returns_are_on_what_the_capital_had_become() -> None:
    assert performance.returns([D(10), D(11), D(-121)], D(100)) == pytest.approx([0.1, 0.1, -1.0])
    assert performance.returns([D(-100), D(50)], D(100)) == [-1.0]


@given(rates)
def test_sharpe_is_mean_over_sample_deviation(daily: list[float]) -> None:
    found = performance.sharpe(daily)

    deviation = statistics.stdev(daily)
    if deviation < 1e-12:
        return
    assert found == pytest.approx(statistics.fmean(daily) / deviation * math.sqrt(365), rel=1e-6, abs=1e-9)


@given(rates)
def test_sortino_counts_only_the_falls_in_its_risk(daily: list[float]) -> None:
    found = performance.sortino(daily, annual=False)

    falls = [each for each in daily if each < 0]
    if not falls or max(abs(each) for each in falls) < 1e-9:
        return
    downside = math.sqrt(sum(each * each for each in falls) / len(daily))
    assert found == pytest.approx(statistics.fmean(daily) / downside, rel=1e-6, abs=1e-9)


def test_one_day_and_days_that_are_all_the_same_have_no_ratio() -> None:
    assert performance.sharpe([0.1]) is None
    assert performance.sharpe([0.0, 0.0, 0.0]) is None
    assert performance.sortino([0.1, 0.2, 0.3]) is None


def test_the_deepest_fall_by_hand() -> None:
    found = performance.max_drawdown([D(100), D(120), D(90), D(130), D(125)])

    assert found.amount == 30
    assert found.share == 0.25
    assert performance.max_drawdown([]).amount == 0
    assert performance.max_drawdown([D(-5), D(-10)]).share is None


@given(st.lists(amounts, min_size=1, max_size=40))
def test_no_two_points_fall_deeper_than_the_deepest_fall(curve: list[Decimal]) -> None:
    deepest = max(max(curve[: number + 1]) - value for number, value in enumerate(curve))

    assert performance.max_drawdown(curve).amount == deepest


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=200), st.sampled_from([0.9, 0.95, 0.99]))
def test_no_more_days_than_allowed_lose_more_than_the_value_at_risk(daily: list[float], confidence: float) -> None:
    found = performance.value_at_risk(daily, confidence)

    assert found is not None
    assert sum(-each > found for each in daily) <= (1 - confidence) * len(daily) + 1e-9


def test_a_loss_of_five_days_in_a_hundred_is_the_value_at_risk_of_ninety_five() -> None:
    daily = [-0.01 * number for number in range(1, 7)] + [0.01] * 94

    assert performance.value_at_risk(daily) == pytest.approx(0.01)
    assert performance.value_at_risk([]) is None
