"""Exchange accounts for tests: entered over HTTP, with keys that can be looked for everywhere."""

from __future__ import annotations

from typing import Any

import httpx2

from fullon.identity.model import Identity
from fullon.runtime.container import Container
from functions.orm.app import create
from tests.api.callers import client

ACCOUNTS = "/api/v1/orm/exchanges/user-exchanges"
API_KEY, API_SECRET, PASSPHRASE = "PublicKeyForTests0001wxyz", "SecretForTests000000000001", "PhraseForTests01"


async def call(
    container: Container, caller: Identity | None, method: str, path: str, body: Any = None
) -> httpx2.Response:
    """Whatever the application answers."""
    async with client(create(container), caller) as http:
        return await http.request(method, path, json=body)


async def done(container: Container, caller: Identity, method: str, path: str, body: Any = None) -> Any:
    """What it answers when it goes well."""
    answer = await call(container, caller, method, path, body)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


async def an_account(container: Container, owner: Identity, name: str = "main", **values: Any) -> Any:
    """Enter an account at the venue ``paper`` unless another is named."""
    if "cat_ex_id" not in values:
        async with container.connection() as connection:
            values["cat_ex_id"] = await connection.fetchval("SELECT cat_ex_id FROM cat_exchanges WHERE name = 'paper'")
    body = {"name": name, "api_key": API_KEY, "api_secret": API_SECRET, **values}
    return await done(container, owner, "POST", ACCOUNTS, body)
