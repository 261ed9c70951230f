"""One server without AWS does what every platform must: the core of the end-to-end tests, with two ASGI workers.

``FULLON_E2E_TARGET=container`` runs all of them on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import asyncpg
import psutil
import pytest
import websockets

from fullon.streams.owners import owner_of
from tests.e2e.container import WORKERS, ContainerPlatform, running_container
from tests.e2e.platform import PASSWORD, until
from tests.e2e.targets import SPEED
from tests.e2e.test_core import (
    test_an_admin_stops_and_starts_a_service,
    test_candles_are_collected_and_served,
    test_connections_that_are_gone_are_noticed_and_make_room_for_others,
    test_identity_cannot_be_claimed_by_a_header,
    test_the_authorizer_tells_a_missing_a_bad_and_a_good_credential_apart,
    test_the_platform_is_ready_and_shows_its_documents_to_everybody,
)
from tests.e2e.test_refusals import (
    test_a_ticket_opens_one_socket_only,
    test_logging_out_closes_the_live_socket_of_the_session,
)
from tests.e2e.test_sockets import (
    ask,
    frames,
    test_garbage_is_answered_with_an_error_and_the_socket_stays,
)

__all__ = [
    "test_a_ticket_opens_one_socket_only",
    "test_an_admin_stops_and_starts_a_service",
    "test_candles_are_collected_and_served",
    "test_connections_that_are_gone_are_noticed_and_make_room_for_others",
    "test_garbage_is_answered_with_an_error_and_the_socket_stays",
    "test_identity_cannot_be_claimed_by_a_header",
    "test_logging_out_closes_the_live_socket_of_the_session",
    "test_the_authorizer_tells_a_missing_a_bad_and_a_good_credential_apart",
    "test_the_platform_is_ready_and_shows_its_documents_to_everybody",
]


pytestmark = pytest.mark.targets("run", reason="starts a server of its own, which another target would only repeat")


@pytest.fixture(scope="module")
def platform() -> Iterator[ContainerPlatform]:
    with running_container(SPEED) as container:
        yield container


async def owners(platform: ContainerPlatform) -> dict[str, str]:
    """Which process holds which connection, by the rows that the streamer goes by."""
    connection = await asyncpg.connect(platform.database_url)
    try:
        rows = await connection.fetch("SELECT connection_id FROM ws_connections")
    finally:
        await connection.close()
    return {row["connection_id"]: owner_of(row["connection_id"]) or "nobody" for row in rows}


def worker_at(platform: ContainerPlatform, owner: str) -> psutil.Process:
    """The process below the server that listens at the address of an owner of connections."""
    port = urlsplit(owner).port
    for process in platform.server.children(recursive=True):
        if any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in process.net_connections()):
            return process
    raise AssertionError(f"nothing below the server listens at {owner}")


async def test_connections_of_every_worker_are_pushed_to_and_a_killed_one_takes_only_its_own(
    collecting: ContainerPlatform,
) -> None:
    async with AsyncExitStack() as stack:
        sockets: list[websockets.ClientConnection] = []
        while len(set((await owners(collecting)).values())) < WORKERS:
            assert len(sockets) < 20, "all connections went to one worker"
            # Nobody reads while the dead worker is noticed; a full queue would leave the server's pongs unread too.
            socket = collecting.socket(await collecting.token(), max_queue=None)
            sockets.append(await stack.enter_async_context(socket))
            await ask(sockets[-1], action="subscribe", channel="tickers", exchange="paper", symbol="BTC/USDT")
        for each in sockets:
            await frames(each, 3, "tickers")

        worker_at(collecting, next(iter((await owners(collecting)).values()))).kill()

        async def half() -> bool:
            return len(set((await owners(collecting)).values())) == WORKERS - 1

        await until(half, 60, "the dead worker's connections removed")
        left = [each for each in sockets if await lives(each)]
        closed = [(each.close_code, each.close_reason) for each in sockets]
        assert collecting.logs is not None
        assert 0 < len(left) < len(sockets), f"{closed}\n{(collecting.logs / 'fullon-server.log').read_text()[-6000:]}"
        for each in left:
            await frames(each, 3, "tickers")


async def lives(socket: websockets.ClientConnection) -> bool:
    try:
        return bool((await ask(socket, action="ping"))["type"] == "pong")
    except websockets.ConnectionClosed:
        return False


async def test_neither_a_ticket_nor_a_token_nor_a_password_is_in_any_log(collecting: ContainerPlatform) -> None:
    token = await collecting.token()
    async with collecting.client(token) as client:
        ticket = (await client.post("/api/v1/auth/ws-ticket")).json()["ticket"]
    async with websockets.connect(f"{collecting.websocket_url}?ticket={ticket}") as socket:
        await ask(socket, action="ping")
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(f"{collecting.websocket_url}?token={token}x")

    assert collecting.logs is not None
    for path in collecting.logs.rglob("*.log"):
        text = path.read_text(errors="replace")
        for secret in (token, ticket, PASSWORD):
            assert secret not in text, path


async def test_a_stopped_server_says_goodbye_and_forgets_its_connections(collecting: ContainerPlatform) -> None:
    async with collecting.socket(await collecting.token()) as socket:
        await ask(socket, action="ping")

        collecting.server.terminate()
        async with asyncio.timeout(60):
            with pytest.raises(websockets.ConnectionClosed) as end:
                while True:
                    await socket.recv()

    assert end.value.rcvd is not None
    assert end.value.rcvd.code in (1001, 1012)
    await asyncio.to_thread(collecting.server.wait, 15)
    assert await owners(collecting) == {}
