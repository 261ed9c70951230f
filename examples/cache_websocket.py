"""Cache WebSocket: tickers, bars and trades as they change, on one connection."""

from __future__ import annotations

import asyncio
from collections import Counter

from examples.stage import EXCHANGE, PATIENCE_SECONDS, SYMBOL, Stage, Surprise, expect, play, say
from fullon_client import Gap, Problem, Topic, Value, cache

WANTED = {"tickers": 5, "ohlcv": 3, "trades": 3}


async def script(stage: Stage) -> None:
    """Subscribe to three channels and watch until each has said enough."""
    with stage.client() as admin:
        await asyncio.to_thread(stage.collect, admin)
    client = await stage.async_client()
    async with client:
        seen: Counter[str] = Counter()
        last: dict[tuple[str, str], int] = {}
        topics = [
            Topic("tickers", EXCHANGE, [SYMBOL]),
            Topic("ohlcv", EXCHANGE, [SYMBOL], timeframe="1m"),
            Topic("trades", EXCHANGE, [SYMBOL]),
        ]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), client.subscribe(*topics, on_notice=say) as events:
                async for event in events:
                    if isinstance(event, Gap):
                        raise Surprise(f"A gap on a quiet machine: {event}.")
                    _check(event, last)
                    seen[event.channel] += 1
                    if seen[event.channel] <= 2:
                        say(f"{'=' if event.is_snapshot else '+'} {event.channel} {event.key} {str(event.data)[:90]}")
                    if all(seen[channel] >= count for channel, count in WANTED.items()):
                        break
        except TimeoutError as error:
            raise Surprise(f"Too little was pushed: {dict(seen)}.") from error
        expect(True, f"each began with a snapshot and went on without a gap: {dict(seen)}")

        stored = await client.send(cache.ticker(EXCHANGE, SYMBOL))
        expect(stored.price > 0, f"the same can be asked for: {stored.price}, {stored.age_ms} ms old")
        try:
            async with client.subscribe(Topic("tickers", EXCHANGE, ["NO/SUCH"])) as events:
                async for _ in events:
                    break
        except Problem as problem:
            expect("NO/SUCH" in problem.detail, f"what is not there is refused: “{problem.detail}”")
        else:
            raise Surprise("A symbol that does not exist was subscribed to.")


def _check(event: Value, last: dict[tuple[str, str], int]) -> None:
    stream = (event.channel, event.key)
    before = last.get(stream)
    if before is None and not event.is_snapshot:
        raise Surprise(f"{event.key} did not begin with a snapshot.")
    if before is not None and not event.is_snapshot and event.sequence != before + 1:
        raise Surprise(f"{event.key} went from {before} to {event.sequence}.")
    last[stream] = event.sequence


if __name__ == "__main__":
    play(script)
