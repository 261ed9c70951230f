"""Public trades over HTTP: exact, in order, and none lost between pages."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from fullon.identity.model import Role
from fullon.runtime.container import Container
from functions.ohlcv.app import create
from tests.api.callers import client, stored_identity
from tests.market_builder import MONDAY, add_trades, listed, trade

Api = httpx2.AsyncClient
PATH = "/api/v1/ohlcv/trades/paper/BTC/USDT"


@pytest.fixture
async def api(container: Container) -> AsyncIterator[Api]:
    caller = await stored_identity(container, Role.VIEWER)
    async with client(create(container), caller) as api:
        yield api


async def test_the_anonymous_caller_sees_no_trades(container: Container) -> None:
    async with client(create(container)) as anonymous:
        answer = await anonymous.get(PATH)

    assert answer.status_code == 401


async def test_the_latest_trades_come_oldest_first_with_exact_strings(container: Container, api: Api) -> None:
    [symbol] = await listed(container, "BTC/USDT")
    await add_trades(
        container,
        symbol,
        [
            trade(MONDAY, "1"),
            trade(MONDAY + 138, "2", "0.000000000000000001", "1000000"),
            trade(MONDAY + 138, "10", "64210.50", "0.10000000"),
        ],
    )

    answer = await api.get(PATH, params={"limit": 2})

    assert answer.status_code == 200
    assert answer.json() == {
        "items": [
            {
                "id": "2",
                "time": "2026-08-03T00:00:00.138Z",
                "price": "0.000000000000000001",
                "amount": "1000000",
                "side": "buy",
            },
            {"id": "10", "time": "2026-08-03T00:00:00.138Z", "price": "64210.5", "amount": "0.1", "side": "buy"},
        ],
        "next_cursor": None,
        "exchange": "paper",
        "symbol": "BTC/USDT",
    }


async def test_trades_of_one_moment_are_not_torn_apart_between_pages(container: Container, api: Api) -> None:
    [symbol] = await listed(container, "BTC/USDT")
    ids = [str(number) for number in range(1, 26)]
    same_moment = [trade(MONDAY + 5, number) for number in ids[5:20]]
    others = [trade(MONDAY + int(number), number) for number in ids[:5]]
    later = [trade(MONDAY + 1_000 + int(number), number) for number in ids[20:]]
    await add_trades(container, symbol, [*later, *reversed(same_moment), *others])

    pages: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await api.get(f"{PATH}/range?start_time={MONDAY}&limit=4{cursor and f'&cursor={cursor}'}")
        pages.append([item["id"] for item in answer.json()["items"]])
        cursor = answer.json()["next_cursor"]

    assert [number for page in pages for number in page] == ids
    assert {len(page) for page in pages[:-1]} == {4}


async def test_a_range_includes_its_start_and_not_its_end(container: Container, api: Api) -> None:
    [symbol] = await listed(container, "BTC/USDT")
    await add_trades(container, symbol, [trade(MONDAY + number, str(number)) for number in range(10)])

    answer = await api.get(f"{PATH}/range", params={"start_time": MONDAY + 3, "end_time": MONDAY + 6})

    assert [item["id"] for item in answer.json()["items"]] == ["3", "4", "5"]


async def test_a_known_symbol_without_trades_is_an_empty_list_and_an_unknown_one_404(
    container: Container, api: Api
) -> None:
    await listed(container, "BTC/USDT")

    for path in (PATH, f"{PATH}/range?start_time=0"):
        assert (await api.get(path)).json()["items"] == []
    unknown = await api.get("/api/v1/ohlcv/trades/paper/BTC/EUR/range?start_time=0")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_symbol")


async def test_what_makes_no_sense_is_refused(container: Container, api: Api) -> None:
    await listed(container, "BTC/USDT")

    for query in ("limit=1001", "limit=0"):
        assert (await api.get(f"{PATH}?{query}")).status_code == 422
    for query in (
        "",
        "start_time=0&cursor=nonsense",
        "start_time=0&cursor=WzFd",
        "start_time=0&cursor=WyJhIiwxLCJiIl0",
        "start_time=0&cursor=Wzk5OTk5OTk5OTk5OTk5OTk5OTksMSwiYSJd",
    ):
        answer = await api.get(f"{PATH}/range?{query}")
        assert answer.status_code == 422, query
