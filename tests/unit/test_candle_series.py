"""Live bars of a symbol between a stream, a list and a store that know different things at different times."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fullon.kernel.timeframes import MINUTE_MS, Timeframe
from fullon.market.candle_series import CandleSeries
from fullon.market.recent_bars import RecentBars
from fullon.market.running_bars import aggregated
from fullon.venues.model import Symbol
from fullon.venues.quotes import Bar

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SYMBOL = Symbol(
    symbol_id=1,
    cat_ex_id=1,
    exchange="paper",
    symbol="BTC/USDT",
    base="BTC",
    quote="USDT",
    settle=None,
    futures=False,
    price_decimals=2,
    quantity_decimals=5,
    tick_size=None,
    step_size=None,
    min_quantity=None,
    min_notional=None,
    updateframe="1m",
    backtest=1,
    only_ticker=False,
    active=True,
    created_at=EPOCH,
    updated_at=EPOCH,
)


def minute(number: int, close: float | None = None, *, final: bool = True) -> Bar:
    """Minute ``number`` since the epoch."""
    price = float(100 + number)
    close = price if close is None else close
    return Bar(number * MINUTE_MS, price, max(price, close), min(price, close), close, 1.0, final)


def stored(*minutes: Bar, since: int = 0) -> RecentBars:
    """What the store says of these minutes: bars that hold minute ``since`` and later ones."""
    until = minutes[-1].ts + MINUTE_MS
    final, parts = {}, {}
    for timeframe in Timeframe:
        bars = aggregated(minutes, timeframe, until)
        if not bars[-1].final:
            parts[timeframe] = bars.pop()
        final[timeframe] = [bar for bar in bars if bar.ts >= timeframe.floor(since * MINUTE_MS)]
    return RecentBars(final, parts, until)


@pytest.fixture
def series() -> CandleSeries:
    """A series that knows minutes 0 to 2 and whose minute 3 runs."""
    series = CandleSeries(SYMBOL)
    series.restart(stored(minute(0), minute(1), minute(2)), announce=False)
    series.take(minute(3, final=False))
    series.take_pending()
    return series


def said(series: CandleSeries, timeframe: Timeframe) -> list[tuple[int, float, bool]]:
    """Minute, close and whether final, of the bars to be announced."""
    return [(bar.ts // MINUTE_MS, bar.close, bar.final) for frame, bar in series.take_pending() if frame is timeframe]


def test_a_minute_that_the_list_closes_before_the_stream_does_is_final_once(series: CandleSeries) -> None:
    listed = minute(3)
    assert series.learn({listed.ts: listed}, [listed.ts]) is None
    assert said(series, Timeframe.M1) == [(3, 103.0, True)]
    series.take(minute(3))
    series.take(minute(4, final=False))
    assert said(series, Timeframe.M1) == [(4, 104.0, False)]


def test_a_minute_that_the_stream_closed_is_no_news_when_the_list_has_it(series: CandleSeries) -> None:
    series.take(minute(3))
    series.take_pending()
    assert series.learn({minute(3).ts: minute(3)}, [minute(3).ts]) is None
    assert series.take_pending() == []


def test_a_minute_that_the_list_tells_otherwise_begins_the_bars_anew(series: CandleSeries) -> None:
    series.take(minute(3))
    other = minute(3, close=50.0)
    assert series.learn({other.ts: other}, [other.ts]) == other.ts


def test_a_minute_that_the_stream_left_out_begins_the_bars_anew() -> None:
    series = CandleSeries(SYMBOL)
    series.restart(stored(minute(0)), announce=False)
    series.take(minute(2, final=False))
    assert series.learn({minute(1).ts: minute(1)}, [minute(1).ts]) == minute(1).ts


def test_minutes_that_the_stream_closed_while_the_store_was_read_are_kept_and_not_said_again(
    series: CandleSeries,
) -> None:
    for number in (3, 4, 5):
        series.take(minute(number))
    series.take(minute(6, final=False))
    assert said(series, Timeframe.M3) == [(3, 105.0, True), (6, 106.0, False)]

    series.restart(stored(*(minute(number) for number in range(4)), since=3), announce=True)
    assert said(series, Timeframe.M3) == [(6, 106.0, False)]
    series.take(minute(6))
    series.take(minute(7))
    series.take(minute(8))
    five = [bar for timeframe, bar in series.take_pending() if timeframe is Timeframe.M5]
    assert [(bar.ts // MINUTE_MS, bar.open, bar.volume) for bar in five] == [(5, 105.0, 4.0)]


def test_what_was_to_be_announced_is_announced_although_the_bars_begin_anew(series: CandleSeries) -> None:
    series.take(minute(3))
    series.restart(stored(*(minute(number) for number in range(4)), since=3), announce=True)
    assert (3, 103.0, True) in said(series, Timeframe.M1)


def test_a_correction_is_said_with_every_bar_that_follows_it(series: CandleSeries) -> None:
    for number in (3, 4):
        series.take(minute(number))
    series.take_pending()
    corrected = stored(minute(0), minute(1), minute(2), minute(3, close=50.0), minute(4), since=3)
    series.restart(corrected, announce=True)
    assert said(series, Timeframe.M1) == [(3, 50.0, True), (4, 104.0, True)]
