"""OHLCV queries: the latest candles, ranges in pages, charts without holes, longer bars, files."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from itertools import pairwise

from examples.stage import EXCHANGE, SYMBOL, Stage, expect, expect_problem, play, show
from fullon_client import market


def script(stage: Stage) -> None:
    """Every way to ask for candles."""
    with stage.client() as client:
        stage.collect(client)
        latest = client.send(market.candles(EXCHANGE, SYMBOL, "1m", limit=5)).items
        show(
            ["time", "open", "high", "low", "close", "volume", "final"],
            [[c.time, c.open, c.high, c.low, c.close, c.volume, c.final] for c in latest],
        )
        expect(all(a.time < b.time for a, b in pairwise(latest)), "the oldest comes first")
        expect(all(candle.low <= candle.open <= candle.high for candle in latest), "open is between low and high")

        hours = client.send(market.candles(EXCHANGE, SYMBOL, "1h", limit=3)).items
        whole = hours[-2]
        end = whole.time + timedelta(hours=1)
        minutes = list(client.each(market.candle_range(EXCHANGE, SYMBOL, "1m", whole.time, end, limit=25)))
        expect(len(minutes) == 60, "an hour has sixty minutes, read in pages of 25")
        expect(
            (whole.open, whole.close) == (minutes[0].open, minutes[-1].close)
            and whole.high == max(minute.high for minute in minutes)
            and whole.low == min(minute.low for minute in minutes),
            f"the hour from {whole.time:%H:%M} is made of its minutes exactly",
        )

        chart = market.timeseries(
            EXCHANGE, SYMBOL, "5m", start_time=whole.time, end_time=end, fill="previous", limit=100
        )
        points = list(client.each(chart))
        expect(len(points) == 12, "a chart of five-minute bars has twelve for the hour, filled where nothing traded")

        text = client.send(market.export(EXCHANGE, SYMBOL, "1m", start_time=whole.time, end_time=end, format="csv"))
        rows = list(csv.DictReader(io.StringIO(text if isinstance(text, str) else text.decode())))
        expect(len(rows) == 60, f"the same as a file, with the columns {', '.join(rows[0])}")
        trades = client.send(market.trades(EXCHANGE, SYMBOL, limit=3)).items
        expect(len(trades) == 3, f"public trades are kept too: {trades[-1].amount} at {trades[-1].price}")

        status = next(s for s in client.each(market.status(EXCHANGE)) if s.symbol == SYMBOL)
        expect(status.candles > 1000, f"{status.candles} minutes are stored, from {status.first_candle}")
        expect_problem(
            lambda: client.send(market.candles(EXCHANGE, SYMBOL, "7m")), 422, "there are no bars of 7 minutes"
        )
        expect_problem(lambda: client.send(market.candles(EXCHANGE, "NO/SUCH", "1m")), 404, "nor a symbol NO/SUCH")


if __name__ == "__main__":
    play(script)
