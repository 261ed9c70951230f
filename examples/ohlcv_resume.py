"""OHLCV resume: the collector is stopped for a while; afterwards there is neither a gap nor a duplicate.

At the speed of the clock this takes some minutes, since minutes must pass without the collector.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from examples.stage import EXCHANGE, SYMBOL, Stage, expect, play, say, wait_until
from fullon_client import Client, cache, market, services

OUTAGE = timedelta(minutes=2)
AT_CLOCK_SPEED_SECONDS = 600.0


def script(stage: Stage) -> None:
    """Stop, let time pass at the venue, start, and count."""
    with stage.client() as admin:
        stage.collect(admin)
        before = newest(admin)
        admin.send(services.stop("ohlcv"))
        try:
            wait_until(lambda: admin.send(services.status("ohlcv")).running == 0, "the collector has stopped")
            stopped_at = newest(admin)
            wait_until(
                lambda: venue_time(admin) >= stopped_at + OUTAGE + timedelta(minutes=1),
                f"{OUTAGE} have passed at the venue",
                AT_CLOCK_SPEED_SECONDS,
            )
            expect(newest(admin) == stopped_at, f"no candle came after {stopped_at:%H:%M}")
        finally:
            admin.send(services.start("ohlcv"))
        wait_until(lambda: newest(admin) > stopped_at + OUTAGE, "it has caught up", AT_CLOCK_SPEED_SECONDS)

        end = newest(admin)
        start = before - timedelta(minutes=5)
        times = [
            candle.time for candle in admin.each(market.candle_range(EXCHANGE, SYMBOL, "1m", start, end, limit=1000))
        ]
        wanted = [start + timedelta(minutes=number) for number in range((end - start) // timedelta(minutes=1))]
        say(f"{len(times)} minutes from {start:%H:%M} to {end:%H:%M}")
        expect(times == wanted, "every minute is there, once")


def newest(client: Client) -> datetime:
    """The newest minute that is over."""
    candles = client.send(market.candles(EXCHANGE, SYMBOL, "1m", limit=2)).items
    return next(candle.time for candle in reversed(candles) if candle.final)


def venue_time(client: Client) -> datetime:
    """The venue's clock, as the last ticker has it."""
    return client.send(cache.ticker(EXCHANGE, SYMBOL)).time


if __name__ == "__main__":
    play(script)
