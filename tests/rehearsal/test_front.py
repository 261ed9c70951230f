"""One address for both APIs of an emulator: what passes, what is added, how sockets end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import websockets

from local.ports import free_port
from local.rehearsal.front import Origins, serving
from tests.rehearsal.conftest import Installed

GOOD = {"authorization": "Bearer good"}


@asynccontextmanager
async def client_of(installed: Installed) -> AsyncIterator[httpx2.AsyncClient]:
    origins = Origins(installed.http_api, installed.websocket_api, "the-proof")
    async with serving(origins, 0) as url, httpx2.AsyncClient(base_url=url, timeout=30) as client:
        yield client


def sockets_of(client: httpx2.AsyncClient) -> str:
    return str(client.base_url).replace("http://", "ws://").rstrip("/") + "/ws"


async def test_the_authorizer_tells_a_missing_a_bad_and_a_good_credential_apart(installed: Installed) -> None:
    async with client_of(installed) as client:
        answers = [
            await client.get("/private/a", headers=headers)
            for headers in ({}, {"authorization": "Bearer bad"}, {"x-api-key": "bad"}, GOOD, {"x-api-key": "good"})
        ]

    assert [answer.status_code for answer in answers] == [401, 403, 403, 200, 200]
    assert [answer.json()["message"] for answer in answers[:3]] == ["Unauthorized", "Forbidden", "Forbidden"]
    assert answers[3].json()["event"]["requestContext"]["authorizer"] == {"lambda": {"user_id": "1"}}


async def test_a_path_without_a_route_is_not_found(installed: Installed) -> None:
    async with client_of(installed) as client:
        assert (await client.get("/nowhere")).status_code == 404


async def test_path_and_query_arrive_as_they_were_sent(installed: Installed) -> None:
    async with client_of(installed) as client:
        answer = await client.get("/public/BTC%2FUSDT/%C3%A9?a=1&a=2&b=%20c")

    event = answer.json()["event"]
    assert event["rawPath"] == "/public/BTC/USDT/é"
    assert event["rawQueryString"] == "a=1&a=2&b=%20c"
    assert event["queryStringParameters"] == {"a": "1,2", "b": " c"}


async def test_the_viewers_address_and_the_proof_are_the_fronts_and_not_the_callers(installed: Installed) -> None:
    claimed = {"x-viewer-address": "6.6.6.6", "x-origin-proof": "guessed"}

    async with client_of(installed) as client:
        headers = (await client.get("/public/a", headers=claimed)).json()["event"]["headers"]

    assert (headers["x-viewer-address"], headers["x-origin-proof"]) == ("127.0.0.1", "the-proof")


async def test_a_body_arrives_and_an_absent_one_stays_absent(installed: Installed) -> None:
    async with client_of(installed) as client:
        sent = (await client.post("/public/a", json={"x": 1})).json()["event"]
        absent = (await client.get("/public/a")).json()["event"]

    assert json.loads(sent["body"]) == {"x": 1}
    assert "body" not in absent
    assert "content-type" not in absent["headers"]


async def test_an_emulator_that_is_gone_is_a_bad_gateway() -> None:
    nobody = f"http://127.0.0.1:{free_port()}"

    async with serving(Origins(nobody, nobody), 0) as url, httpx2.AsyncClient(base_url=url) as client:
        assert (await client.get("/public/a")).status_code == 502


@pytest.mark.parametrize(("query", "status"), [("", 401), ("?ticket=bad", 403)])
async def test_a_handshake_is_refused_as_the_api_refuses_it(query: str, status: int, installed: Installed) -> None:
    async with client_of(installed) as client:
        with pytest.raises(websockets.InvalidStatus) as refusal:
            async with websockets.connect(sockets_of(client) + query):
                pass

    assert refusal.value.response.status_code == status


async def test_a_socket_is_answered_pushed_to_and_gone_when_it_is_closed(installed: Installed) -> None:
    """The push is made by a function with boto3, through ``@connections``."""
    async with client_of(installed) as client:
        address = sockets_of(client) + "?ticket=good"
        async with websockets.connect(address) as one, websockets.connect(address) as other:
            await one.send(json.dumps({"action": "who"}))
            first = await event_of(one)
            await other.send(json.dumps({"action": "push", "to": first["requestContext"]["connectionId"]}))
            pushed = await asyncio.wait_for(one.recv(), 15)
            await one.close()

            async def push_again() -> str:
                await other.send(json.dumps({"action": "push", "to": first["requestContext"]["connectionId"]}))
                await other.send(json.dumps({"action": "who"}))
                return str(await asyncio.wait_for(other.recv(), 15))

            said = await push_again()
            while not said.startswith("gone"):
                said = await push_again()

    assert first["requestContext"]["authorizer"]["user_id"] == "1"
    assert pushed == "pushed"
    assert said == "gone 410"


async def event_of(socket: websockets.ClientConnection) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 15))
    return event
