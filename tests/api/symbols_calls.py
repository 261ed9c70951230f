"""Callers of the symbols of a seeded catalogue, for tests of their routes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from fullon.identity.model import Role
from fullon.runtime.container import Container
from functions.orm.app import create
from local import seed_venues
from tests.api.callers import client, stored_identity

PREFIX = "/api/v1/orm/symbols"
NEW = {
    "cat_ex_id": 1,
    "symbol": "DOGE/USDT",
    "base_asset": "DOGE",
    "quote_asset": "USDT",
    "price_decimals": 5,
    "tick_size": "0.00001",
    "min_notional": "5",
}


@pytest.fixture(name="seeded")
async def container_with_venues(container: Container) -> Container:
    async with container.transaction() as connection:
        await seed_venues.seed(connection)
    return container


@pytest.fixture(name="viewer")
async def calls_of_a_viewer(seeded: Container) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(create(seeded), await stored_identity(seeded, Role.VIEWER)) as caller:
        yield caller


@pytest.fixture(name="admin")
async def calls_of_an_admin(seeded: Container) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(create(seeded), await stored_identity(seeded, Role.ADMIN)) as caller:
        yield caller
