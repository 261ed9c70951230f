"""Who gets a socket: the authorizer and ``$connect`` decide at the handshake, in HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import websockets

from tests.local.platform import until
from tests.local.sockets import ask, aws_event, paths, running_sockets


async def refused(connecting: websockets.connect) -> websockets.Response:
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with connecting:
            pass
    return refusal.value.response


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 401),
        ("?ticket=unauthorized", 401),
        ("?ticket=denied", 403),
        ("?ticket=elsewhere", 403),
        ("?ticket=broken", 500),
        ("?ticket=nonsense", 500),
    ],
)
async def test_the_authorizers_decision_is_the_status_of_the_handshake(query: str, status: int, tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway:
        response = await refused(gateway.connect(query))

        assert response.status_code == status
        problem = json.loads(response.body)
        assert problem["status"] == status
        assert "the secret reason" not in response.body.decode()
        assert gateway.recorded("$connect") == []


async def test_a_connect_route_that_is_not_2xx_refuses_with_its_status_and_reason(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway:
        response = await refused(gateway.connect("?ticket=good&full=1"))

        assert response.status_code == 429
        assert json.loads(response.body)["detail"] == "No more connections."
        assert len(gateway.part.connections) == 0
        assert gateway.recorded("$disconnect") == []


@pytest.mark.parametrize("path", ["/", "/wss", "/ws/more", "/api/v1/ws"])
async def test_other_addresses_have_no_socket(path: str, tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway:
        response = await refused(gateway.connect(path=path))

        assert response.status_code == 404
        assert gateway.recorded("authorizer") == []


@pytest.mark.parametrize("path", ["/ws", "/api/v1/cache/ws"])
async def test_both_addresses_have_a_socket(path: str, tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect(path=path) as client:
        answer = await ask(client, "event")

        assert answer["route"] == "event"
        assert client.response is not None
        assert "sec-websocket-extensions" not in client.response.headers  # no compression, measured


async def test_the_authorizer_is_asked_once_and_its_context_goes_with_every_event(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway:
        async with gateway.connect() as client:
            contexts = [(await ask(client, "event"))["event"]["requestContext"]["authorizer"] for _ in range(3)]
        await until(lambda: bool(gateway.recorded("$disconnect")))

        assert contexts == [{"principalId": "somebody", "user_id": "u1", "level": "7", "admin": "true"}] * 3
        assert len(gateway.recorded("authorizer")) == 1
        for name in ("$connect", "$disconnect"):
            assert gateway.recorded(name)[0]["requestContext"]["authorizer"] == contexts[0]


async def test_a_key_in_its_own_header_reaches_the_authorizer_as_a_bearer(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway:
        await refused(gateway.connect("", additional_headers={"X-API-Key": "fo_key"}))

        headers = gateway.recorded("authorizer")[0]["headers"]
        assert headers["Authorization"] == "Bearer fo_key"
        assert "X-Api-Key" not in headers


async def test_events_have_the_shape_of_recorded_ones(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway:
        async with gateway.connect("?ticket=good") as client:
            message = (await ask(client, "event"))["event"]
        await until(lambda: bool(gateway.recorded("$disconnect")))

        for event, recording in (
            (gateway.recorded("authorizer")[0], "apiGatewayAuthorizerWebSocketEvent"),
            (gateway.recorded("$connect")[0], "apiGatewayWebSocketApiConnect"),
            (message, "apiGatewayWebSocketApiMessage"),
            (gateway.recorded("$disconnect")[0], "apiGatewayWebSocketApiDisconnect"),
        ):
            ours, theirs = dict(paths(event)), dict(paths(aws_event(recording)))
            assert {name: ours.get(name) for name in theirs} == theirs, recording
            more = {name for name in ours if name not in theirs and not name.startswith("requestContext.authorizer")}
            optional = {
                "queryStringParameters",
                "multiValueQueryStringParameters",
                "requestContext.identity.userAgent",
            }
            assert more <= optional, recording


async def test_the_handshake_event_has_headers_and_query_both_ways(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway:
        headers = [("X-Many", "1"), ("X-Many", "2")]
        async with gateway.connect("?ticket=good&a=1&a=2", additional_headers=headers):
            event = gateway.recorded("$connect")[0]

        assert event["queryStringParameters"] == {"ticket": "good", "a": "2"}
        assert event["multiValueQueryStringParameters"] == {"ticket": ["good"], "a": ["1", "2"]}
        assert event["headers"]["X-Many"] == "2"
        assert event["multiValueHeaders"]["X-Many"] == ["1", "2"]
        assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
        assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
        assert event["requestContext"]["domainName"] == "127.0.0.1"


def logs_in(folder: Path) -> str:
    return "".join(log.read_text() for log in folder.rglob("*.log"))


async def test_tickets_and_tokens_are_in_no_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with running_sockets(tmp_path) as gateway:
        async with gateway.connect("?ticket=good&token=eyJhbGciOi"):
            pass
        await refused(gateway.connect("?ticket=denied&token=eyJhbGciOi"))
        await until(lambda: bool(gateway.recorded("$disconnect")))

    captured = capfd.readouterr()
    written = captured.out + captured.err + logs_in(tmp_path)
    assert "socket_opened" in written
    assert "socket_refused" in written
    assert "eyJhbGciOi" not in written
    assert "ticket=" not in written


async def test_without_an_authorizer_everyone_is_let_in(tmp_path: Path) -> None:
    async with running_sockets(tmp_path, authorizer=False) as gateway, gateway.connect("") as client:
        answer = await ask(client, "event")

        assert "authorizer" not in answer["event"]["requestContext"]


async def test_a_plain_request_at_the_sockets_address_is_not_an_upgrade(tmp_path: Path) -> None:
    import httpx2

    async with running_sockets(tmp_path) as gateway, httpx2.AsyncClient() as client:
        plain = await client.get(f"{gateway.url}/ws?ticket=good")
        upgrade = {"Connection": "upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "12"}
        wrong = await client.get(f"{gateway.url}/ws?ticket=good", headers=upgrade)

        assert plain.status_code == 404
        assert wrong.status_code in (400, 426)
        assert gateway.recorded("authorizer") == []
