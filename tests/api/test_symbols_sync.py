"""Symbols over the API: the venue refreshes them."""

from __future__ import annotations

import httpx2
import pytest

from local.ports import free_port
from tests.api.symbols_calls import NEW, PREFIX, calls_of_an_admin, container_with_venues  # noqa: F401 - a fixture
from tests.paper_venue import paper_venue


async def test_a_refresh_brings_back_what_the_venue_says(
    admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await admin.patch(f"{PREFIX}/1", json={"tick_size": "0.5", "price_decimals": 0})
    await admin.post(PREFIX, json=NEW)
    with paper_venue() as venue:
        monkeypatch.setenv("EXCHANGE_URL_PAPER", venue.url)
        answer = await admin.post(f"{PREFIX}/sync", params={"cat_ex_id": 1})

    assert answer.status_code == 200, answer.text
    assert answer.json() == {"exchange": "paper", "listed": 3, "added": 0, "changed": 2, "deactivated": 1}
    items = (await admin.get(f"{PREFIX}/by-exchange", params={"cat_ex_id": 1})).json()["items"]
    assert {item["symbol"]: (item["tick_size"], item["active"]) for item in items} == {
        "BTC/USDT": ("0.01", True),
        "DOGE/USDT": ("0.00001", False),
        "ETH/USDT": ("0.01", True),
        "SOL/USDT": ("0.01", True),
    }


async def test_an_exchange_that_is_not_in_the_catalogue_is_not_refreshed(admin: httpx2.AsyncClient) -> None:
    answer = await admin.post(f"{PREFIX}/sync", params={"cat_ex_id": 12345})

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_exchange")


async def test_a_venue_that_is_down_makes_a_refresh_unavailable(
    admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXCHANGE_URL_PAPER", f"http://127.0.0.1:{free_port()}")

    answer = await admin.post(f"{PREFIX}/sync", params={"cat_ex_id": 1})

    assert (answer.status_code, answer.json()["code"]) == (503, "venue_down")
    assert "127.0.0.1" not in answer.text
