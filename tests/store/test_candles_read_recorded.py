"""Recorded minutes of a thinly traded market, with hundreds of gaps, through everything that reads candles."""

from __future__ import annotations

import csv
import gzip
from itertools import pairwise
from pathlib import Path

import pytest

from fullon.kernel.clock import to_milliseconds
from fullon.kernel.timeframes import MINUTE_MS, Timeframe
from fullon.market import coverage, packed
from fullon.market.service import MarketData
from fullon.runtime.container import Container
from fullon.venues.quotes import Bar
from tests.market_builder import collected, recomputed

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "market" / "BTC-1m-with-gaps.csv.gz"

pytestmark = pytest.mark.skipif(not RECORDED.is_file(), reason="the recorded candles are not beside this checkout")


def recorded() -> list[Bar]:
    with gzip.open(RECORDED, "rt") as file:
        rows = [[float(text) for text in row] for row in list(csv.reader(file))[1:]]
    return [Bar(int(ts), opening, high, low, close, volume) for ts, opening, high, low, close, volume in rows]


async def test_recorded_candles_come_back_exactly_and_their_gaps_are_all_known(container: Container) -> None:
    bars = recorded()
    symbol = await collected(container, bars)
    market = MarketData(container.candles, container.connection, container.valkey)

    for timeframe in Timeframe:
        found: list[Bar] = []
        position: int | None = 0
        while position is not None:
            _, page = await market.between("paper", "BTC/USDT", timeframe, position, None, 5_000)
            found += [bar for chunk in page.stored for bar in packed.unpack(chunk)] + list(page.tail)
            position = page.next_start

        expected = recomputed(bars, timeframe)
        assert [(bar.ts, bar.open, bar.high, bar.low, bar.close) for bar in found] == [
            (bar.ts, bar.open, bar.high, bar.low, bar.close) for bar in expected
        ]
        assert [bar.volume for bar in found] == pytest.approx([bar.volume for bar in expected], rel=1e-12)

    holes = [(before.ts + MINUTE_MS, after.ts) for before, after in pairwise(bars) if after.ts - before.ts > MINUTE_MS]
    async with (await container.candles()).acquire() as connection:
        stored = (await coverage.coverage(connection, [symbol.symbol_id]))[symbol.symbol_id]
        total, latest = await coverage.gaps(connection, symbol.symbol_id)
    assert (total, stored.candles) == (len(holes), len(bars))
    assert stored.missing == sum((end - start) // MINUTE_MS for start, end in holes)
    assert [(to_milliseconds(gap.start), to_milliseconds(gap.end)) for gap in latest] == holes[: -len(latest) - 1 : -1]
