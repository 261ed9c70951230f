"""The catalogue of exchanges over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from fullon.identity.model import Role
from fullon.runtime.container import Container
from functions.orm.app import create
from local import seed_venues
from tests.api.callers import client, stored_identity

PREFIX = "/api/v1/orm/exchanges"
PATHS = ["/catalog", "/catalog/1/params", "/catalog/1/symbols", "/catalog-id?exchange_name=paper"]


@pytest.fixture
async def viewer(container: Container) -> AsyncIterator[httpx2.AsyncClient]:
    async with container.transaction() as connection:
        await seed_venues.seed(connection)
    async with client(create(container), await stored_identity(container, Role.VIEWER)) as caller:
        yield caller


async def paper(viewer: httpx2.AsyncClient) -> int:
    answer = await viewer.get(f"{PREFIX}/catalog-id", params={"exchange_name": "PAPER"})
    return int(answer.json()["cat_ex_id"])


@pytest.mark.parametrize("path", PATHS)
async def test_the_anonymous_are_refused(path: str, container: Container) -> None:
    async with client(create(container)) as anonymous:
        answer = await anonymous.get(PREFIX + path)

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_catalogue_is_whole_and_says_what_is_collected(viewer: httpx2.AsyncClient) -> None:
    answer = await viewer.get(f"{PREFIX}/catalog/")

    items = {item["name"]: item for item in answer.json()["items"]}
    assert answer.status_code == 200
    assert answer.json()["next_cursor"] is None
    assert items["paper"] == {
        "cat_ex_id": await paper(viewer),
        "name": "paper",
        "ccxt_id": "binance",
        "title": "Paper venue",
        "active": True,
        "paper": True,
    }
    assert items["kraken"]["active"] is False


async def test_the_number_of_an_exchange_is_found_whatever_the_case(viewer: httpx2.AsyncClient) -> None:
    answer = await viewer.get(f"{PREFIX}/catalog-id", params={"exchange_name": "Paper"})

    assert answer.json()["name"] == "paper"
    missing = await viewer.get(f"{PREFIX}/catalog-id", params={"exchange_name": "mtgox"})
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown_exchange")


async def test_params_show_how_it_is_connected_and_no_address_of_this_machine(viewer: httpx2.AsyncClient) -> None:
    answer = await viewer.get(f"{PREFIX}/catalog/{await paper(viewer)}/params")

    params = answer.json()["params"]
    assert params["urls"]["api"]["public"] == "{http}/api/v3"
    assert "127.0.0.1" not in answer.text


async def test_symbols_of_an_exchange_come_in_pages_that_fit_together(viewer: httpx2.AsyncClient) -> None:
    path = f"{PREFIX}/catalog/{await paper(viewer)}/symbols"

    first = (await viewer.get(path, params={"limit": 2})).json()
    rest = (await viewer.get(path, params={"limit": 2, "cursor": first["next_cursor"]})).json()

    assert [item["symbol"] for item in first["items"] + rest["items"]] == ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("number", ["0", "-1", "99999999999999", "abc"])
async def test_an_impossible_number_is_not_valid_and_an_unknown_one_not_found(
    number: str, viewer: httpx2.AsyncClient
) -> None:
    assert (await viewer.get(f"{PREFIX}/catalog/{number}/params")).status_code == 422
    assert (await viewer.get(f"{PREFIX}/catalog/12345/params")).status_code == 404
    assert (await viewer.get(f"{PREFIX}/catalog/12345/symbols")).status_code == 404


async def test_admins_switch_exchanges_and_nobody_else_does(viewer: httpx2.AsyncClient, container: Container) -> None:
    path = f"{PREFIX}/catalog/{await paper(viewer)}"
    refused = await viewer.patch(path, json={"active": False})
    async with client(create(container), await stored_identity(container, Role.ADMIN)) as admin:
        off = await admin.patch(path, json={"active": False})
        unknown = await admin.patch(f"{PREFIX}/catalog/99999", json={"active": False})
        other = await admin.patch(path, json={"active": True, "paper": False})

    assert refused.status_code == 403
    assert (off.status_code, off.json()["active"]) == (200, False)
    assert unknown.status_code == 404
    assert other.status_code == 422
    listed = (await viewer.get(f"{PREFIX}/catalog")).json()["items"]
    assert {item["name"]: item["active"] for item in listed}["paper"] is False
