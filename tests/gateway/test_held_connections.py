"""WebSockets of the one server: handshakes, routes, limits, and pushes to the process that holds a connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
import websockets
from botocore.config import Config
from botocore.exceptions import ClientError

from fullon.runtime.container import Container
from fullon.runtime.gateway.asgi_wire import AsgiWire
from fullon.runtime.gateway.connections import Connections, Sent
from fullon.runtime.gateway.held import HeldConnections
from fullon.runtime.gateway.in_process import InProcess
from fullon.runtime.gateway.management import ManagementListener
from fullon.runtime.gateway.parts import Message
from fullon.runtime.gateway.signature import Verifier
from fullon.runtime.settings import Settings
from fullon.streams.owners import owner_of
from local.ports import free_port
from tests.gateway.functions_under_test.socket.app import EVENTS
from tests.gateway.server import KEYS, MANIFEST, SETTINGS, Server, ask, running_server

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient


@pytest.fixture(autouse=True)
def no_events() -> Iterator[None]:
    EVENTS.clear()
    yield
    EVENTS.clear()


def management(url: str, secret: str = KEYS["AWS_SECRET_ACCESS_KEY"]) -> ApiGatewayManagementApiClient:
    """The unmodified AWS client of the management API."""
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


async def push(server: Server, connection_id: str, text: str) -> None:
    client = management(server.management_url)
    await asyncio.to_thread(client.post_to_connection, ConnectionId=connection_id, Data=text.encode())


async def test_an_event_carries_the_authorizers_context_and_an_id_that_names_the_process() -> None:
    async with running_server() as server, server.connect() as socket:
        request = await ask(socket, "echo")

        assert request["authorizer"] == {"principalId": "u1", "user_id": "u1", "admin": "true"}
        assert owner_of(request["connectionId"]) == server.management_url
        assert request["identity"]["sourceIp"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("query", "path", "status"), [("", "/ws", 401), ("?ticket=other", "/ws", 403), ("?ticket=good", "/other", 404)]
)
async def test_a_handshake_is_refused_with_the_reasons_status(query: str, path: str, status: int) -> None:
    async with running_server() as server:
        with pytest.raises(websockets.InvalidStatus) as refusal:
            await server.connect(query, path)

    assert refusal.value.response.status_code == status
    assert refusal.value.response.headers["Content-Type"] == "application/problem+json"


async def test_a_push_arrives_and_one_to_a_connection_that_is_gone_is_told_so() -> None:
    async with running_server() as server:
        async with server.connect() as socket:
            connection_id = str((await ask(socket, "echo"))["connectionId"])
            await push(server, connection_id, "Grüße")
            received = await asyncio.wait_for(socket.recv(), 60)
        with pytest.raises(ClientError) as gone:
            await push(server, connection_id, "late")

    assert received == "Grüße"
    assert gone.value.response["ResponseMetadata"]["HTTPStatusCode"] == 410
    assert [event["requestContext"]["routeKey"] for event in EVENTS] == ["$connect", "echo", "$disconnect"]
    assert EVENTS[-1]["requestContext"]["disconnectStatusCode"] == 1000


async def test_the_management_api_describes_and_ends_a_connection() -> None:
    async with running_server() as server, server.connect() as socket:
        connection_id = str((await ask(socket, "echo"))["connectionId"])
        client = management(server.management_url)
        described = await asyncio.to_thread(client.get_connection, ConnectionId=connection_id)
        await asyncio.to_thread(client.delete_connection, ConnectionId=connection_id)
        with pytest.raises(websockets.ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 60)

    assert described["Identity"]["SourceIp"] == "127.0.0.1"


async def test_a_message_over_128_kilobytes_and_a_binary_one_end_the_connection() -> None:
    async with running_server() as server:
        for message, code in (("x" * (128 * 1024 + 1), 1009), (b"binary", 1003)):
            async with server.connect() as socket:
                await socket.send(message)
                with pytest.raises(websockets.ConnectionClosed):
                    await asyncio.wait_for(socket.recv(), 60)
            assert socket.close_code == code


async def test_a_function_that_fails_says_nothing_of_it_and_the_socket_stays() -> None:
    async with running_server() as server, server.connect() as socket:
        failed = await ask(socket, "fail")
        unknown = await ask(socket, "unknown")
        echoed = await ask(socket, "echo")

    assert failed["message"] == "Internal server error"
    assert unknown["message"] == "Forbidden"
    assert echoed["routeKey"] == "echo"


async def test_more_messages_than_may_wait_are_all_answered_in_their_order() -> None:
    async with running_server() as server, server.connect() as socket:
        for number in range(60):
            await socket.send(json.dumps({"action": "echo", "number": number}))
        answers = [json.loads(await asyncio.wait_for(socket.recv(), 60)) for _ in range(60)]

    assert len({answer["messageId"] for answer in answers}) == 60


async def test_a_client_that_does_not_read_fills_its_buffer_and_no_more() -> None:
    blocked, opened, ends = asyncio.Event(), asyncio.Event(), list[int]()

    async def receive() -> Message:
        if opened.is_set():
            await blocked.wait()
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        if message["type"] == "websocket.send":
            await blocked.wait()

    class Accepts:
        def opening(self, wire: AsgiWire, target: str, headers: object) -> None:
            wire.accept()
            opened.set()

        def received(self, wire: AsgiWire, text: str) -> None: ...

        def closed(self, wire: AsgiWire, code: int, reason: str) -> None:
            ends.append(code)

    scope = {"type": "websocket", "path": "/ws", "query_string": b"", "headers": [], "client": ("1.2.3.4", 5)}
    wire = AsgiWire(Accepts(), scope, 1000, buffer_limit=100)  # type: ignore[arg-type]
    task = asyncio.create_task(wire.run(receive, send))
    await opened.wait()

    outcomes = [wire.send(b"x" * 40) for _ in range(4)]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert outcomes == [Sent.DONE, Sent.DONE, Sent.FULL, Sent.FULL]
    assert ends == [1006]
    assert wire.send(b"x") is Sent.GONE


async def test_away_from_loopback_a_push_must_be_signed_with_the_secret() -> None:
    connections = Connections(1000, 60, 60, lambda: 0.0)
    verifier = Verifier(KEYS["AWS_ACCESS_KEY_ID"], KEYS["AWS_SECRET_ACCESS_KEY"])
    listener = ManagementListener(connections, KEYS["AWS_ACCESS_KEY_ID"], verifier)
    await listener.start("127.0.0.1", 0)
    try:
        statuses = []
        for secret in (KEYS["AWS_SECRET_ACCESS_KEY"], "another"):
            client = management(listener.url, secret)
            with pytest.raises(ClientError) as error:
                await asyncio.to_thread(client.post_to_connection, ConnectionId="abc~fwAAAU=", Data=b"hello")
            statuses.append(error.value.response["ResponseMetadata"]["HTTPStatusCode"])
    finally:
        await listener.stop()

    assert statuses == [410, 403]


async def test_processes_of_one_host_take_one_port_after_the_other() -> None:
    port = free_port()
    settings = Settings(**SETTINGS, management_port=port)
    functions = InProcess(MANIFEST, Container(settings))
    processes = [HeldConnections(functions, MANIFEST, settings, KEYS) for _ in range(3)]
    try:
        for process in processes:
            await process.start()

        ports = [int(process.management_url.rsplit(":", 1)[1]) for process in processes]
    finally:
        for process in processes:
            await process.stop()

    assert ports[0] >= port
    assert ports == sorted(set(ports))
