"""Lists and refusals of the platform's own app, as the client gives them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from fullon.identity.model import Identity
from fullon.runtime.container import Container
from fullon_client import (
    AsyncClient,
    Client,
    NotAuthenticated,
    NotFound,
    NotValid,
    PlatformFailed,
    Retries,
    TooManyRequests,
    UnexpectedAnswer,
    bots,
    market,
    users,
)
from functions.orm.app import create
from tests.api.callers import as_behind_gateway, stored_identity
from tests.identities import candles_database  # noqa: F401 - a fixture

URL = "http://fullon.test"


def client_as(container: Container, caller: Identity | None) -> AsyncClient:
    return AsyncClient(URL, transport=httpx2.ASGITransport(as_behind_gateway(create(container), caller)))


@pytest.fixture
async def trader(container: Container) -> AsyncIterator[AsyncClient]:
    async with client_as(container, await stored_identity(container)) as client:
        yield client


async def test_a_list_is_read_page_by_page_and_no_further_than_it_is_used(trader: AsyncClient) -> None:
    made = [await trader.send(bots.create(f"bot {number}")) for number in range(5)]

    found = [bot async for bot in trader.each(bots.every(limit=2))]
    first = await trader.send(bots.every(limit=2))

    assert {bot.bot_id for bot in found} == {bot.bot_id for bot in made}
    assert len(found) == 5
    assert (len(first.items), first.next_cursor is None) == (2, False)


async def test_filters_that_have_no_argument_can_be_added(trader: AsyncClient) -> None:
    await trader.send(bots.create("one", active=True))
    await trader.send(bots.create("two"))

    found = [bot.name async for bot in trader.each(bots.every().with_parameters(active=True))]

    assert found == ["one"]


async def test_a_refusal_carries_all_that_the_platform_says(container: Container, trader: AsyncClient) -> None:
    with pytest.raises(NotValid) as invalid:
        await trader.request("POST", "/api/v1/orm/bots", body={"name": "x", "balance": "1"})
    with pytest.raises(NotFound) as missing:
        await trader.request("GET", "/api/v1/orm/bots/0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11")
    async with client_as(container, None) as stranger:
        with pytest.raises(NotAuthenticated):
            await stranger.send(users.me())

    assert "balance" in " ".join(invalid.value.fields)
    assert (invalid.value.status, missing.value.status) == (422, 404)
    assert missing.value.request_id
    assert str(missing.value) == (
        f"{missing.value.detail} (404 {missing.value.code}) [request {missing.value.request_id}]"
    )


async def test_request_reaches_what_has_no_name(trader: AsyncClient) -> None:
    made = await trader.request("POST", "/api/v1/orm/bots", body={"name": "raw"})
    listed = await trader.request("GET", "/api/v1/orm/bots", parameters={"active": False, "limit": 1})
    gone = await trader.request("DELETE", f"/api/v1/orm/bots/{made['bot_id']}")

    assert listed["items"] == [made]
    assert gone is None


def answered(answer: httpx2.Response) -> Client:
    return Client(URL, transport=httpx2.MockTransport(lambda request: answer), retries=Retries(attempts=1))


def test_an_error_page_of_something_between_is_a_failure_of_the_platform() -> None:
    with (
        answered(httpx2.Response(502, html="<h1>Bad gateway</h1>")) as client,
        pytest.raises(PlatformFailed) as failure,
    ):
        client.send(users.me())

    assert (failure.value.status, failure.value.code) == (502, "error")


def test_how_long_to_wait_is_told() -> None:
    problem = {"code": "too_many_requests", "detail": "Too many."}

    with (
        answered(httpx2.Response(429, json=problem, headers={"Retry-After": "7"})) as client,
        pytest.raises(TooManyRequests) as refusal,
    ):
        client.send(users.me())

    assert refusal.value.retry_after == 7


@pytest.mark.parametrize("body", [b"{", b'{"items": 3}', b"[]"])
def test_an_answer_that_is_not_as_promised_is_named(body: bytes) -> None:
    with (
        answered(httpx2.Response(200, content=body, headers={"content-type": "application/json"})) as client,
        pytest.raises(UnexpectedAnswer),
    ):
        client.send(bots.every())


def test_a_symbol_travels_as_path() -> None:
    assert market.candles("paper", "BTC/USD:BTC", "1m").path == "/api/v1/ohlcv/candles/paper/BTC/USD:BTC/1m"
    assert users.by_mail("a b?@example.com").path == "/api/v1/orm/users/by-email/a%20b%3F%40example.com"
