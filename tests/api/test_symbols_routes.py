"""Symbols over the API: anybody finds them, admins enter and change them."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from fullon.identity.model import Role
from fullon.runtime.container import Container
from fullon.runtime.pages import encode_cursor
from fullon.venues.model import CATALOGUE_CHANNEL
from functions.orm.app import create
from local.ports import free_port
from tests.api.callers import client, stored_identity
from tests.api.symbols_calls import NEW, PREFIX, calls_of_a_viewer, calls_of_an_admin, container_with_venues  # noqa: F401 - a fixture


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/by-exchange?cat_ex_id=1"),
        ("GET", "/search?q=btc"),
        ("GET", "/decimals?symbol=BTC/USDT"),
        ("POST", ""),
        ("PATCH", "/1"),
        ("POST", "/sync?cat_ex_id=1"),
    ],
)
async def test_the_anonymous_are_refused(method: str, path: str, seeded: Container) -> None:
    async with client(create(seeded)) as anonymous:
        answer = await anonymous.request(method, PREFIX + path, json={})

    assert answer.status_code == 401


@pytest.mark.parametrize("role", [Role.VIEWER, Role.TRADER])
async def test_only_admins_change_the_catalogue(role: Role, seeded: Container) -> None:
    async with client(create(seeded), await stored_identity(seeded, role)) as caller:
        answers = [
            await caller.post(PREFIX, json=NEW),
            await caller.patch(f"{PREFIX}/1", json={"active": False}),
            await caller.post(f"{PREFIX}/sync", params={"cat_ex_id": 1}),
        ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]


async def test_a_symbol_is_entered_and_found_and_registered_for_its_candles(
    admin: httpx2.AsyncClient, seeded: Container
) -> None:
    answer = await admin.post(PREFIX, json=NEW)

    symbol = answer.json()
    assert answer.status_code == 201
    assert {name: symbol[name] for name in ("symbol", "base", "quote", "tick_size", "min_notional", "backtest")} == {
        "symbol": "DOGE/USDT",
        "base": "DOGE",
        "quote": "USDT",
        "tick_size": "0.00001",
        "min_notional": "5",
        "backtest": 30,
    }
    assert not {"base_asset", "quote_asset"} & symbol.keys()
    async with seeded.candle_transaction() as connection:
        name = await connection.fetchval("SELECT symbol FROM series WHERE series_id = $1", symbol["symbol_id"])
    assert name == "DOGE/USDT"
    again = await admin.post(PREFIX, json=NEW)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("name", "base", "quote", "settle"),
    [
        ("XRP/USDT", "XRP", "USDT", None),
        ("BTC/USD:BTC", "BTC", "USD", "BTC"),
        ("ETH/USD:USDC-261225", "ETH", "USD", "USDC"),
    ],
)
async def test_base_quote_and_settlement_follow_from_the_name(
    name: str, base: str, quote: str, settle: str | None, admin: httpx2.AsyncClient
) -> None:
    answer = await admin.post(PREFIX, json={"cat_ex_id": 1, "symbol": name})

    symbol = answer.json()
    assert (symbol["base"], symbol["quote"], symbol["settle"]) == (base, quote, settle)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tick_size": 0.01},
        {"tick_size": "0"},
        {"tick_size": "NaN"},
        {"min_quantity": "-1"},
        {"price_decimals": 19},
        {"symbol": "BTC USDT"},
        {"symbol": "/USDT", "base_asset": None},
        {"updateframe": "7m"},
        {"backtest": -1},
        {"symbol_id": 5},
        {"cat_ex_id": 2**31},
        {"tick_size": 10**20},
        {"step_size": "0.0000000000000000001"},
        {"min_notional": "1e20"},
        {"settle": "A:B"},
        {"symbol": "A/B/C", "quote_asset": None},
        {"base": "DOGE", "base_asset": "SHIB"},
    ],
    ids=str,
)
async def test_what_is_not_valid_is_refused_by_name(wrong: dict[str, Any], admin: httpx2.AsyncClient) -> None:
    answer = await admin.post(PREFIX, json={**NEW, **wrong})

    assert answer.status_code == 422
    assert answer.json()["errors"]


async def test_a_symbol_of_no_exchange_is_not_found(admin: httpx2.AsyncClient) -> None:
    assert (await admin.post(PREFIX, json={**NEW, "cat_ex_id": 12345})).status_code == 404
    assert (await admin.patch(f"{PREFIX}/12345", json={"active": False})).status_code == 404


async def test_a_change_touches_only_what_it_names_and_rings(admin: httpx2.AsyncClient, seeded: Container) -> None:
    bell = seeded.valkey.pubsub()
    await bell.subscribe(CATALOGUE_CHANNEL)
    await bell.get_message(timeout=30)
    before = (await admin.get(f"{PREFIX}/search", params={"q": "ETH/USDT"})).json()["items"][0]

    answer = await admin.patch(f"{PREFIX}/{before['symbol_id']}", json={"active": False, "min_quantity": None})

    after = answer.json()
    assert answer.status_code == 200
    assert {**before, "active": False, "min_quantity": None, "updated_at": after["updated_at"]} == after
    rung = await bell.get_message(timeout=30)
    assert rung is not None


CHANGES: dict[str, Any] = {
    "symbol": "XRP/USDC:USDC",
    "base": "XRP",
    "quote": "USDC",
    "settle": "USDC",
    "futures": True,
    "price_decimals": 4,
    "quantity_decimals": 1,
    "tick_size": "0.0001",
    "step_size": "0.1",
    "min_quantity": "0.1",
    "min_notional": "10",
    "updateframe": "5m",
    "backtest": 0,
    "only_ticker": True,
    "active": False,
}


async def test_every_field_of_a_symbol_can_be_stated_and_changed(admin: httpx2.AsyncClient) -> None:
    stated = (await admin.post(PREFIX, json={"cat_ex_id": 1, **CHANGES})).json()
    plain = (await admin.post(PREFIX, json=NEW)).json()
    assert (await admin.patch(f"{PREFIX}/{stated['symbol_id']}", json={"symbol": "X/Y"})).status_code == 200

    for name, value in CHANGES.items():
        answer = await admin.patch(f"{PREFIX}/{plain['symbol_id']}", json={name: value})

        assert (answer.status_code, answer.json()[name]) == (200, value), answer.text
    same = {name: plain[name] for name in ("symbol_id", "cat_ex_id", "exchange", "created_at")}
    last = answer.json()
    assert last == {**CHANGES, **same, "updated_at": last["updated_at"]}
    assert {name: stated[name] for name in CHANGES} == CHANGES


async def test_the_older_names_of_the_coins_are_accepted_and_never_shown(admin: httpx2.AsyncClient) -> None:
    answer = await admin.patch(f"{PREFIX}/1", json={"base_asset": "XBT", "quote_asset": "USD"})

    symbol = answer.json()
    assert (answer.status_code, symbol["base"], symbol["quote"]) == (200, "XBT", "USD")
    assert not {"base_asset", "quote_asset"} & symbol.keys()


@pytest.mark.parametrize(
    ("change", "coins"),
    [
        ({"symbol": "ETH/USDC"}, ("ETH", "USDC", None)),
        ({"symbol": "ETH/USD:USDC-261225"}, ("ETH", "USD", "USDC")),
        ({"symbol": "ETH/USD", "base_asset": "WETH", "settle": "DAI"}, ("WETH", "USD", "DAI")),
        ({"symbol": "ETHPERP"}, ("DOGE", "USDT", None)),
    ],
    ids=str,
)
async def test_the_coins_follow_a_new_name_unless_they_are_stated(
    change: dict[str, Any], coins: tuple[str, str, str | None], admin: httpx2.AsyncClient, seeded: Container
) -> None:
    symbol_id = (await admin.post(PREFIX, json=NEW)).json()["symbol_id"]

    symbol = (await admin.patch(f"{PREFIX}/{symbol_id}", json=change)).json()

    assert (symbol["base"], symbol["quote"], symbol["settle"]) == coins
    async with seeded.candle_transaction() as connection:
        row = await connection.fetchrow("SELECT symbol, base, quote FROM series WHERE series_id = $1", symbol_id)
    assert row is not None
    assert tuple(row) == (change["symbol"], *coins[:2])


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbol": None},
        {"base": None},
        {"quote": ""},
        {"updateframe": None},
        {"updateframe": "7m"},
        {"backtest": 3651},
        {"active": None},
        {"futures": "perhaps"},
        {"tick_size": 0.5},
        {"tick_size": "-1"},
        {"min_notional": 10**20},
        {"cat_ex_id": 2},
        {"symbol_id": 2},
        {"created_at": "2026-01-01T00:00:00Z"},
    ],
    ids=str,
)
async def test_a_change_that_is_not_valid_changes_nothing(wrong: dict[str, Any], admin: httpx2.AsyncClient) -> None:
    before = (await admin.get(f"{PREFIX}/by-exchange", params={"cat_ex_id": 1})).json()

    answer = await admin.patch(f"{PREFIX}/1", json={"only_ticker": True, **wrong})

    assert (answer.status_code, answer.json()["errors"][0]["field"].split(".")[-1]) == (422, next(iter(wrong)))
    assert (await admin.get(f"{PREFIX}/by-exchange", params={"cat_ex_id": 1})).json() == before


async def test_a_name_that_the_exchange_has_already_is_a_conflict(admin: httpx2.AsyncClient) -> None:
    answer = await admin.patch(f"{PREFIX}/1", json={"symbol": "ETH/USDT"})

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize("number", ["0", "-1", str(2**31), "one"])
async def test_a_number_that_cannot_be_one_is_not_valid(number: str, admin: httpx2.AsyncClient) -> None:
    answers = [
        await admin.patch(f"{PREFIX}/{number}", json={"active": False}),
        await admin.get(f"{PREFIX}/by-exchange", params={"cat_ex_id": number}),
        await admin.post(f"{PREFIX}/sync", params={"cat_ex_id": number}),
    ]

    assert [answer.status_code for answer in answers] == [422, 422, 422]


async def test_the_symbols_of_an_exchange_come_page_by_page_and_by_whether_they_are_active(
    admin: httpx2.AsyncClient,
) -> None:
    await admin.patch(f"{PREFIX}/2", json={"active": False})
    exchange: dict[str, Any] = {"cat_ex_id": 1}

    first = (await admin.get(f"{PREFIX}/by-exchange", params={**exchange, "limit": 2})).json()
    rest = (await admin.get(f"{PREFIX}/by-exchange", params={**exchange, "cursor": first["next_cursor"]})).json()
    active = (await admin.get(f"{PREFIX}/by-exchange", params={**exchange, "active": True})).json()
    inactive = (await admin.get(f"{PREFIX}/by-exchange", params={**exchange, "active": False})).json()

    names = [item["symbol"] for item in first["items"] + rest["items"]]
    assert (names, len(first["items"]), rest["next_cursor"]) == (["BTC/USDT", "ETH/USDT", "SOL/USDT"], 2, None)
    assert [item["symbol"] for item in active["items"]] == ["BTC/USDT", "SOL/USDT"]
    assert [item["symbol"] for item in inactive["items"]] == ["ETH/USDT"]
    missing = await admin.get(f"{PREFIX}/by-exchange", params={"cat_ex_id": 12345})
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_exchange")


@pytest.mark.parametrize(("text", "found"), [("b%c", 0), ("_TC", 0), ("tc/u", 1), ("\\", 0), ("USDT", 3)])
async def test_what_is_searched_for_is_text_and_no_pattern(text: str, found: int, viewer: httpx2.AsyncClient) -> None:
    answer = await viewer.get(f"{PREFIX}/search", params={"q": text})

    assert (answer.status_code, len(answer.json()["items"])) == (200, found)


@pytest.mark.parametrize(
    "path", ["search", "search?q=", f"search?q={'x' * 65}", "search?q=%00", "decimals", "by-exchange"]
)
async def test_a_query_without_what_it_needs_is_not_valid(path: str, viewer: httpx2.AsyncClient) -> None:
    assert (await viewer.get(f"{PREFIX}/{path}")).status_code == 422


async def test_decimals_come_from_every_exchange_that_has_the_symbol(
    admin: httpx2.AsyncClient, seeded: Container
) -> None:
    async with seeded.connection() as connection:
        other = await connection.fetchval("SELECT cat_ex_id FROM cat_exchanges WHERE name = 'kraken'")
    await admin.post(PREFIX, json={"cat_ex_id": other, "symbol": "BTC/USDT", "price_decimals": 1})

    items = (await admin.get(f"{PREFIX}/decimals", params={"symbol": "BTC/USDT"})).json()["items"]

    assert [(item["exchange"], item["price_decimals"]) for item in items] == [("kraken", 1), ("paper", 2)]
    assert items[0]["tick_size"] is None


async def test_a_change_lasts_although_valkey_is_away(seeded: Container) -> None:
    caller = await stored_identity(seeded, Role.ADMIN)
    nowhere = SecretStr(f"redis://127.0.0.1:{free_port()}/0")
    broken = Container(seeded.settings.model_copy(update={"redis_url": nowhere}))
    async with client(create(broken), caller) as admin:
        answer = await admin.patch(f"{PREFIX}/1", json={"backtest": 77})
    await broken.close()

    assert answer.status_code == 200
    async with seeded.connection() as connection:
        assert await connection.fetchval("SELECT backtest FROM symbols WHERE symbol_id = 1") == 77


async def test_symbols_are_searched_page_by_page(viewer: httpx2.AsyncClient) -> None:
    first = (await viewer.get(f"{PREFIX}/search", params={"q": "usdt", "limit": 2})).json()
    rest = (await viewer.get(f"{PREFIX}/search", params={"q": "usdt", "cursor": first["next_cursor"]})).json()

    assert [item["symbol"] for item in first["items"] + rest["items"]] == ["BTC/USDT", "ETH/USDT", "SOL/USDT"]


@pytest.mark.parametrize("cursor", ["x", encode_cursor(1, 2), encode_cursor("a", "b"), encode_cursor("a\x00", 1)])
async def test_a_forged_cursor_is_not_valid(cursor: str, viewer: httpx2.AsyncClient) -> None:
    answer = await viewer.get(f"{PREFIX}/search", params={"q": "usdt", "cursor": cursor})

    assert answer.status_code == 422


async def test_decimals_are_told_for_each_exchange_that_has_the_symbol(viewer: httpx2.AsyncClient) -> None:
    answer = await viewer.get(f"{PREFIX}/decimals", params={"symbol": "BTC/USDT"})

    assert answer.json()["items"] == [
        {
            "exchange": "paper",
            "cat_ex_id": 1,
            "symbol": "BTC/USDT",
            "price_decimals": 2,
            "quantity_decimals": 8,
            "tick_size": "0.01",
            "step_size": "0.00000001",
            "min_quantity": "0.00000001",
            "min_notional": "5",
        }
    ]
    assert (await viewer.get(f"{PREFIX}/decimals", params={"symbol": "NOPE/USDT"})).status_code == 404
