"""Budgets of users and keys: what is left stands in every answer, and a lost Valkey stops nobody."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis

from fullon.identity.model import Identity, Kind, Scope
from fullon.kernel.clock import SystemClock
from fullon.runtime.container import Container
from fullon.runtime.rate_limits import RateLimits, TooManyRequests
from fullon.runtime.settings import Settings
from functions.orm.app import create
from tests.api.callers import client, identity, stored_identity, stored_key
from tests.identities import (
    candles_database,  # noqa: F401 - a fixture
    without_valkey,
)

BOTS = "/api/v1/orm/bots"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other tests must not pass for a Valkey that is away."""
    monkeypatch.setattr("fullon.runtime.rate_limits.ANSWER_SECONDS", 30.0)


def limited(settings: Settings, **limits: int) -> Container:
    """The wiring with these limits, and none beside them."""
    off = dict.fromkeys(("user_reads", "user_writes", "key_reads", "key_writes"), 0)
    changes = {f"rate_limit_{name}": limit for name, limit in {**off, **limits}.items()}
    return Container(settings.model_copy(update=changes))


async def ask(app: FastAPI, caller: Identity | None, times: int = 1, method: str = "GET") -> list[httpx2.Response]:
    async with client(app, caller) as http:
        return [await http.request(method, BOTS, json={} if method == "POST" else None) for _ in range(times)]


def figures(answer: httpx2.Response) -> tuple[str, str, str]:
    return (
        answer.headers["ratelimit-limit"],
        answer.headers["ratelimit-remaining"],
        answer.headers["ratelimit-reset"],
    )


async def test_an_anonymous_call_is_counted_nowhere(settings: Settings) -> None:
    stores = limited(settings, user_reads=1)

    answers = await ask(create(stores), None, 3)

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert not any(name.startswith("ratelimit") for name in answers[0].headers)
    await stores.close()


async def test_a_spent_budget_refuses_with_the_time_to_wait(settings: Settings) -> None:
    stores = limited(settings, user_reads=3)
    trader = await stored_identity(stores)

    answers = await ask(create(stores), trader, 4)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [figures(answer)[:2] for answer in answers[:3]] == [("3", "2"), ("3", "1"), ("3", "0")]
    assert [figures(answer)[2] for answer in answers[:1]] == ["20"]
    assert 20 < int(figures(answers[2])[2]) <= 60
    refusal = answers[3]
    assert refusal.json()["code"] == "too_many_requests"
    assert 15 <= int(refusal.headers["retry-after"]) <= 20
    assert figures(refusal)[:2] == ("3", "0")
    assert refusal.headers["content-type"] == "application/problem+json"
    assert refusal.headers["x-request-id"] == refusal.json()["request_id"]
    await stores.close()


async def test_users_have_budgets_of_their_own(settings: Settings) -> None:
    stores = limited(settings, user_reads=1)
    app = create(stores)
    await ask(app, await stored_identity(stores), 2)

    (answer,) = await ask(app, await stored_identity(stores))

    assert answer.status_code == 200
    await stores.close()


async def test_reads_and_changes_have_budgets_of_their_own(settings: Settings) -> None:
    stores = limited(settings, user_reads=1, user_writes=2)
    trader = await stored_identity(stores)
    app = create(stores)
    await ask(app, trader, 2)

    answers = await ask(app, trader, 3, "POST")

    assert [answer.status_code for answer in answers] == [422, 422, 429]
    await stores.close()


async def test_a_key_has_a_budget_within_that_of_its_user(settings: Settings) -> None:
    stores = limited(settings, user_reads=3, key_reads=2)
    key = await stored_key(stores, Scope.READ)
    app = create(stores)

    spent = await ask(app, key, 3)
    other = replace(key, session=uuid4())
    rest = await ask(app, other, 2)

    assert [answer.status_code for answer in spent] == [200, 200, 429]
    assert [answer.headers["ratelimit-limit"] for answer in spent] == ["2", "2", "2"]
    # The refused call took nothing from the user either; the other key does not exist and is refused as such.
    assert [answer.status_code for answer in rest] == [401, 429]
    assert rest[1].headers["ratelimit-limit"] == "3"
    await stores.close()


async def test_a_login_is_not_counted_as_a_key(settings: Settings) -> None:
    stores = limited(settings, key_reads=1)
    trader = await stored_identity(stores)
    assert trader.kind is Kind.JWT

    answers = await ask(create(stores), trader, 3)

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert "ratelimit-limit" not in answers[0].headers
    await stores.close()


async def test_a_budget_fills_again_with_time(settings: Settings) -> None:
    stores = limited(settings, user_reads=20)  # one every three seconds: more slowly than any machine asks
    trader = await stored_identity(stores)
    app = create(stores)

    async def until(status: int) -> bool:
        for _ in range(5_000):
            (answer,) = await ask(app, trader)
            if answer.status_code == status:
                return True
            await asyncio.sleep(0.01)
        return False

    assert await until(429)
    assert await until(200)
    await stores.close()


async def test_calls_at_once_cannot_spend_more_than_there_is(settings: Settings, valkey: Redis) -> None:
    caller, limits = identity(), RateLimits(SystemClock())
    allowed = settings.model_copy(update={"rate_limit_user_reads": 10})

    async def take() -> bool:
        try:
            return await limits.take(valkey, allowed, caller, writes=False) is not None
        except TooManyRequests:
            return False

    taken = await asyncio.gather(*(take() for _ in range(200)))

    # One more comes back every six seconds, should this machine be that slow.
    assert 10 <= sum(taken) <= 15


async def test_a_valkey_that_has_forgotten_the_script_is_told_it_again(settings: Settings) -> None:
    stores = limited(settings, user_reads=10)
    trader = await stored_identity(stores)
    app = create(stores)
    await ask(app, trader)
    await stores.valkey.script_flush()

    (answer,) = await ask(app, trader)

    assert figures(answer)[:2] == ("10", "8")
    await stores.close()


async def test_nothing_stays_in_valkey_longer_than_the_budget_is_away(settings: Settings) -> None:
    stores = limited(settings, user_reads=60)
    trader = await stored_identity(stores)
    await ask(create(stores), trader, 3)

    left = await stores.valkey.pttl(f"limit:{{{trader.user_id}}}:reads")

    assert 0 < left <= 3_000
    await stores.close()


async def test_without_valkey_calls_pass_and_it_is_said_once(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    there = limited(settings)
    trader = await stored_identity(there)
    await there.close()
    stores = without_valkey(settings.model_copy(update={"rate_limit_user_reads": 1}))

    with caplog.at_level(logging.INFO, "fullon.rate_limits"):
        answers = await ask(create(stores), trader, 4)

    assert [answer.status_code for answer in answers] == [200] * 4
    assert len([record for record in caplog.records if record.name == "fullon.rate_limits"]) == 1
    await stores.close()
