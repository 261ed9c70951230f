"""Balances and positions of exchange accounts in the cache: whose, how old, and what is said when there are none."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from fullon.identity.model import Identity, Role
from fullon.kernel.clock import ManualClock
from fullon.market import cache
from fullon.orders import account_cache
from fullon.orders.account_cache import AccountState
from fullon.runtime.container import Container
from functions.cache.app import create
from tests.api.callers import client, stored_identity
from tests.identities import (
    candles_database,  # noqa: F401 - a fixture
    without_valkey,
)
from tests.people import a_venue

NOW = datetime(2026, 8, 3, 2, 0, 0, tzinfo=UTC)
BALANCE = {"currency": "USDT", "free": "9874.25", "used": "125.75", "total": "10000"}
POSITION = {
    "symbol": "BTC/USDT",
    "side": "long",
    "volume": "0.25",
    "entry_price": "61250.5",
    "fees": "15.31",
    "mark": None,
    "unrealized": None,
    "opened_at": "2026-08-01T10:00:00Z",
}


@pytest.fixture
async def owner(container: Container) -> Identity:
    container.clock = ManualClock(NOW)
    return await somebody(container)


async def somebody(container: Container, role: Role = Role.TRADER) -> Identity:
    return await stored_identity(container, role, expires_at=NOW + timedelta(hours=1))


async def an_account(container: Container, owner: Identity, name: str = "main", *, age: float | None = 2) -> UUID:
    """An account that the daemon looked at so many seconds ago, or never."""
    ex_id = uuid4()
    async with container.transaction() as connection:
        if not await connection.fetchval("SELECT true FROM cat_exchanges WHERE name = 'paper'"):
            await a_venue(connection, "paper", "BTC/USDT")
        await connection.execute(
            "INSERT INTO exchanges (ex_id, uid, cat_ex_id, name, key_hint, sealed, data_key, master_key_id, created_at,"
            " updated_at) SELECT $1, $2, cat_ex_id, $3, 'abcd', '-', '-', 'test', now(), now() FROM cat_exchanges"
            " WHERE name = 'paper'",
            ex_id,
            owner.user_id,
            name,
        )
    if age is not None:
        at = NOW - timedelta(seconds=age)
        await account_cache.put(container.valkey, AccountState(ex_id, owner.user_id, [BALANCE], [POSITION], at))
    return ex_id


async def get(container: Container, caller: Identity | None, uid: object, what: str) -> tuple[int, Any]:
    async with client(create(container), caller) as api:
        answer = await api.get(f"/api/v1/cache/accounts/{uid}/{what}")
    return answer.status_code, answer.json()


@pytest.mark.parametrize("what", account_cache.PARTS)
async def test_the_anonymous_caller_is_refused_and_a_foreign_user_looks_at_nothing(
    container: Container, owner: Identity, what: str
) -> None:
    await an_account(container, owner)
    foreign = await somebody(container)

    assert (await get(container, None, owner.user_id, what))[0] == 401
    theirs = await get(container, foreign, owner.user_id, what)
    missing = await get(container, foreign, uuid4(), what)
    assert (theirs[0], theirs[1]["code"]) == (missing[0], missing[1]["code"]) == (404, "not_found")


@pytest.mark.parametrize("what", account_cache.PARTS)
async def test_the_owner_and_admins_see_each_account_with_its_age(
    container: Container, owner: Identity, what: str
) -> None:
    older = await an_account(container, owner, "older", age=7)
    newer = await an_account(container, owner, "newer", age=2)
    await an_account(container, owner, "never looked at", age=None)
    await an_account(container, await somebody(container))

    status, body = await get(container, owner, owner.user_id, what)
    as_admin = await get(container, await somebody(container, Role.ADMIN), owner.user_id, what)

    assert (status, body["age_ms"], body["as_of"]) == (200, 7_000, "2026-08-03T01:59:53Z")
    assert {(each["ex_id"], each["name"], each["age_ms"]) for each in body["items"]} == {
        (str(older), "older", 7_000),
        (str(newer), "newer", 2_000),
    }
    assert [each[what] for each in body["items"]] == [[BALANCE if what == "balances" else POSITION]] * 2
    assert as_admin == (200, body)


async def test_a_miss_a_bad_id_and_an_account_that_is_off(container: Container, owner: Identity) -> None:
    assert (await get(container, owner, owner.user_id, "balances"))[1]["code"] == "not_cached"
    assert (await get(container, owner, "nobody", "balances"))[0] == 422

    ex_id = await an_account(container, owner)
    async with container.transaction() as connection:
        await connection.execute("UPDATE exchanges SET active = false WHERE ex_id = $1", ex_id)

    assert (await get(container, owner, owner.user_id, "balances"))[0] == 404


async def test_an_entry_of_somebody_else_under_the_accounts_key_is_not_shown(
    container: Container, owner: Identity
) -> None:
    ex_id = await an_account(container, owner, age=None)
    await account_cache.put(container.valkey, AccountState(ex_id, uuid4(), [BALANCE], [], NOW))

    assert (await get(container, owner, owner.user_id, "balances"))[0] == 404


async def test_a_cache_that_is_down_is_503(container: Container, owner: Identity) -> None:
    await an_account(container, owner)
    lost = without_valkey(container.settings, ManualClock(NOW))
    try:
        status, body = await get(lost, owner, owner.user_id, "balances")
    finally:
        await lost.close()

    assert (status, body["code"]) == (503, "cache_down")


async def test_a_cache_that_does_not_answer_is_504(
    container: Container, owner: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    await an_account(container, owner)

    async def hang(*_: object) -> list[AccountState]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(account_cache, "read", hang)
    monkeypatch.setattr(cache, "COMMAND_SECONDS", 0.05)

    status, body = await get(container, owner, owner.user_id, "positions")

    assert (status, body["code"]) == (504, "cache_timed_out")
