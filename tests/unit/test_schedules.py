"""When scheduled functions run: shortly after the start, then at their interval, whatever became of the run before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from fullon.kernel.clock import ManualClock
from fullon.runtime import schedules
from fullon.runtime.manifest import Function

KEEPER = Function("keeper", "schedule", "a.b", "Keeps", 512, 60, schedule="rate(5 minutes)")
OTHER = Function("other", "task", "a.b", "Is asked", 512, 60)


class Runs:
    """Counts runs on a clock that stands still but for the sleeps, which it records."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, stop_after: int, takes: float = 0.0) -> None:
        self.clock = ManualClock(datetime(2026, 1, 5, tzinfo=UTC))
        self.events: list[tuple[float, str, Mapping[str, Any]]] = []
        self._stop_after = stop_after
        self._takes = takes

        async def sleep(seconds: float) -> None:
            self.clock.advance(seconds)

        monkeypatch.setattr(asyncio, "sleep", sleep)

    async def invoke(self, name: str, event: Mapping[str, Any]) -> None:
        self.events.append((self.clock.monotonic(), name, event))
        if len(self.events) == self._stop_after:
            raise asyncio.CancelledError
        self.clock.advance(self._takes)
        raise RuntimeError("this run fails")

    async def run(self) -> list[float]:
        task = asyncio.create_task(
            schedules.run((OTHER, KEEPER), self.invoke, self.clock, region="us-east-1", account_id="0", first_after=7.0)
        )
        await asyncio.wait({task})
        return [moment for moment, _, _ in self.events]


async def test_runs_come_at_the_interval_even_after_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(monkeypatch, stop_after=3, takes=20.0)

    moments = await runs.run()

    assert moments == [7.0, 307.0, 607.0]
    assert {name for _, name, _ in runs.events} == {"keeper"}
    assert len({event["id"] for _, _, event in runs.events}) == 3


async def test_runs_that_take_too_long_are_not_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = Runs(monkeypatch, stop_after=3, takes=1_000.0)

    moments = await runs.run()

    assert moments == [7.0, 1_007.0, 2_007.0]
