"""Figures of daily returns against empyrical, a library that others take them from."""

from __future__ import annotations

from decimal import Decimal

import empyrical
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fullon.orders import performance

YEAR = performance.DAYS_A_YEAR
#: Days of trading: returns that are not all so small that nothing but rounding is left of their deviation.
DAYS = st.lists(st.floats(-0.5, 0.5).map(lambda each: round(each, 6)), min_size=2, max_size=200)


@given(DAYS)
def test_sharpe_is_empyricals(daily: list[float]) -> None:
    assume(len(set(daily)) > 1)

    assert performance.sharpe(daily) == pytest.approx(
        empyrical.sharpe_ratio(np.array(daily), annualization=YEAR), rel=1e-6, abs=1e-9
    )


@given(DAYS)
def test_sortino_is_empyricals(daily: list[float]) -> None:
    assume(min(daily) < 0)

    assert performance.sortino(daily) == pytest.approx(
        empyrical.sortino_ratio(np.array(daily), annualization=YEAR), rel=1e-6, abs=1e-9
    )


@given(st.lists(st.integers(-9_999, 9_999).map(lambda each: Decimal(each) / 100), min_size=1, max_size=100))
def test_returns_are_the_changes_of_equity_that_empyrical_sees(profits: list[Decimal]) -> None:
    capital = Decimal(100_000)
    equity = np.array([float(capital + sum(profits[:count])) for count in range(len(profits) + 1)])

    found = performance.returns(profits, capital)

    assert found == pytest.approx(list(empyrical.simple_returns(equity)), rel=1e-9, abs=1e-12)


@given(DAYS)
def test_the_deepest_fall_is_empyricals_where_the_peak_before_it_is_the_same(daily: list[float]) -> None:
    """Ours is the deepest by amount and empyrical's by share: with one peak they are the same fall."""
    falls = [-abs(each) for each in daily]
    curve = [Decimal(100)]
    for each in falls:
        curve.append(curve[-1] * (1 + Decimal(str(each))))

    share = performance.max_drawdown(curve).share

    assert share == pytest.approx(-empyrical.max_drawdown(np.array(falls)), rel=1e-9, abs=1e-12)


@given(DAYS, st.sampled_from([0.9, 0.95, 0.99]))
def test_value_at_risk_is_the_observed_return_at_or_below_empyricals(daily: list[float], confidence: float) -> None:
    """empyrical interpolates between the two returns beside the quantile; ours is the one that was observed."""
    count = len(daily)
    found = performance.value_at_risk(daily, confidence)
    interpolated = max(0.0, -float(empyrical.value_at_risk(np.array(daily), 1 - confidence)))
    ordered = sorted(daily)
    position = int((1 - confidence) * count + 1e-9)
    beside = [max(0.0, -ordered[each]) for each in (max(position - 1, 0), min(position + 1, count - 1))]

    assert found is not None
    assert beside[1] - 1e-12 <= interpolated <= beside[0] + 1e-12
    assert beside[1] <= found <= beside[0]
