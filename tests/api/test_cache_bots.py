"""What bots hold, over HTTP: the owner's alone, straight from Valkey, with its age."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from pydantic import SecretStr

from fullon.bots import cache, store
from fullon.bots.coordination import Coordination, Lease
from fullon.identity.model import Identity, Role, Scope
from fullon.kernel.clock import ManualClock, rfc3339
from fullon.runtime.container import Container
from functions.cache.app import create
from local.ports import free_port
from tests.api.callers import client, stored_identity, stored_key
from tests.people import a_venue, an_account

BASE = "/api/v1/cache/bots"
SYMBOL = "BTC/USD:BTC"
QUERY = {"exchange": "paper", "symbol": SYMBOL}


@dataclass
class Owner:
    """A trader with an account and a bot that may trade on it."""

    container: Container
    identity: Identity
    ex_id: UUID
    bot_id: UUID

    async def take(self, symbol: str = SYMBOL) -> Lease:
        coordination = Coordination(
            self.container.connection, self.container.valkey, self.container.clock, seconds=3_600
        )
        return await coordination.take(self.identity.user_id, self.bot_id, self.ex_id, symbol)

    async def another_bot(self, ex_id: UUID | None = None, *, active: bool = True) -> UUID:
        async with self.container.transaction() as connection:
            bot = await store.add(
                connection,
                self.container.clock,
                self.identity.user_id,
                name=f"bot {uuid4()}",
                active=active,
                dry_run=True,
                note="",
            )
            await store.add_exchange(
                connection, self.container.clock, self.identity.user_id, bot.bot_id, ex_id or self.ex_id
            )
        return bot.bot_id

    def api(self) -> httpx2.AsyncClient:
        return client(create(self.container), self.identity)


async def an_owner(container: Container) -> Owner:
    caller = await stored_identity(container)
    async with container.transaction() as connection:
        ex_id = await an_account(connection, caller.user_id)
    owner = Owner(container, caller, ex_id, uuid4())
    owner.bot_id = await owner.another_bot()
    return owner


@pytest.fixture
async def owner(container: Container) -> Owner:
    async with container.transaction() as connection:
        await a_venue(connection, "paper", SYMBOL, "ETH/USDT")
        await a_venue(connection, "elsewhere", SYMBOL)
    return await an_owner(container)


@pytest.fixture
async def api(owner: Owner) -> AsyncIterator[httpx2.AsyncClient]:
    async with owner.api() as api:
        yield api


async def test_the_anonymous_caller_reads_nothing(container: Container) -> None:
    async with client(create(container)) as anonymous:
        for path in (f"{uuid4()}/status", "blocks?exchange=paper&symbol=BTC/USDT"):
            assert (await anonymous.get(f"{BASE}/{path}")).status_code == 401, path


async def test_a_foreign_bot_answers_exactly_as_a_missing_one(owner: Owner, container: Container) -> None:
    await owner.take()
    foreign, admin = await stored_identity(container), await stored_identity(container, Role.ADMIN)

    for caller in (foreign, admin):
        async with client(create(container), caller) as api:
            others = await api.get(f"{BASE}/{owner.bot_id}/status")
            missing = await api.get(f"{BASE}/{uuid4()}/status")
            blocks = await api.get(f"{BASE}/blocks", params=QUERY)

        assert (others.status_code, others.json()["code"]) == (404, "bot_not_found")
        assert {**others.json(), "request_id": ""} == {**missing.json(), "request_id": ""}
        assert (blocks.status_code, blocks.json()["items"]) == (200, [])


async def test_a_key_that_may_only_read_is_enough(owner: Owner, container: Container) -> None:
    key = await stored_key(container, Scope.READ)

    async with client(create(container), key) as api:
        assert (await api.get(f"{BASE}/blocks", params=QUERY)).status_code == 200


async def test_a_symbol_that_a_bot_holds_is_shown_with_its_age(owner: Owner, api: httpx2.AsyncClient) -> None:
    lease = await owner.take()
    [block] = await cache.blocks(owner.container.valkey, [(owner.ex_id, SYMBOL)])
    owner.container.clock = ManualClock(block.renewed_at + timedelta(milliseconds=1500))

    answer = await api.get(f"{BASE}/blocks", params={"exchange": "PAPER", "symbol": SYMBOL})

    shown = {
        "bot_id": str(owner.bot_id),
        "ex_id": str(owner.ex_id),
        "account": "main",
        "exchange": "paper",
        "symbol": SYMBOL,
        "fence": lease.fence,
        "since": rfc3339(block.since),
        "renewed_at": rfc3339(block.renewed_at),
        "expires_at": rfc3339(block.renewed_at + timedelta(hours=1)),
    }
    assert answer.status_code == 200
    assert answer.json() == {
        "exchange": "paper",
        "symbol": SYMBOL,
        "items": [shown],
        "next_cursor": None,
        "as_of": rfc3339(block.renewed_at),
        "age_ms": 1500,
    }
    status = (await api.get(f"{BASE}/{owner.bot_id}/status")).json()
    assert status == {
        "bot_id": str(owner.bot_id),
        "status": "trading",
        "dry_run": True,
        "blocks": [shown],
        "as_of": rfc3339(block.renewed_at),
        "age_ms": 1500,
    }


async def test_blocks_are_those_of_the_symbol_and_the_exchange(owner: Owner, api: httpx2.AsyncClient) -> None:
    async with owner.container.transaction() as connection:
        second = await an_account(connection, owner.identity.user_id, "second")
        other_exchange = await an_account(connection, owner.identity.user_id, exchange="elsewhere")
    beside = Owner(owner.container, owner.identity, second, await owner.another_bot(second))
    elsewhere = Owner(owner.container, owner.identity, other_exchange, await owner.another_bot(other_exchange))
    await owner.take()
    await owner.take("ETH/USDT")
    await beside.take()
    await elsewhere.take()
    await (await an_owner(owner.container)).take()

    body = (await api.get(f"{BASE}/blocks", params=QUERY)).json()

    assert {(item["account"], item["bot_id"]) for item in body["items"]} == {
        ("main", str(owner.bot_id)),
        ("second", str(beside.bot_id)),
    }


async def test_a_bot_shows_what_it_holds_and_not_what_others_hold(owner: Owner, api: httpx2.AsyncClient) -> None:
    beside = Owner(owner.container, owner.identity, owner.ex_id, await owner.another_bot())
    await owner.take()
    await beside.take("ETH/USDT")

    body = (await api.get(f"{BASE}/{beside.bot_id}/status")).json()

    assert [(item["bot_id"], item["symbol"]) for item in body["blocks"]] == [(str(beside.bot_id), "ETH/USDT")]


async def test_the_status_says_whether_a_bot_is_on_and_whether_it_holds(owner: Owner, api: httpx2.AsyncClient) -> None:
    off = await owner.another_bot(active=False)
    lease = await owner.take()

    async def said(bot_id: UUID) -> str:
        return str((await api.get(f"{BASE}/{bot_id}/status")).json()["status"])

    holds = await said(owner.bot_id)
    async with owner.container.transaction() as connection:
        await store.change(connection, owner.container.clock, owner.identity.user_id, owner.bot_id, {"active": False})
    switched_off = await said(owner.bot_id)
    await Coordination(owner.container.connection, owner.container.valkey, owner.container.clock).release(lease)

    assert (holds, switched_off, await said(owner.bot_id)) == ("trading", "ending", "off")
    assert (await said(off), await said(await owner.another_bot())) == ("off", "idle")


async def test_where_nobody_trades_is_an_answer_of_this_moment(owner: Owner, api: httpx2.AsyncClient) -> None:
    lease = await owner.take()
    await Coordination(owner.container.connection, owner.container.valkey, owner.container.clock).release(lease)

    for path in (f"{BASE}/blocks?exchange=paper&symbol={SYMBOL}", f"{BASE}/{owner.bot_id}/status"):
        body = (await api.get(path)).json()

        assert body.get("items", body.get("blocks")) == []
        assert body["age_ms"] == 0


async def test_what_the_catalogue_does_not_have_is_404(api: httpx2.AsyncClient) -> None:
    no_exchange = await api.get(f"{BASE}/blocks", params={**QUERY, "exchange": "papre"})
    no_symbol = await api.get(f"{BASE}/blocks", params={**QUERY, "symbol": "BTC/USDX"})

    assert (no_exchange.status_code, no_exchange.json()["code"]) == (404, "unknown_exchange")
    assert (no_symbol.status_code, no_symbol.json()["code"]) == (404, "unknown_symbol")


@pytest.mark.parametrize(
    "path", ["no-id/status", "blocks", "blocks?exchange=paper", "blocks?exchange=paper&symbol=%00", "blocks?symbol=x"]
)
async def test_a_bad_parameter_is_422(path: str, api: httpx2.AsyncClient) -> None:
    assert (await api.get(f"{BASE}/{path}")).status_code == 422


def beside(container: Container, port: int) -> Container:
    """The same stores, but for another Valkey."""
    return Container(container.settings.model_copy(update={"redis_url": SecretStr(f"redis://127.0.0.1:{port}/0")}))


async def test_a_cache_that_is_down_is_503(owner: Owner) -> None:
    await owner.take()
    broken = beside(owner.container, free_port())

    async with client(create(broken), owner.identity) as api:
        for path in (f"{BASE}/blocks?exchange=paper&symbol={SYMBOL}", f"{BASE}/{owner.bot_id}/status"):
            answer = await api.get(path)

            assert (answer.status_code, answer.json()["code"]) == (503, "cache_down"), path
            assert answer.headers["retry-after"]
    await broken.close()


async def test_a_cache_that_does_not_answer_is_504(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silence(stream: Any, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)
        writer.close()

    await owner.take()
    server = await asyncio.start_server(silence, "127.0.0.1", 0)
    monkeypatch.setattr("fullon.market.cache.COMMAND_SECONDS", 0.2)
    silent = beside(owner.container, server.sockets[0].getsockname()[1])

    async with client(create(silent), owner.identity) as api:
        answer = await api.get(f"{BASE}/{owner.bot_id}/status")

    assert (answer.status_code, answer.json()["code"]) == (504, "cache_timed_out")
    await silent.close()
    server.close()
