"""An app whose one mutating route counts its calls, and what was kept of them, for tests of calls that happen once."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import Response

from fullon.identity.model import Identity
from fullon.runtime.audited import act
from fullon.runtime.container import Container
from fullon.runtime.http import Stores, TradingCaller, create_app
from tests.api.callers import client

THINGS = "/api/v1/things"


class Things:
    """An app whose one mutating route counts its calls, notes each on the trail, and does what the test says."""

    def __init__(self, container: Container) -> None:
        self.calls = 0
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.fails_before: Exception | None = None
        self.fails_after: BaseException | None = None
        self.headers: dict[str, str] = {}
        router = APIRouter()

        @router.post(THINGS, status_code=201)
        async def make(caller: TradingCaller, stores: Stores, response: Response) -> dict[str, int]:
            self.calls += 1
            number = self.calls
            self.entered.set()
            if self.fails_before:
                raise self.fails_before
            async with act(stores, caller, "make", f"thing {number}"):
                await self.go_on.wait()
            if self.fails_after:
                raise self.fails_after
            response.headers.update(self.headers)
            return {"number": number}

        self.app: FastAPI = create_app("things", "Things", container, router)

    async def call(self, caller: Identity | None, key: str | None = "one", **options: Any) -> httpx2.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        async with client(self.app, caller) as http:
            return await http.request("POST", THINGS, headers=headers, **options)


async def entries(container: Container) -> int:
    async with container.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM audit"))


async def kept(container: Container) -> list[asyncpg.Record]:
    async with container.connection() as connection:
        return list(await connection.fetch("SELECT * FROM idempotency_keys ORDER BY created_at"))


@pytest.fixture(name="things")
async def things_of_a_container(container: Container) -> Things:
    return Things(container)
