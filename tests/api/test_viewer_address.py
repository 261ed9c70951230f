"""Where a caller sits, behind a content network and without one."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import APIRouter, Request
from pydantic import SecretStr

from fullon.identity.throttle import PER_ACCOUNT_AND_ADDRESS
from fullon.runtime.container import Container
from fullon.runtime.http import ORIGIN_PROOF, VIEWER_ADDRESS, create_app, source_address
from fullon.runtime.settings import Settings
from functions.auth.app import create
from tests.api.callers import client
from tests.identities import candles_database, person  # noqa: F401 - a fixture

GATEWAY = "127.0.0.1"
SECRET = "an origin's secret, long enough to be one"

router = APIRouter()


@router.get("/address")
async def address(request: Request) -> str:
    return source_address(request)


def behind(secret: str | None) -> httpx2.AsyncClient:
    """A client of an app that knows this secret of the content network."""
    settings = Settings(environment="local", origin_secret=SecretStr(secret) if secret else None)
    return client(create_app("probe", "Probe", Container(settings), router))


@pytest.mark.parametrize(
    ("known", "headers", "expected"),
    [
        (SECRET, {ORIGIN_PROOF: SECRET, VIEWER_ADDRESS: "203.0.113.9"}, "203.0.113.9"),
        (SECRET, {ORIGIN_PROOF: SECRET, VIEWER_ADDRESS: "2001:DB8::9"}, "2001:db8::9"),
        (SECRET, {ORIGIN_PROOF: "another secret", VIEWER_ADDRESS: "203.0.113.9"}, GATEWAY),
        (SECRET, {ORIGIN_PROOF: "", VIEWER_ADDRESS: "203.0.113.9"}, GATEWAY),
        (SECRET, {VIEWER_ADDRESS: "203.0.113.9"}, GATEWAY),
        (SECRET, {ORIGIN_PROOF: SECRET}, GATEWAY),
        (SECRET, {ORIGIN_PROOF: SECRET, VIEWER_ADDRESS: "not an address"}, GATEWAY),
        (SECRET, {ORIGIN_PROOF: SECRET, "X-Forwarded-For": "203.0.113.9"}, GATEWAY),
        (None, {ORIGIN_PROOF: SECRET, VIEWER_ADDRESS: "203.0.113.9"}, GATEWAY),
        (None, {ORIGIN_PROOF: "", VIEWER_ADDRESS: "203.0.113.9"}, GATEWAY),
    ],
)
async def test_only_who_knows_the_secret_says_where_the_caller_sits(
    known: str | None, headers: dict[str, str], expected: str
) -> None:
    async with behind(known) as http:
        answer = await http.get("/address", headers=headers)

    assert answer.json() == expected


async def test_failures_behind_the_network_slow_down_their_own_address_only(
    container: Container, settings: Settings
) -> None:
    ada = await person(container)
    fronted = Container(settings.model_copy(update={"origin_secret": SecretStr(SECRET)}))

    async def log_in(http: httpx2.AsyncClient, viewer: str) -> int:
        proof = {ORIGIN_PROOF: SECRET, VIEWER_ADDRESS: viewer}
        form = {"username": ada.mail, "password": "a wrong password"}
        return (await http.post("/api/v1/auth/login", data=form, headers=proof)).status_code

    async with client(create(fronted)) as http:
        stranger = [await log_in(http, "203.0.113.9") for _ in range(PER_ACCOUNT_AND_ADDRESS + 1)]
        other = await log_in(http, "198.51.100.4")
    await fronted.close()

    assert stranger == [401] * PER_ACCOUNT_AND_ADDRESS + [429]
    assert other == 401
