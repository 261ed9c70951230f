"""The websocket function on real stores: connects, garbage, errors, how fast, stores that are away, recorded events."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from fullon.streams.model import Limits
from functions.websocket.routes import Routes
from tests.handlers.websocket_calls import (
    Somebody,
    an_event,
    connected,
    routes_of_paper,  # noqa: F401 - a fixture
)
from tests.local.sockets import aws_event
from tests.people import a_session, a_user

# -- who is let in


async def test_an_event_without_an_identity_is_refused(routes: Routes) -> None:
    connect = await routes.answer(an_event(None, route="$connect"))
    frame = await routes.answer(an_event(None, {"action": "ping"}))

    assert connect["statusCode"] == 401
    assert json.loads(connect["body"])["code"] == "session_ended"
    assert json.loads(frame["body"])["status"] == 401


async def test_an_identity_in_the_frame_counts_for_nothing(routes: Routes, container: Container) -> None:
    somebody = await connected(routes, container)

    refused = await somebody.ask("subscribe", channel="processes", role="admin", user_id="x", scopes="admin")

    assert (refused["status"], refused["code"]) == (403, "channel_forbidden")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE sessions SET revoked_at = now()", "UPDATE users SET active = false", "DELETE FROM users"],
)
async def test_a_session_that_ended_is_refused_at_connect_and_at_every_frame(
    statement: str, routes: Routes, container: Container
) -> None:
    somebody = await connected(routes, container)
    async with container.connection() as connection:
        await connection.execute(statement)
    await container.valkey.flushall()

    assert (await somebody.ask("ping"))["status"] == 401
    assert (await somebody.connect())["statusCode"] == 401


async def test_connections_beyond_the_limit_are_refused_with_the_reason(routes: Routes, container: Container) -> None:
    somebody = await connected(routes, container)
    others = [Somebody(routes, somebody.identity, f"more{number}=") for number in range(3)]
    statuses = [(await other.connect())["statusCode"] for other in others]
    refused = await others[2].connect()
    stranger = await connected(routes, container)
    await others[0].disconnect()

    assert statuses == [200, 200, 429]
    assert "3 connections" in json.loads(refused["body"])["detail"]
    assert (await stranger.ask("ping"))["type"] == "pong"
    assert (await others[2].connect())["statusCode"] == 200


async def test_connections_at_the_same_moment_do_not_pass_the_limit_together(
    routes: Routes, container: Container
) -> None:
    async with container.connection() as connection:
        identity = await a_session(connection)

    answers = await asyncio.gather(*(Somebody(routes, identity, f"{number}=").connect() for number in range(8)))

    assert sorted(answer["statusCode"] for answer in answers) == [200] * 3 + [429] * 5


async def test_a_disconnect_forgets_the_connection_and_is_harmless_twice(routes: Routes, container: Container) -> None:
    somebody = await connected(routes, container)
    await somebody.ask("subscribe", channel="tickers", exchange="paper")
    for _ in range(2):
        assert await somebody.disconnect() == {"statusCode": 200}

    async with container.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM ws_connections") == 0
        assert await connection.fetchval("SELECT count(*) FROM ws_subscriptions") == 0


# -- garbage


@pytest.mark.parametrize(
    "garbage",
    [
        None,
        "",
        "{",
        "[]",
        "42",
        '"text"',
        "null",
        "\u0000",
        "x" * 5000,
        "{}",
        '{"action": 7}',
        '{"action": "fly"}',
        '{"action": "subscribe"}',
        '{"action": "subscribe", "channel": {}}',
        '{"action": "subscribe", "channel": "tickers", "exchange": ["paper"]}',
        '{"action": "subscribe", "channel": "tickers", "exchange": "paper", "symbols": {"a": 1}}',
        '{"action": "subscribe", "channel": "tickers", "exchange": "paper", "symbol": "\\u0000"}',
        '{"action": "subscribe", "channel": "tickers", "exchange": "pa\\u0000per"}',
        '{"action": "get", "channel": "ohlcv", "exchange": "paper", "symbol": "BTC/USDT", "timeframe": 1}',
        '{"action": "unsubscribe", "channel": "tickers", "exchange": "p\\u0000", "symbol": "\\ud800"}',
        "[" * 10_000,
    ],
)
async def test_garbage_is_answered_with_an_error_that_says_what_is_wrong(
    garbage: str | None, routes: Routes, container: Container
) -> None:
    somebody = await connected(routes, container)

    refused = await somebody.say(garbage)

    assert refused["type"] == "error"
    assert refused["status"] in (404, 422)
    assert refused["detail"].endswith(".")
    assert (await somebody.ask("ping"))["type"] == "pong"


async def test_errors_carry_the_request_id_and_the_fields(routes: Routes, container: Container) -> None:
    somebody = await connected(routes, container)

    refused = await somebody.ask("subscribe", request_id="r-7", channel="tickers")

    assert refused["request_id"] == "r-7"
    assert refused["errors"] == [{"field": "exchange", "message": "missing, or not a text"}]
    assert refused["problem"] == "/docs/problems/invalid"


@pytest.mark.parametrize(
    ("members", "status", "named"),
    [
        ({"channel": "tickers", "exchange": "nowhere", "symbol": "BTC/USDT"}, 404, "nowhere"),
        ({"channel": "tickers", "exchange": "nowhere"}, 404, "nowhere"),
        ({"channel": "tickers", "exchange": "paper", "symbols": ["BTC/USDT", "NO/SUCH"]}, 404, "NO/SUCH"),
        ({"channel": "trades", "exchange": "paper", "symbol": "btc/usdt"}, 404, "btc/usdt"),
        ({"channel": "ohlcv", "exchange": "paper", "symbol": "BTC/USDT", "timeframe": "7m"}, 422, "7m"),
        ({"channel": "orders"}, 422, "orders"),
    ],
)
async def test_what_does_not_exist_is_named(
    members: dict[str, Any], status: int, named: str, routes: Routes, container: Container
) -> None:
    somebody = await connected(routes, container)

    for action in ("subscribe", "get"):
        refused = await somebody.ask(action, **members)
        assert refused["status"] == status
        assert named in refused["detail"]
    assert (await somebody.ask("list"))["items"] == []


async def test_an_inactive_symbol_and_an_inactive_exchange_do_not_exist(routes: Routes, container: Container) -> None:
    somebody = await connected(routes, container)
    async with container.connection() as connection:
        await connection.execute("UPDATE symbols SET active = false WHERE symbol = 'ETH/USDT'")
        symbol = await somebody.ask("subscribe", channel="tickers", exchange="paper", symbol="ETH/USDT")
        await connection.execute("UPDATE cat_exchanges SET active = false")
    exchange = await Somebody(Routes(container), somebody.identity, somebody.connection).ask(
        "get", channel="tickers", exchange="paper"
    )

    assert symbol["code"] == "unknown_symbol"
    assert exchange["code"] == "unknown_exchange"


# -- ping


async def test_ping_is_answered_with_the_servers_time(routes: Routes, container: Container) -> None:
    somebody = await connected(routes, container)

    pong = await somebody.ask("ping", request_id="p")

    assert (pong["type"], pong["request_id"]) == ("pong", "p")
    assert abs(pong["ts"] / 1000 - container.clock.now().timestamp()) < 60


# -- how fast


async def test_frames_beyond_the_rate_are_refused_with_the_wait_and_not_looked_at(
    routes: Routes, container: Container
) -> None:
    slow = Routes(container, Limits(frames=10))
    somebody = await connected(slow, container)
    stranger = await connected(slow, container)

    answers = [await somebody.ask("ping", request_id=number) for number in range(25)]

    refused = [answer for answer in answers if answer["type"] == "error"]
    assert len(refused) >= 5  # the window may have changed once meanwhile
    assert {answer["code"] for answer in refused} == {"too_many_frames"}
    assert all(1 <= answer["retry_after"] <= 5 for answer in refused)
    assert all(isinstance(answer["request_id"], int) for answer in refused)
    assert (await stranger.ask("ping"))["type"] == "pong"


async def test_a_client_that_goes_on_sending_garbage_is_marked_to_be_closed(
    routes: Routes, container: Container
) -> None:
    somebody = await connected(routes, container)
    async with container.connection() as connection:
        for number in range(7):
            await somebody.say("garbage")
            closing = await connection.fetchval("SELECT closing FROM ws_connections")
            assert closing == (None if number < 5 else "too_many_frames")


# -- stores that are away


async def test_without_valkey_subscriptions_are_kept_and_values_cannot_be_read(
    routes: Routes, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    without = Container(Settings.load())
    somebody = await connected(Routes(without), without)

    assert (await somebody.ask("subscribe", channel="tickers", exchange="paper"))["type"] == "ack"
    assert (await somebody.ask("ping"))["type"] == "pong"
    refused = await somebody.ask("get", channel="tickers", exchange="paper")
    await without.close()

    assert (refused["status"], refused["code"]) == (503, "cache_down")
    assert refused["retry_after"] > 0


async def test_without_postgresql_the_answer_is_a_clear_503(routes: Routes, container: Container) -> None:
    somebody = await connected(routes, container)
    await somebody.ask("ping")
    pool = await container.database()
    pool.terminate()

    refused = await somebody.ask("subscribe", channel="tickers", exchange="paper", symbol="BTC/USDT")
    connect = await somebody.connect()

    assert (refused["status"], refused["code"]) == (503, "database_down")
    assert connect["statusCode"] == 503
    assert (await somebody.ask("ping"))["type"] == "pong"


# -- recorded events


@pytest.mark.parametrize("name", ["Connect", "Message", "Disconnect"])
async def test_recorded_events_are_understood_twice(name: str, routes: Routes, container: Container) -> None:
    event = aws_event(f"apiGatewayWebSocketApi{name}")
    async with container.connection() as connection:
        identity = await a_session(connection)
        await a_user(connection)
    event["requestContext"]["authorizer"] = identity.to_context()

    for _ in range(2):
        answer = await routes.answer(event)

        assert answer["statusCode"] == 200
        if name == "Message":
            assert json.loads(answer["body"])["code"] == "unknown_action"
