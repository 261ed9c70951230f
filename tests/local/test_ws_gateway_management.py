"""Pushing to sockets: unmodified boto3 against the management listener."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import websockets
from botocore.exceptions import ClientError

from tests.local.platform import until
from tests.local.sockets import ACCESS_KEY, SocketGateway, ask, identifier, running_sockets

SIGNED = {"Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/us-east-1/execute-api/aws4_request"}


def outcome(call: Any, **arguments: Any) -> tuple[str, int]:
    """The error of a boto3 call."""
    with pytest.raises(ClientError) as failed:
        call(**arguments)
    response = failed.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("stage", ["", "/prod"])
async def test_boto3_pushes_text_to_a_client(stage: str, tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        connection_id = await identifier(client)
        management = gateway.boto3(stage=stage)

        for data in (b"{}", "ä".encode() * 100, b"x" * 70_000):
            await asyncio.to_thread(management.post_to_connection, ConnectionId=connection_id, Data=data)
            assert await client.recv() == data.decode()


async def test_boto3_reads_when_a_client_connected_and_was_active(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect(user_agent_header="tester/1") as client:
        connection_id = await identifier(client)

        told = await asyncio.to_thread(gateway.boto3().get_connection, ConnectionId=connection_id)

        assert told["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "tester/1"}
        assert told["ConnectedAt"] <= told["LastActiveAt"] <= datetime.now(UTC)
        assert (datetime.now(UTC) - told["ConnectedAt"]).total_seconds() < 60


async def test_boto3_ends_a_connection_and_then_it_is_gone(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        connection_id = await identifier(client)
        management = gateway.boto3()

        await asyncio.to_thread(management.delete_connection, ConnectionId=connection_id)
        with pytest.raises(websockets.ConnectionClosedOK):
            await client.recv()
        await until(lambda: len(gateway.recorded("$disconnect")) == 1)

        for call in (management.get_connection, management.delete_connection):
            assert await asyncio.to_thread(outcome, call, ConnectionId=connection_id) == ("GoneException", 410)
        posted = await asyncio.to_thread(
            outcome, management.post_to_connection, ConnectionId=connection_id, Data=b"late"
        )
        assert posted == ("GoneException", 410)


async def test_a_connection_that_never_was_is_gone(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway:
        call = gateway.boto3().post_to_connection

        assert await asyncio.to_thread(outcome, call, ConnectionId="bm90aGluZw=", Data=b"x") == ("GoneException", 410)


async def test_a_client_that_vanished_without_a_word_is_gone(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway:
        async with gateway.connect() as client:
            connection_id = await identifier(client)
            client.transport.abort()
        await until(lambda: len(gateway.part.connections) == 0)

        call = gateway.boto3().post_to_connection
        assert await asyncio.to_thread(outcome, call, ConnectionId=connection_id, Data=b"x") == ("GoneException", 410)


async def test_other_credentials_are_refused(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        connection_id = await identifier(client)
        call = gateway.boto3(access_key="AKIDOTHER").post_to_connection

        refused = await asyncio.to_thread(outcome, call, ConnectionId=connection_id, Data=b"x")

        assert refused == ("ForbiddenException", 403)
        assert (await ask(client, "event"))["route"] == "event"


async def test_the_management_listener_is_not_on_the_public_port(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client, httpx2.AsyncClient() as http:
        connection_id = await identifier(client)

        answer = await http.post(f"{gateway.url}/@connections/{connection_id}", content=b"x", headers=SIGNED)

        assert answer.status_code == 404


async def test_a_push_over_the_limit_is_refused_and_one_at_the_limit_is_not(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        connection_id = await identifier(client)
        call = gateway.boto3().post_to_connection

        refused = await asyncio.to_thread(outcome, call, ConnectionId=connection_id, Data=b"x" * (128 * 1024 + 1))
        await asyncio.to_thread(call, ConnectionId=connection_id, Data=b"y" * 128 * 1024)

        assert refused == ("PayloadTooLargeException", 413)
        assert await client.recv() == "y" * 128 * 1024


async def test_a_push_that_is_not_text_is_refused(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        connection_id = await identifier(client)
        call = gateway.boto3().post_to_connection

        refused = await asyncio.to_thread(outcome, call, ConnectionId=connection_id, Data=b"\xff\xff")

        assert refused == ("BadRequestException", 400)


async def test_a_client_that_does_not_read_is_refused_more_and_holds_up_nobody(tmp_path: Path) -> None:
    async with (
        running_sockets(tmp_path) as gateway,
        gateway.connect() as slow,
        gateway.connect() as quick,
        httpx2.AsyncClient(headers=SIGNED) as http,
    ):
        slow_id, quick_id = await identifier(slow), await identifier(quick)
        slow.transport.pause_reading()

        statuses = [await push(http, gateway, slow_id, b"x" * 100_000) for _ in range(150)]
        assert await push(http, gateway, quick_id, b"quick") == 200

        assert statuses[0] == 200
        assert statuses[-1] == 429
        assert await quick.recv() == "quick"

        slow.transport.resume_reading()
        for _ in range(statuses.count(200)):
            assert len(await asyncio.wait_for(slow.recv(), 60)) == 100_000
        assert await push(http, gateway, slow_id, b"again") == 200
        assert await slow.recv() == "again"


async def push(http: httpx2.AsyncClient, gateway: SocketGateway, connection_id: str, data: bytes) -> int:
    answer = await http.post(f"{gateway.part.management_url}/@connections/{connection_id}", content=data)
    return answer.status_code


async def test_requests_that_follow_each_other_without_waiting_are_answered_in_order(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        connection_id = await identifier(client)
        host, port = gateway.part.management_url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /@connections/{connection_id} HTTP/1.1\r\nHost: x\r\nAuthorization: {SIGNED['Authorization']}\r\n"

        requests = [f"{head}Content-Length: 2\r\n\r\n{number}" for number in range(10, 60)]
        gone = f"{head.replace(connection_id, 'gone=')}Content-Length: 0\r\n\r\n"
        writer.write("".join([*requests, gone, requests[0]]).encode())
        await writer.drain()
        writer.write_eof()
        answers = (await reader.read()).decode()
        writer.close()

        assert re.findall(r"HTTP/1.1 (\d+)", answers) == [*["200"] * 50, "410", "200"]
        assert [await client.recv() for _ in range(51)] == [*map(str, range(10, 60)), "10"]


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("BREW /@connections/x HTTP/1.1\r\n\r\n", 400),
        ("nonsense\r\n\r\n", 400),
        ("PUT /@connections/x HTTP/1.1\r\nAuthorization: {signed}\r\nContent-Length: 0\r\n\r\n", 405),
        ("POST /elsewhere HTTP/1.1\r\nAuthorization: {signed}\r\nContent-Length: 0\r\n\r\n", 404),
        ("POST /@connections/x HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 403),
        ("POST /@connections/%ff HTTP/1.1\r\nAuthorization: {signed}\r\nContent-Length: 0\r\n\r\n", 404),
    ],
)
async def test_other_requests_get_the_errors_of_the_service(request_text: str, status: int, tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway:
        host, port = gateway.part.management_url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))

        writer.write(request_text.format(signed=SIGNED["Authorization"]).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        writer.close()

        assert int(head.split()[1]) == status
        assert "x-amzn-ErrorType: " in head


async def test_no_gateway_without_an_access_key_takes_pushes(tmp_path: Path) -> None:
    async with running_sockets(tmp_path) as gateway, gateway.connect() as client:
        connection_id = await identifier(client)
        gateway.part._management._credential = None
        call = gateway.boto3(access_key="AKID").post_to_connection

        refused = await asyncio.to_thread(outcome, call, ConnectionId=connection_id, Data=json.dumps({}).encode())

        assert refused[1] == 403
