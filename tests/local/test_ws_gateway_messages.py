"""What happens to messages: routes, answers, failures, order, limits, endings."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from pathlib import Path

import pytest
import websockets

from tests.local.platform import until
from tests.local.sockets import ask, running_sockets


@pytest.mark.parametrize(
    ("message", "route"),
    [
        ('{"action": "event"}', "event"),
        ('{"action": "no such"}', "$default"),
        ('{"action": "$connect"}', "$default"),
        ('{"action": "$disconnect"}', "$default"),
        ('{"action": 7}', "$default"),
        ('{"other": "event"}', "$default"),
        ("[]", "$default"),
        ("not JSON", "$default"),
        ("", "$default"),
        ("\u0000", "$default"),
        ('"event"', "$default"),
    ],
)
async def test_the_action_picks_the_route_and_the_rest_goes_to_default(
    message: str, route: str, tmp_path: Path
) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        await client.send(message)
        answer = json.loads(await client.recv())

        assert answer["route"] == route
        assert answer["event"]["body"] == message


async def test_without_a_default_route_an_unknown_action_is_forbidden_and_the_socket_stays(tmp_path: Path) -> None:
    async with running_sockets(tmp_path, routes=("$connect", "event")) as gateway, gateway.connect() as client:
        refused = await ask(client, "unknown")

        assert refused["message"] == "Forbidden"
        assert refused.keys() == {"message", "connectionId", "requestId"}
        assert (await ask(client, "event"))["route"] == "event"


@pytest.mark.parametrize("action", ["fail", "odd"])
async def test_a_failed_integration_is_said_without_its_reason_and_the_socket_stays(
    action: str, tmp_path: Path
) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        failed = await ask(client, action)

        assert failed["message"] == "Internal server error"
        assert failed.keys() == {"message", "connectionId", "requestId"}
        assert (await ask(client, "event"))["route"] == "event"


async def test_a_route_without_a_body_answers_nothing(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        await client.send('{"action": "silent"}')

        assert (await ask(client, "event"))["route"] == "event"


async def test_messages_of_a_client_are_answered_in_order_and_each_has_an_id(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        for number in range(60):
            await client.send(json.dumps({"action": "slow" if number == 0 else "event", "number": number}))
        events = [json.loads(await client.recv())["event"] for _ in range(60)]

        assert [json.loads(event["body"])["number"] for event in events] == list(range(60))
        assert len({event["requestContext"]["messageId"] for event in events}) == 60
        assert len({event["requestContext"]["connectionId"] for event in events}) == 1


async def test_a_clients_slow_message_does_not_hold_up_another_client(tmp_path: Path) -> None:
    async with (
        running_sockets(tmp_path) as gateway,
        gateway.connect() as slow,
        gateway.connect() as quick,
    ):
        await ask(slow, "event")
        for _ in range(10):
            await slow.send('{"action": "slow"}')
        answers = [await asyncio.wait_for(ask(quick, "event"), 2) for _ in range(5)]

        assert len(answers) == 5


async def test_a_fragmented_message_arrives_whole(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        await client.send(['{"action": ', '"event", "text": "', "ä" * 1000, '"}'])
        answer = json.loads(await client.recv())

        assert json.loads(answer["event"]["body"])["text"] == "ä" * 1000


async def code_of(client: websockets.ClientConnection) -> tuple[int, str]:
    """How the server closes the connection."""
    async with asyncio.timeout(60):
        await client.wait_closed()
    assert client.close_code is not None
    return client.close_code, client.close_reason or ""


async def test_a_message_at_the_limit_passes_and_a_longer_one_closes_with_1009(tmp_path: Path) -> None:
    limit = 128 * 1024
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client, gateway.connect() as other:
        await client.send("x" * limit)
        passed = json.loads(await client.recv())
        await client.send("x" * (limit + 1))
        code, _ = await code_of(client)
        await until(lambda: bool(gateway.recorded("$disconnect")))

        assert len(passed["event"]["body"]) == limit
        assert code == 1009
        assert gateway.recorded("$disconnect")[0]["requestContext"]["disconnectStatusCode"] == 1009
        assert (await ask(other, "event"))["route"] == "event"


async def test_a_fragmented_message_over_the_limit_closes_with_1009(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        with suppress(websockets.ConnectionClosed):
            await client.send(["x" * 60_000] * 3)

        assert (await code_of(client))[0] == 1009


async def test_a_binary_message_closes_with_1003(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        await client.send(b"\x00\x01")

        assert (await code_of(client))[0] == 1003


async def test_text_that_is_not_utf_8_closes_with_1007(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        await client.send(b"\xff\xfe", text=True)

        assert (await code_of(client))[0] == 1007


async def test_a_client_that_is_idle_is_sent_away_and_one_that_pings_is_not(tmp_path: Path) -> None:
    async with (
        running_sockets(tmp_path, websocket_idle_timeout=0.6) as gateway,
        gateway.connect() as idle,
        gateway.connect(ping_interval=0.1) as alive,
    ):
        ended = await code_of(idle)

        assert ended == (1001, "Going away")
        assert (await ask(alive, "event"))["route"] == "event"
        await until(lambda: len(gateway.recorded("$disconnect")) == 1)


async def test_a_connection_that_is_too_old_is_sent_away_however_busy(tmp_path: Path) -> None:
    async with (
        running_sockets(tmp_path, websocket_maximum_age=0.6) as gateway,
        gateway.connect(ping_interval=0.05) as client,
    ):
        assert await code_of(client) == (1001, "Going away")


async def test_a_disconnect_tells_the_function_the_clients_code_and_reason(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway:
        async with gateway.connect() as client:
            await client.close(4001, "enough")
        await until(lambda: len(gateway.recorded("$disconnect")) == 1)
        async with gateway.connect() as silent:
            silent.transport.abort()
        await until(lambda: len(gateway.recorded("$disconnect")) == 2)

        said, lost = (event["requestContext"] for event in gateway.recorded("$disconnect"))
        assert (said["disconnectStatusCode"], said["disconnectReason"]) == (4001, "enough")
        assert (lost["disconnectStatusCode"], lost["eventType"]) == (1006, "DISCONNECT")
        assert len(gateway.part.connections) == 0


async def test_what_was_sent_before_the_close_is_handled_before_the_disconnect(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway:
        async with gateway.connect() as client:
            for _ in range(3):
                await client.send('{"action": "slow"}')
        began = time.monotonic()
        await until(lambda: len(gateway.recorded("$disconnect")) == 1)

        assert time.monotonic() - began > 0.5  # the three take 0.3 s each


async def test_a_server_that_stops_says_goodbye_and_tells_the_function(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway:
        client = await gateway.connect()
        ending = asyncio.create_task(code_of(client))
        await asyncio.sleep(0)

    assert await ending == (1001, "Going away")
    assert len(gateway.recorded("$disconnect")) == 1
