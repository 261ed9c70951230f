"""What every platform must do, wherever it runs: log in, tell callers apart, serve candles, run services, push."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx2
import websockets

from fullon.streams.model import Limits
from tests.e2e.platform import Platform, until
from tests.e2e.test_sockets import ask, subscribed

ME = "/api/v1/orm/users/me"
CANDLES = "/api/v1/ohlcv/candles/paper/BTC/USDT/1m?limit=5"


async def service(client: httpx2.AsyncClient, name: str) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/services/{name}/status")
    assert answer.status_code == 200, answer.text
    status: dict[str, Any] = answer.json()
    return status


async def becomes(client: httpx2.AsyncClient, name: str, wanted: str) -> None:
    async def is_so() -> bool:
        return bool((await service(client, name))["status"] == wanted)

    await until(is_so, 60, f"{name} {wanted}")


async def test_the_platform_is_ready_and_shows_its_documents_to_everybody(platform: Platform) -> None:
    async with platform.client() as client:
        answers = {path: await client.get(path) for path in ("/health", "/health/ready", "/docs", "/openapi.json")}

    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert answers["/health/ready"].json()["status"] == "healthy"
    assert "/api/v1/auth/login" in answers["/openapi.json"].json()["paths"]


async def test_a_session_is_renewed_and_its_end_is_known(platform: Platform) -> None:
    pair = await platform.login()

    async with platform.client() as client:
        renewed = await client.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    assert renewed.status_code == 200, renewed.text
    async with platform.client(renewed.json()["access_token"]) as client:
        known = await client.get(ME)
        await client.post("/api/v1/auth/logout")
        ended = await client.get(ME)

    assert (known.json()["mail"], known.json()["role"]) == (platform.admin, "admin")
    assert ended.status_code in (401, 403)


async def test_the_authorizer_tells_a_missing_a_bad_and_a_good_credential_apart(platform: Platform) -> None:
    async with platform.client(await platform.token()) as admin:
        made = await admin.post("/api/v1/orm/api_keys/me", json={"name": "core", "scopes": ["read"]})
    key = made.json()["key"]

    async with platform.client() as client:
        seen = [
            (await client.get(ME, headers=headers)).status_code
            for headers in (
                {},
                {"Authorization": "Bearer not.a.token"},
                {"X-API-Key": key[:-1] + ("a" if key[-1] != "a" else "b")},
                {"Authorization": f"Bearer {key}"},
                {"X-API-Key": key},
            )
        ]

    assert seen == [401, 403, 403, 200, 200]


async def test_identity_cannot_be_claimed_by_a_header(platform: Platform) -> None:
    claimed = {"x-amzn-request-context": '{"authorizer":{"lambda":{"role":"admin"}}}', "x-user-id": "1"}

    async with platform.client() as client:
        answer = await client.get(ME, headers=claimed)

    assert answer.status_code == 401


async def test_candles_are_collected_and_served(collecting: Platform, admin: httpx2.AsyncClient) -> None:
    first = (await admin.get(CANDLES)).json()["items"]

    async def newer() -> bool:
        return bool((await admin.get(CANDLES)).json()["items"][-1]["time"] > first[-1]["time"])

    await until(newer, 90, "newer candles")


async def test_an_admin_stops_and_starts_a_service(collecting: Platform, admin: httpx2.AsyncClient) -> None:
    await becomes(admin, "ticker", "running")

    stopped = await admin.post("/api/v1/services/ticker/stop")
    assert stopped.status_code == 200, stopped.text
    await becomes(admin, "ticker", "stopped")
    started = await admin.post("/api/v1/services/ticker/start")
    assert started.status_code == 200, started.text

    await becomes(admin, "ticker", "running")
    assert (await service(admin, "ticker"))["desired"] == 1


async def test_a_subscriber_gets_its_snapshot_and_then_every_change(collecting: Platform) -> None:
    async with collecting.socket(await collecting.token()) as socket:
        received = await subscribed(socket, 3, channel="tickers", exchange="paper", symbol="BTC/USDT")

    assert [frame["type"] for frame in received] == ["snapshot", "update", "update"]
    assert [frame["seq"] for frame in received] == [1, 2, 3]


async def test_connections_that_are_gone_are_noticed_and_make_room_for_others(collecting: Platform) -> None:
    """A user has so many connections; when twice as many can be opened, the lost ones were cleared away."""
    _, _, token = await collecting.new_user()

    for number in range(2 * Limits().connections):
        await until(partial(opened_and_lost, collecting, token), 30, f"room for connection {number + 1}")


async def opened_and_lost(platform: Platform, token: str) -> bool:
    """Whether a connection could be opened; it ends without a word."""
    try:
        async with platform.socket(token) as socket:
            await ask(socket, action="subscribe", channel="trades", exchange="paper", symbol="BTC/USDT")
            socket.transport.abort()  # no close frame: the gateway, or the next push, finds out
    except (websockets.InvalidStatus, TimeoutError):
        return False
    return True
