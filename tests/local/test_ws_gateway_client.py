"""The streamer's client of ``@connections``: against the gateway's listener, and against servers that are less kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fullon.kernel.errors import Unavailable
from fullon.streams.gateway import GatewayClient, Outcome
from fullon.streams.sigv4 import Credentials
from local.ports import free_port
from tests.local.platform import until
from tests.local.sockets import ACCESS_KEY, ask, identifier, running_sockets

DONE, GONE, REFUSED, UNKNOWN, UNREACHABLE = (
    Outcome.DONE,
    Outcome.GONE,
    Outcome.REFUSED,
    Outcome.UNKNOWN,
    Outcome.UNREACHABLE,
)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def local_credentials() -> Credentials:
    return Credentials(ACCESS_KEY, "any")


@asynccontextmanager
async def a_client(
    url: str, credentials: Callable[[], Awaitable[Credentials]] = local_credentials, **options: Any
) -> AsyncIterator[GatewayClient]:
    client = GatewayClient(url, "us-east-1", credentials, **options)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def outcome(call: Callable[..., None], *arguments: Any) -> Outcome:
    """What became of one request."""
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    call(*arguments, future.set_result)
    assert not future.done()  # never before the call has returned
    async with asyncio.timeout(60):
        return await future


async def post(client: GatewayClient, connection_id: str, body: bytes) -> Outcome:
    return await outcome(client.post, client.target(connection_id), body)


async def test_pushes_reach_the_client_of_the_gateway(tmp_path: Path) -> None:
    async with (
        running_sockets(tmp_path) as gateway,
        gateway.connect() as socket,
        a_client(gateway.part.management_url) as client,
    ):
        connection_id = await identifier(socket)
        target = client.target(connection_id)

        assert await post(client, connection_id, b"first") is DONE
        assert await socket.recv() == "first"
        assert await outcome(client.look, target) is DONE
        assert await outcome(client.end, target) is DONE
        await socket.wait_closed()
        for call in (client.look, client.end):
            assert await outcome(call, target) is GONE
        assert await post(client, connection_id, b"late") is GONE


async def test_thousands_of_pushes_at_once_arrive_in_order_over_few_connections(tmp_path: Path) -> None:
    async with (
        running_sockets(tmp_path, websocket_buffer_limit=2**24) as gateway,
        gateway.connect() as one,
        gateway.connect() as other,
        a_client(gateway.part.management_url) as client,
    ):
        outcomes: list[Outcome] = []
        ids = [await identifier(one), await identifier(other)]
        targets = [client.target(connection_id) for connection_id in ids]
        for number in range(2_000):
            # One after the other for each connection, as the streamer does it.
            waiting = [outcome(client.post, target, str(number).encode()) for target in targets]
            outcomes += await asyncio.gather(*waiting)
        gone = client.target("nobody=")
        for _ in range(3_000):
            client.post(gone, b"x" * 100, outcomes.append)
        await until(lambda: len(outcomes) == 7_000)

        assert outcomes.count(DONE) == 4_000
        assert outcomes.count(GONE) == 3_000
        for socket in (one, other):
            assert [await socket.recv() for _ in range(2_000)] == [str(number) for number in range(2_000)]
        assert client.depth > 1
        assert len(client._lines) <= 4


async def test_wrong_credentials_and_full_buffers_are_refusals(tmp_path: Path) -> None:
    async def wrong() -> Credentials:
        return Credentials("AKIDWRONG", "any")

    async with (
        running_sockets(tmp_path) as gateway,
        gateway.connect() as socket,
        a_client(gateway.part.management_url, wrong) as stranger,
        a_client(gateway.part.management_url) as client,
    ):
        connection_id = await identifier(socket)
        assert await post(stranger, connection_id, b"x") is REFUSED

        socket.transport.pause_reading()
        outcomes = [await post(client, connection_id, b"x" * 100_000) for _ in range(150)]
        assert outcomes[-1] is REFUSED
        socket.transport.abort()


async def test_a_gateway_that_is_not_there_is_unreachable_and_is_found_when_it_comes() -> None:
    port = free_port()
    async with a_client(f"http://127.0.0.1:{port}") as client:
        outcomes = [await post(client, "a=", b"x") for _ in range(3)]
        away = (client.reachable, client.losses)
        server = await asyncio.start_server(polite, "127.0.0.1", port)
        found = await post(client, "a=", b"x")
        server.close()

    assert outcomes == [UNREACHABLE] * 3
    assert away == (False, 3)
    assert (found, client.reachable) == (DONE, True)


async def a_request(reader: asyncio.StreamReader) -> bytes:
    """Read one request; returns its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    return await reader.readexactly(length)


async def polite(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one request after the other."""
    try:
        while True:
            await a_request(reader)
            writer.write(OK)
    except asyncio.IncompleteReadError:
        writer.close()


@asynccontextmanager
async def a_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_a_server_that_says_nothing_of_pipelining_gets_one_request_at_a_time() -> None:
    connections = 0
    surplus: list[bytes] = []

    async def strict(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while True:
                await a_request(reader)
                await asyncio.sleep(0.005)
                surplus.append(reader._buffer[:])  # type: ignore[attr-defined]
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: now\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()

    async with a_server(strict) as url, a_client(url, connections=5) as client:
        outcomes: list[Outcome] = []
        for _ in range(60):
            client.post(client.target("a="), b"{}", outcomes.append)
        await until(lambda: len(outcomes) == 60)

    assert set(outcomes) == {DONE}
    assert 1 < connections <= 5
    assert not any(surplus)


async def test_a_connection_that_breaks_leaves_its_requests_unknown_and_the_rest_goes_on() -> None:
    seen = 0

    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        try:
            while True:
                await a_request(reader)
                seen += 1
                if seen % 5 == 0:
                    writer.transport.abort()
                    return
                writer.write(OK.replace(b"\r\n\r\n", b"\r\nX-Pipelining: 8\r\n\r\n"))
        except asyncio.IncompleteReadError:
            writer.close()

    async with a_server(breaks) as url, a_client(url) as client:
        outcomes: list[Outcome] = []
        for _ in range(60):
            client.post(client.target("a="), b"{}", outcomes.append)
        await until(lambda: len(outcomes) == 60)

    assert set(outcomes) == {DONE, UNKNOWN}


async def test_no_answer_in_time_is_unknown() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with a_server(silent) as url, a_client(url, patience=0.3) as client:
        assert await post(client, "a=", b"x") is UNKNOWN


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", GONE),
        (b"HTTP/1.1 429 Slow\r\nContent-Length: 2\r\n\r\n{}", REFUSED),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", REFUSED),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", DONE),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/", DONE),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", DONE),
        (b"nonsense\r\n\r\n", UNKNOWN),
        (b"", UNKNOWN),
    ],
)
async def test_answers_are_understood_whole_and_in_pieces(answer: bytes, expected: Outcome) -> None:
    async def in_pieces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                body = await a_request(reader)
                pieces = [answer] if body == b"whole" else [answer[:20], answer[20:]]
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.01)
                if not answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    async with a_server(in_pieces) as url, a_client(url) as client:
        outcomes = [await post(client, "a=", body) for body in (b"whole", b"whole", b"pieces", b"whole")]

    assert outcomes == [expected] * 4


async def test_answers_that_come_in_one_read_are_counted_one_by_one() -> None:
    async def hoards(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fine = OK.replace(b"\r\n\r\n", b"\r\nX-Pipelining: 8\r\n\r\n")
        try:
            await a_request(reader)
            writer.write(fine)
            while True:
                for _ in range(4):
                    await a_request(reader)
                writer.write(fine * 2 + b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n" + fine[:30])
                await writer.drain()
                await asyncio.sleep(0.01)
                writer.write(fine[30:])
        except asyncio.IncompleteReadError:
            writer.close()

    async with a_server(hoards) as url, a_client(url, connections=1) as client:
        assert await post(client, "a=", b"x") is DONE
        outcomes: list[Outcome] = []
        for _ in range(40):
            client.post(client.target("a="), b"{}", outcomes.append)
        await until(lambda: len(outcomes) == 40)

    assert outcomes == [DONE, DONE, GONE, DONE] * 10


async def test_an_answer_that_nobody_asked_for_ends_the_connection() -> None:
    async def chatty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await a_request(reader)
                writer.write(OK + OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with a_server(chatty) as url, a_client(url) as client:
        assert [await post(client, "a=", b"x") for _ in range(4)] == [DONE] * 4


async def test_requests_under_way_are_told_when_the_client_closes() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    outcomes: list[Outcome] = []
    async with a_server(silent) as url:
        async with a_client(url) as client:
            client.post(client.target("a="), b"x", outcomes.append)
            await until(lambda: bool(client._lines and client._lines[0].under_way))
        await until(lambda: outcomes == [UNKNOWN])


async def test_a_client_without_credentials_does_not_start() -> None:
    async def none() -> Credentials:
        raise Unavailable("none")

    with pytest.raises(Unavailable):
        await GatewayClient("http://127.0.0.1:1", "us-east-1", none).start()


@pytest.mark.parametrize("endpoint", ["", "127.0.0.1:80", "ftp://x", "http://"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        GatewayClient(endpoint, "us-east-1", local_credentials)


async def test_the_gateways_functions_still_answer_while_pushes_pour_in(tmp_path: Path) -> None:
    async with (
        running_sockets(tmp_path, websocket_buffer_limit=2**24) as gateway,
        gateway.connect() as flooded,
        gateway.connect() as other,
        a_client(gateway.part.management_url) as client,
    ):
        target = client.target(await identifier(flooded))
        outcomes: list[Outcome] = []
        for _ in range(3_000):
            client.post(target, b"x" * 200, outcomes.append)

        assert (await asyncio.wait_for(ask(other, "event"), 60))["route"] == "event"
        await until(lambda: len(outcomes) == 3_000)
        assert set(outcomes) == {DONE}
        flooded.transport.abort()
