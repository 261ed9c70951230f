"""When a socket has to go: expired, logged out, deactivated, revoked, abusive, dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from fullon.identity.cache import REVOKED_CHANNEL
from fullon.identity.model import Identity
from tests.daemons.streaming import Streaming, running_streaming, somebody
from tests.local.platform import until
from tests.people import a_key


@pytest.fixture
async def streaming(
    tmp_path: Path, platform_database: str, candles_database: str, valkey_url: str
) -> AsyncIterator[Streaming]:
    async with running_streaming(tmp_path, platform_database, candles_database, valkey_url) as streaming:
        yield streaming


async def rows(streaming: Streaming) -> int:
    async with streaming.database.acquire() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM ws_connections"))


async def execute(streaming: Streaming, statement: str, *arguments: object) -> None:
    async with streaming.database.acquire() as connection:
        await connection.execute(statement, *arguments)


async def test_an_expired_token_closes_its_socket(streaming: Streaming) -> None:
    async with (
        streaming.client(await somebody(streaming, lasting=timedelta(seconds=3))) as client,
        streaming.client(await somebody(streaming)) as other,
    ):
        await client.subscribe("tickers", exchange="paper")

        assert (await client.farewell(8))["reason"] == "token_expired"
        assert (await other.ask(action="ping"))["type"] == "pong"


@pytest.mark.parametrize("bell", [True, False])
async def test_a_logout_closes_the_sockets_of_the_session_only(bell: bool, streaming: Streaming) -> None:
    identity = await somebody(streaming)
    again = await somebody(streaming, uid=identity.user_id)
    async with streaming.client(identity) as client, streaming.client(again) as other:
        await client.subscribe("tickers", exchange="paper")
        await execute(streaming, "UPDATE sessions SET revoked_at = now() WHERE sid = $1", identity.session)
        if bell:
            news = {"kind": "jwt", "id": str(identity.session)}
            await streaming.valkey.publish(REVOKED_CHANNEL, orjson.dumps(news))

        assert (await client.farewell())["reason"] == "session_ended"
        assert (await other.ask(action="ping"))["type"] == "pong"
        await until(lambda: _is(streaming, 1))


async def _is(streaming: Streaming, count: int) -> bool:
    return await rows(streaming) == count


async def test_a_deactivation_closes_every_socket_of_the_user(streaming: Streaming) -> None:
    identity = await somebody(streaming)
    async with streaming.client(identity) as one, streaming.client(identity) as other:
        await one.subscribe("trades", exchange="paper", symbol="BTC/USDT")
        await execute(streaming, "UPDATE users SET active = false WHERE uid = $1", identity.user_id)

        for client in (one, other):
            assert (await client.farewell())["reason"] == "user_deactivated"


async def test_a_revoked_key_closes_its_socket(streaming: Streaming) -> None:
    async with streaming.database.acquire() as connection:
        identity: Identity = await a_key(connection)
    async with streaming.client(identity) as client:
        await client.subscribe("tickers", exchange="paper")
        await execute(streaming, "UPDATE api_keys SET is_active = false")

        assert (await client.farewell())["reason"] == "key_revoked"


async def test_nothing_is_pushed_after_the_farewell(streaming: Streaming) -> None:
    identity = await somebody(streaming)
    async with streaming.client(identity) as client:
        await client.subscribe("tickers", exchange="paper")
        await execute(streaming, "UPDATE users SET active = false")
        await streaming.valkey.publish(REVOKED_CHANNEL, orjson.dumps({"user_id": str(identity.user_id)}))
        heard: list[str] = []
        async with asyncio.timeout(8):
            async for text in client.socket:
                await streaming.tick(price=str(len(heard)))
                heard.append(orjson.loads(text)["type"])

        assert heard[-1] == "bye"


async def test_a_dead_connection_loses_its_rows_also_when_the_disconnect_was_lost(streaming: Streaming) -> None:
    identity = await somebody(streaming)
    async with streaming.client(identity) as client:
        await client.subscribe("tickers", exchange="paper", symbol="BTC/USDT")
        await client.pushed(1)
    await until(lambda: _is(streaming, 0))
    await execute(
        streaming,
        "INSERT INTO ws_connections (connection_id, uid, identity, kind, session, connected_at, expires_at)"
        " VALUES ('bGVmdG92ZXI=', $1, $2::jsonb, 'jwt', $3, now(), now() + interval '1 hour')",
        identity.user_id,
        orjson.dumps(identity.to_context()).decode(),
        identity.session,
    )
    await execute(streaming, "INSERT INTO ws_subscriptions VALUES ('bGVmdG92ZXI=', 'tickers', 'paper:*', 1)")

    await until(lambda: _is(streaming, 0))


async def test_a_row_of_a_dead_connection_without_subscriptions_goes_too(streaming: Streaming) -> None:
    identity = await somebody(streaming)
    await execute(
        streaming,
        "INSERT INTO ws_connections (connection_id, uid, identity, kind, session, connected_at, expires_at)"
        " VALUES ('bGVmdG92ZXI=', $1, $2::jsonb, 'jwt', $3, now(), now() + interval '1 hour')",
        identity.user_id,
        orjson.dumps(identity.to_context()).decode(),
        identity.session,
    )

    await until(lambda: _is(streaming, 0))


async def test_a_client_marked_for_too_many_frames_is_told_and_closed(streaming: Streaming) -> None:
    async with streaming.client(await somebody(streaming)) as client:
        await execute(streaming, "UPDATE ws_connections SET closing = 'too_many_frames', revision = revision + 1")

        assert (await client.farewell())["reason"] == "too_many_frames"
