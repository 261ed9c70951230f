"""Load test: many readers at once for a few seconds; percentiles, throughput, and every error counted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

from examples.stage import EXCHANGE, SYMBOL, Stage, expect, play, say, show
from fullon_client import AsyncClient, Problem, Retries, Unreachable, cache, health, market, users
from fullon_client.calls import Call

READERS = 8
SECONDS = 4.0


async def script(stage: Stage) -> None:
    """Readers of four operations, without retries, so that nothing is hidden."""
    with stage.client() as admin:
        await asyncio.to_thread(stage.collect, admin)
    operations: dict[str, Call[Any]] = {
        "ready": health.ready(),
        "me": users.me(),
        "ticker": cache.ticker(EXCHANGE, SYMBOL),
        "500 candles": market.candles(EXCHANGE, SYMBOL, "1m", limit=500),
    }
    taken: dict[str, list[float]] = {name: [] for name in operations}
    errors: Counter[str] = Counter()
    client = AsyncClient(stage.url, retries=Retries(attempts=1))
    async with client:
        await client.log_in(stage.mail, stage.password)
        for call in operations.values():  # the first of each may start a worker
            await client.send(call)
        end = time.monotonic() + SECONDS
        await asyncio.gather(*(_read(client, operations, taken, errors, end, number) for number in range(READERS)))

    show(
        ["operation", "answers", "per second", "p50", "p90", "p99", "longest"],
        [
            [
                name,
                len(times),
                f"{len(times) / SECONDS:.0f}",
                *(f"{_percentile(times, p):.1f} ms" for p in (50, 90, 99, 100)),
            ]
            for name, times in taken.items()
        ],
    )
    show(["error", "how often"], sorted(errors.items()) or [["none", 0]])
    refused = sum(count for name, count in errors.items() if name.startswith("429"))
    if refused:
        say(f"{refused} were refused because the caller's budget is spent; that is the budget, not a failure")
    expect(all(taken.values()), f"{READERS} readers were answered on every operation for {SECONDS:.0f} s")
    expect(not [name for name in errors if not name.startswith("429")], "nothing failed")


async def _read(
    client: AsyncClient,
    operations: dict[str, Call[Any]],
    taken: dict[str, list[float]],
    errors: Counter[str],
    end: float,
    number: int,
) -> None:
    names = list(operations)
    while time.monotonic() < end:
        name = names[number % len(names)]
        number += 1
        began = time.perf_counter()
        try:
            await client.send(operations[name])
        except Problem as problem:
            errors[f"{problem.status} {problem.code} ({name})"] += 1
        except Unreachable as error:
            errors[f"{'not in time' if error.timed_out else 'no connection'} ({name})"] += 1
        else:
            taken[name].append((time.perf_counter() - began) * 1000)


def _percentile(times: list[float], percent: float) -> float:
    """The nearest rank."""
    ordered = sorted(times)
    return ordered[max(0, -(-len(ordered) * int(percent) // 100) - 1)] if ordered else 0.0


if __name__ == "__main__":
    play(script)
