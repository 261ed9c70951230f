"""Idempotency-Key: one execution and one answer, whatever is sent how often at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from fullon.identity.model import Identity, Kind, Scope
from fullon.kernel.clock import ManualClock
from fullon.kernel.errors import Conflict, Unavailable
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from functions.auth.app import create as create_auth
from functions.orm.app import create as create_orm
from tests.api.callers import client, stored_identity, stored_key
from tests.api.idempotency_calls import (
    THINGS,
    Things,
    entries,
    kept,
    things_of_a_container,  # noqa: F401 - a fixture
)
from tests.identities import candles_database  # noqa: F401 - a fixture

BOTS = "/api/v1/orm/bots"
NOBODY = "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11"


@pytest.fixture
async def trader(container: Container) -> Identity:
    return await stored_identity(container)


async def test_an_anonymous_call_is_refused_and_its_key_ignored(things: Things, container: Container) -> None:
    answer = await things.call(None, "x" * 300)

    assert answer.status_code == 401
    assert await kept(container) == []


async def test_a_key_of_one_user_means_nothing_to_another(
    things: Things, trader: Identity, container: Container
) -> None:
    await things.call(trader)

    answer = await things.call(await stored_identity(container))

    assert (answer.status_code, answer.json()) == (201, {"number": 2})
    assert "idempotency-replayed" not in answer.headers


async def test_the_same_call_again_gets_the_same_answer(things: Things, trader: Identity, container: Container) -> None:
    things.headers = {"Location": "/somewhere"}
    first = await things.call(trader)

    second = await things.call(trader)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert (second.headers["location"], second.headers["content-type"]) == ("/somewhere", "application/json")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert (things.calls, await entries(container)) == (1, 1)


async def test_without_a_key_each_call_happens(things: Things, trader: Identity, container: Container) -> None:
    await things.call(trader, None)
    await things.call(trader, None)

    assert things.calls == 2
    assert await kept(container) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", BOTS, {"name": "two"}),
        ("POST", f"{BOTS}?a=b", {"name": "one"}),
        ("PUT", f"{BOTS}/{NOBODY}", {"name": "one"}),
        ("DELETE", f"{BOTS}/{NOBODY}", None),
    ],
)
async def test_a_key_of_another_request_is_refused(
    container: Container, trader: Identity, method: str, path: str, body: Any
) -> None:
    async with client(create_orm(container), trader, headers={"Idempotency-Key": "k"}) as http:
        made = await http.post(BOTS, json={"name": "one"})

        answer = await http.request(method, path, json=body)
        again = await http.post(f"{BOTS}/", json={"name": "one"})

    assert (made.status_code, answer.status_code) == (201, 422)
    assert answer.json()["code"] == "idempotency_key_reused"
    assert (again.status_code, again.json()) == (201, made.json())


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "tür"])
async def test_a_key_that_is_none_is_refused(things: Things, trader: Identity, key: str) -> None:
    async with client(things.app, trader) as http:
        answer = await http.post(THINGS, headers=[(b"idempotency-key", key.encode())])

    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_invalid"
    assert things.calls == 0


async def test_two_keys_in_one_call_are_refused(things: Things, trader: Identity) -> None:
    async with client(things.app, trader) as http:
        answer = await http.post(THINGS, headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")])

    assert answer.json()["code"] == "idempotency_key_invalid"


async def test_the_longest_key_is_taken(things: Things, trader: Identity) -> None:
    await things.call(trader, "x" * 255)

    answer = await things.call(trader, "x" * 255)

    assert answer.headers["idempotency-replayed"] == "true"


async def test_while_the_first_call_is_under_way_others_are_told_to_wait(things: Things, trader: Identity) -> None:
    things.go_on.clear()
    first = asyncio.create_task(things.call(trader))
    await things.entered.wait()

    second = await things.call(trader)
    things.go_on.set()

    assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_flight")
    assert int(second.headers["retry-after"]) >= 1
    assert (await first).status_code == 201
    assert (await things.call(trader)).headers["idempotency-replayed"] == "true"


async def test_of_sixty_calls_at_once_exactly_one_happens(settings: Settings, platform_database: str) -> None:
    roomy = Container(settings.model_copy(update={"db_pool_size": 20}))
    trader = await stored_identity(roomy)
    async with client(create_orm(roomy), trader, headers={"Idempotency-Key": "once"}) as http:
        answers = await asyncio.gather(*(http.post(BOTS, json={"name": "one"}) for _ in range(60)))

        statuses = sorted({answer.status_code for answer in answers})
        last = await http.post(BOTS, json={"name": "one"})
        listed = await http.get(BOTS)

    made = [answer for answer in answers if answer.status_code == 201]
    assert statuses in ([201], [201, 409])
    assert len([answer for answer in made if "idempotency-replayed" not in answer.headers]) == 1
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"idempotency_in_flight"}
    assert {answer.content for answer in made} == {last.content}
    assert len(listed.json()["items"]) == 1
    assert await entries(roomy) == 1
    await roomy.close()


@pytest.mark.parametrize("error", [Unavailable("Not now."), ZeroDivisionError()], ids=["503", "500"])
async def test_a_call_that_failed_before_it_changed_anything_frees_its_key(
    things: Things, trader: Identity, container: Container, error: Exception
) -> None:
    things.fails_before = error
    failed = await things.call(trader)
    assert failed.status_code >= 500
    assert await kept(container) == []

    things.fails_before = None
    answer = await things.call(trader)

    assert (answer.status_code, answer.json()) == (201, {"number": 2})


async def test_a_call_that_was_cancelled_frees_its_key(things: Things, trader: Identity, container: Container) -> None:
    things.go_on.clear()
    first = asyncio.create_task(things.call(trader))
    await things.entered.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    things.go_on.set()

    answer = await things.call(trader)

    assert answer.json() == {"number": 2}
    assert await entries(container) == 1


async def test_a_call_that_failed_after_its_change_does_not_happen_again(
    things: Things, trader: Identity, container: Container
) -> None:
    things.fails_after = ZeroDivisionError()
    assert (await things.call(trader)).status_code == 500

    things.fails_after = None
    answer = await things.call(trader)

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_answer_lost")
    assert (things.calls, await entries(container)) == (1, 1)


async def test_a_refusal_is_kept_like_any_answer(things: Things, trader: Identity) -> None:
    things.fails_before = Conflict("The name is taken.")
    first = await things.call(trader)
    things.fails_before = None

    second = await things.call(trader)

    assert (first.status_code, second.status_code) == (409, 409)
    assert second.json() == first.json()
    assert second.headers["content-type"] == "application/problem+json"


async def test_a_refusal_of_the_credential_is_not_kept(things: Things, trader: Identity, container: Container) -> None:
    key = await stored_key(container, Scope.READ)
    assert (await things.call(key)).status_code == 403

    assert await kept(container) == []


async def test_a_weaker_credential_does_not_get_the_answer_of_a_stronger_one(
    things: Things, trader: Identity, container: Container
) -> None:
    await things.call(trader)
    async with container.transaction() as connection:
        key = uuid4()
        await connection.execute(
            "INSERT INTO api_keys (id, uid, prefix, hash, name, scopes, created_at)"
            " VALUES ($1, $2, $3, '-', 'test', '{read}', now())",
            key,
            trader.user_id,
            key.hex,
        )
    weaker = replace(trader, kind=Kind.API_KEY, session=key, scopes=frozenset({Scope.READ}))

    answer = await things.call(weaker)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_session_that_has_ended_gets_no_kept_answer(
    things: Things, trader: Identity, container: Container
) -> None:
    await things.call(trader)
    async with container.transaction() as connection:
        await connection.execute("UPDATE sessions SET revoked_at = now() WHERE sid = $1", trader.session)
    await container.valkey.flushall()

    answer = await things.call(trader)

    assert answer.status_code == 401


async def test_an_answer_with_a_secret_is_shown_once_and_kept_nowhere(container: Container, trader: Identity) -> None:
    async with client(create_orm(container), trader, headers={"Idempotency-Key": "k"}) as http:
        made = await http.post("/api/v1/orm/api_keys/me", json={"name": "one", "scopes": ["read"]})

        again = await http.post("/api/v1/orm/api_keys/me", json={"name": "one", "scopes": ["read"]})

    assert made.status_code == 201
    assert (again.status_code, again.json()["code"]) == (409, "idempotency_shown_once")
    assert again.json()["answered"] == 201
    (record,) = await kept(container)
    assert (record["status"], record["body"]) == (201, None)
    assert made.json()["key"] not in repr(record)


async def test_answers_of_the_auth_function_are_not_kept(container: Container, trader: Identity) -> None:
    async with client(create_auth(container), trader, headers={"Idempotency-Key": "k"}) as http:
        made = await http.post("/api/v1/auth/ws-ticket")

        again = await http.post("/api/v1/auth/ws-ticket")

    assert made.status_code == 201
    assert (again.status_code, again.json()["code"]) == (409, "idempotency_shown_once")
    assert [record["body"] for record in await kept(container)] == [None]


async def test_the_key_itself_is_not_stored(things: Things, trader: Identity, container: Container) -> None:
    await things.call(trader, "a-very-telling-key")

    assert "telling" not in repr(await kept(container))


async def test_after_a_day_a_key_is_free_and_old_rows_are_removed(settings: Settings) -> None:
    clock = ManualClock(datetime.now(UTC))
    container = Container(settings, clock)
    things = Things(container)
    trader = await stored_identity(container, expires_at=datetime.now(UTC) + timedelta(days=9))
    await things.call(trader, "one")
    await things.call(trader, "two")

    clock.advance(24 * 3600 - 60)
    assert (await things.call(trader, "one")).headers["idempotency-replayed"] == "true"
    clock.advance(120)
    answer = await things.call(trader, "one")

    assert answer.json() == {"number": 3}
    assert len(await kept(container)) == 1
    await container.close()
