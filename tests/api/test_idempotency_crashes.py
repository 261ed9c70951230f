"""Idempotency-Key: one execution, whatever crashes, pauses or is away meanwhile."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from fullon.identity.model import Identity
from fullon.kernel.clock import ManualClock
from fullon.runtime import kept_answers
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from tests.api.callers import stored_identity
from tests.api.idempotency_calls import (
    Things,
    entries,
    things_of_a_container,  # noqa: F401 - a fixture
)
from tests.identities import (
    candles_database,  # noqa: F401 - a fixture
    without_postgres,
)


class Crashed:
    """A call whose process died: its row is as it left it."""

    def __init__(self, settings: Settings) -> None:
        self.clock = ManualClock(datetime.now(UTC))
        self.container = Container(settings, self.clock)
        self.things = Things(self.container)

    async def claim(self, trader: Identity, *, took_effect: bool) -> None:
        await self.things.call(trader)
        async with self.container.transaction() as connection:
            await connection.execute(
                "UPDATE idempotency_keys SET status = NULL, headers = NULL, body = NULL, took_effect = $1", took_effect
            )

    async def later(self, trader: Identity) -> tuple[str, str]:
        """What the same call is told at once, and after the process has had its time."""
        at_once = await self.things.call(trader)
        self.clock.advance(kept_answers.CLAIMED_FOR.total_seconds() + 1)
        after = await self.things.call(trader)
        await self.container.close()
        return at_once.json().get("code", "done"), after.json().get("code", "done")


async def test_a_crash_before_the_change_frees_the_key_after_a_minute(settings: Settings) -> None:
    crashed = Crashed(settings)
    trader = await stored_identity(crashed.container)
    await crashed.claim(trader, took_effect=False)

    assert await crashed.later(trader) == ("idempotency_in_flight", "done")
    assert crashed.things.calls == 2


async def test_a_crash_after_the_change_never_lets_it_happen_twice(settings: Settings) -> None:
    crashed = Crashed(settings)
    trader = await stored_identity(crashed.container)
    await crashed.claim(trader, took_effect=True)

    assert await crashed.later(trader) == ("idempotency_in_flight", "idempotency_answer_lost")
    assert crashed.things.calls == 1


async def test_a_paused_call_whose_key_was_taken_over_changes_nothing(settings: Settings) -> None:
    clock = ManualClock(datetime.now(UTC))
    container = Container(settings, clock)
    things = Things(container)
    trader = await stored_identity(container)
    things.go_on.clear()
    paused = asyncio.create_task(things.call(trader))
    await things.entered.wait()
    clock.advance(kept_answers.CLAIMED_FOR.total_seconds() + 1)
    things.entered.clear()
    second = asyncio.create_task(things.call(trader))
    await things.entered.wait()

    things.go_on.set()
    answers = await asyncio.gather(paused, second)

    assert [answer.status_code for answer in answers] == [409, 201]
    assert answers[0].json()["code"] == "idempotency_in_flight"
    assert await entries(container) == 1
    assert (await things.call(trader)).json() == {"number": 2}
    await container.close()


async def test_without_postgresql_a_keyed_call_is_told_to_come_again(things: Things, settings: Settings) -> None:
    container = without_postgres(settings)
    lost = Things(container)
    there = Container(settings)
    caller = await stored_identity(there)
    await there.close()

    answer = await lost.call(caller)

    assert answer.status_code == 503
    assert lost.calls == 0
    await container.close()
