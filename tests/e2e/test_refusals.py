"""Who is refused, over HTTP and on a live socket."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import jwt
import pytest
import websockets

from tests.e2e.platform import Platform, until

ME = "/api/v1/orm/users/me"


async def me(platform: Platform, token: str) -> int:
    async with platform.client(token) as client:
        return (await client.get(ME)).status_code


async def ends(socket: websockets.ClientConnection, seconds: float = 8) -> dict[str, Any]:
    """The frame that says goodbye before the server closes the socket."""
    farewell: dict[str, Any] = {}
    async with asyncio.timeout(seconds):
        try:
            async for text in socket:
                frame = json.loads(text)
                if frame.get("type") == "bye":
                    farewell = frame
        except websockets.ConnectionClosed:
            pass
    return farewell


async def test_no_credential_is_refused_on_every_authorised_route(platform: Platform) -> None:
    async with platform.client() as client:
        for path in (ME, "/api/v1/ohlcv/pairs", "/api/v1/cache/tickers/paper", "/api/v1/services", "/health/deep"):
            answer = await client.get(path)

            assert answer.status_code == 401, path
            assert answer.json()["message"] == "Unauthorized", path
            if platform.target != "rehearse":  # the HTTP API itself says nothing but the message
                assert answer.headers["content-type"] == "application/problem+json"


async def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(platform: Platform) -> None:
    async with platform.client() as client:
        answers = [
            await client.post("/api/v1/auth/login", data={"username": name, "password": "wrong"})
            for name in (platform.admin, "nobody@example.test")
        ]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]


@pytest.mark.parametrize("change", ["tampered", "unsigned", "expired", "garbage"])
async def test_a_token_that_is_not_ours_is_refused(change: str, platform: Platform) -> None:
    token = await platform.token()
    claims = jwt.decode(token, options={"verify_signature": False})
    head, body, signature = token.split(".")
    forged = {
        "tampered": f"{head}.{body}.{'A' * len(signature)}",
        "unsigned": jwt.encode(claims, "", algorithm="none"),
        "expired": jwt.encode({**claims, "exp": 1_700_000_000}, "another secret of more than 32 bytes!"),
        "garbage": "not.a.token",
    }[change]

    assert await me(platform, token) == 200
    assert await me(platform, forged) == 403


async def test_a_session_that_logged_out_is_refused_at_once(platform: Platform) -> None:
    token = await platform.token()
    assert await me(platform, token) == 200  # the gateway now has the authorizer's answer in its cache

    async with platform.client(token) as client:
        assert (await client.post("/api/v1/auth/logout")).status_code in (200, 204)

    assert await me(platform, token) in (401, 403)


async def test_a_deactivated_user_loses_access_at_once(platform: Platform, admin: httpx2.AsyncClient) -> None:
    uid, _, token = await platform.new_user()
    assert await me(platform, token) == 200

    assert (await admin.patch(f"/api/v1/orm/users/{uid}", json={"active": False})).status_code == 200

    assert await me(platform, token) in (401, 403)


async def test_a_key_may_do_only_what_its_scopes_say(platform: Platform) -> None:
    async with platform.client(await platform.token()) as admin:
        made = await admin.post("/api/v1/orm/api_keys/me", json={"name": "reader", "scopes": ["read"]})
        assert made.status_code == 201, made.text

    async with platform.client() as client:
        client.headers["X-API-Key"] = made.json()["key"]
        assert (await client.get(ME)).status_code == 200
        refused = await client.post("/api/v1/services/ticker/restart")

    assert refused.status_code == 403
    assert "admin" in refused.json()["detail"]


async def test_a_foreign_key_answers_exactly_as_a_missing_one(platform: Platform) -> None:
    _, _, owner = await platform.new_user()
    _, _, stranger = await platform.new_user()
    async with platform.client(owner) as client:
        key = (await client.post("/api/v1/orm/api_keys/me", json={"name": "mine", "scopes": ["read"]})).json()

    async with platform.client(stranger) as client:
        foreign = await client.get(f"/api/v1/orm/api_keys/{key['id']}")
        missing = await client.get("/api/v1/orm/api_keys/0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11")

    assert foreign.status_code == missing.status_code == 404
    assert foreign.json()["detail"] == missing.json()["detail"]


async def test_a_trader_cannot_reach_the_services(platform: Platform) -> None:
    _, _, token = await platform.new_user()

    async with platform.client(token) as client:
        assert (await client.get("/api/v1/services")).status_code == 403
        assert (await client.post("/api/v1/services/ticker/start")).status_code == 403


async def test_too_many_wrong_passwords_are_slowed_down_and_say_for_how_long(platform: Platform) -> None:
    _, mail, _ = await platform.new_user()

    async with platform.client() as client:
        for _ in range(30):
            answer = await client.post("/api/v1/auth/login", data={"username": mail, "password": "wrong"})
            if answer.status_code == 429:
                break

    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("query", ["", "?token=not.a.token", "?ticket=unknown"])
async def test_a_socket_without_a_valid_credential_is_refused(query: str, platform: Platform) -> None:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with websockets.connect(platform.websocket_url + query):
            pass

    refused: tuple[int, ...] = (401, 403)
    if platform.target == "rehearse":  # MiniStack makes 500 of an authorizer's Unauthorized, which is 401 on AWS
        refused += (500,)
    assert refusal.value.response.status_code in refused


async def test_a_ticket_opens_one_socket_only(platform: Platform) -> None:
    async with platform.client(await platform.token()) as client:
        ticket = (await client.post("/api/v1/auth/ws-ticket")).json()["ticket"]
    address = f"{platform.websocket_url}?ticket={ticket}"

    async with websockets.connect(address):
        with pytest.raises(websockets.InvalidStatus):
            async with websockets.connect(address):
                pass


async def test_logging_out_closes_the_live_socket_of_the_session(collecting: Platform) -> None:
    token = await collecting.token()
    async with collecting.socket(token) as socket, collecting.client(token) as client:
        await socket.send(json.dumps({"action": "subscribe", "channel": "tickers", "exchange": "paper"}))

        await client.post("/api/v1/auth/logout")

        assert (await ends(socket))["reason"]


async def test_deactivating_a_user_closes_the_live_socket(collecting: Platform, admin: httpx2.AsyncClient) -> None:
    uid, _, token = await collecting.new_user()
    async with collecting.socket(token) as socket:
        await admin.patch(f"/api/v1/orm/users/{uid}", json={"active": False})

        assert (await ends(socket))["reason"]


async def test_a_trader_may_not_subscribe_to_processes(collecting: Platform) -> None:
    _, _, token = await collecting.new_user()
    async with collecting.socket(token) as socket:
        await socket.send(json.dumps({"action": "subscribe", "channel": "processes", "request_id": "1"}))

        answer = json.loads(await asyncio.wait_for(socket.recv(), 60))

    assert (answer["type"], answer["status"]) == ("error", 403)


async def test_a_refused_login_leaves_no_secret_in_any_log(platform: Platform) -> None:
    if platform.logs is None:
        pytest.skip("the logs of this platform cannot be read here (FULLON_E2E_LOGS)")
    folder = platform.logs
    async with platform.client() as client:
        await client.post(
            "/api/v1/auth/login", data={"username": platform.admin, "password": "a-secret-nobody-may-see"}
        )
    token = await platform.token()
    await me(platform, token)

    async def written() -> bool:
        return any(path.stat().st_size for path in folder.rglob("*.log"))

    await until(written)
    for path in folder.rglob("*.log"):
        text = path.read_text(errors="replace")
        assert "a-secret-nobody-may-see" not in text, path
        assert platform.password not in text, path
        assert token not in text, path
