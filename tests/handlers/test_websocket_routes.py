"""The websocket function on real stores: connects, frames of every kind, limits, rights, stores that are away."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import orjson
import pytest

from fullon.fleet import cache as fleet
from fullon.identity.model import Identity, Role, Scope
from fullon.market import keys
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from fullon.streams import cache
from fullon.streams.model import Limits
from functions.websocket.routes import Routes
from tests.local.sockets import aws_event
from tests.people import a_key, a_session, a_user, a_venue
from tests.unit.test_streams_asyncapi import check


def an_event(identity: Identity | None, body: Any = None, route: str = "$default", connection: str = "c1=") -> Any:
    """An event of the WebSocket API as the gateway makes it."""
    context: dict[str, Any] = {
        "routeKey": route,
        "eventType": {"$connect": "CONNECT", "$disconnect": "DISCONNECT"}.get(route, "MESSAGE"),
        "connectionId": connection,
        "requestId": "r1=",
        "stage": "$default",
    }
    if identity is not None:
        context["authorizer"] = {"principalId": str(identity.user_id), **identity.to_context()}
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    return {"requestContext": context, "body": text, "isBase64Encoded": False}


class Somebody:
    """A user with a connection."""

    def __init__(self, routes: Routes, identity: Identity, connection: str) -> None:
        self.routes = routes
        self.identity = identity
        self.connection = connection

    async def connect(self) -> dict[str, Any]:
        return await self.routes.answer(an_event(self.identity, route="$connect", connection=self.connection))

    async def disconnect(self) -> dict[str, Any]:
        return await self.routes.answer(an_event(self.identity, route="$disconnect", connection=self.connection))

    async def say(self, body: Any) -> dict[str, Any]:
        """Send anything; the answer is held against the AsyncAPI document."""
        answer = await self.routes.answer(an_event(self.identity, body, connection=self.connection))
        assert answer["statusCode"] == 200
        frame: dict[str, Any] = json.loads(answer["body"])
        check(frame["type"], frame)
        return frame

    async def ask(self, action: str, **members: Any) -> dict[str, Any]:
        return await self.say({"action": action, **members})


@pytest.fixture
async def routes(container: Container) -> Routes:
    async with container.connection() as connection:
        await a_venue(connection, "paper", "BTC/USDT", "ETH/USDT", "BTC/USD:BTC")
    return Routes(container, Limits(connections=3, subscriptions=10, frames=50, refusals=5))


async def connected(routes: Routes, container: Container, role: Role = Role.TRADER, **changes: Any) -> Somebody:
    """Somebody new with an open connection."""
    async with container.connection() as connection:
        identity = await a_session(connection, role)
    somebody = Somebody(routes, replace(identity, **changes), f"{identity.session}=")
    assert (await somebody.connect())["statusCode"] == 200
    return somebody


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
        ({"channel": "weather"}, 422, "weather"),
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


# -- subscriptions


async def test_subscriptions_are_acknowledged_listed_and_ended(routes: Routes, container: Container) -> None:
    somebody = await connected(routes, container)
    first = await somebody.ask(
        "subscribe", request_id=1, channel="tickers", exchange="paper", symbols=["BTC/USDT", "ETH/USDT"]
    )
    again = await somebody.ask("subscribe", channel="tickers", exchange="paper", symbol="BTC/USDT")
    bar = await somebody.ask("subscribe", channel="ohlcv", exchange="PAPER", symbol="BTC/USD:BTC", timeframe="1h")
    every = await somebody.ask("subscribe", channel="tickers", exchange="paper")
    listed = await somebody.ask("list")
    ended = await somebody.ask("unsubscribe", channel="tickers", exchange="paper", symbol="ETH/USDT")
    nothing = await somebody.ask("unsubscribe", channel="trades", exchange="paper", symbol="GONE/SINCE")

    assert first["request_id"] == 1
    assert first["keys"] == ["paper:BTC/USDT", "paper:ETH/USDT"]
    assert [frame["subscriptions"] for frame in (first, again, bar, every)] == [2, 2, 3, 4]
    assert [(item["channel"], item["key"]) for item in listed["items"]] == [
        ("ohlcv", "paper:BTC/USD:BTC:1h"),
        ("tickers", "paper:*"),
        ("tickers", "paper:BTC/USDT"),
        ("tickers", "paper:ETH/USDT"),
    ]
    assert (ended["action"], ended["subscriptions"], nothing["subscriptions"]) == ("unsubscribe", 3, 3)


async def test_subscribing_again_is_a_change_that_the_streamer_sees(routes: Routes, container: Container) -> None:
    somebody = await connected(routes, container)
    revisions = []
    async with container.connection() as connection:
        for _ in range(2):
            await somebody.ask("subscribe", channel="tickers", exchange="paper")
            revisions.append(await connection.fetchval("SELECT revision FROM ws_subscriptions"))

    assert revisions[0] < revisions[1]


async def test_ten_thousand_subscriptions_in_one_frame_are_told_the_limit(routes: Routes, container: Container) -> None:
    somebody = await connected(routes, container)
    symbols = [f"S{number}/USDT" for number in range(10_000)]

    refused = await somebody.ask("subscribe", channel="tickers", exchange="paper", symbols=symbols)

    assert (refused["status"], refused["code"]) == (429, "too_many_subscriptions")
    assert "10" in refused["detail"]
    assert (await somebody.ask("list"))["items"] == []


async def test_the_limit_of_subscriptions_is_of_the_user_on_all_connections(
    routes: Routes, container: Container
) -> None:
    async with container.connection() as connection:
        await a_venue(connection, "big", *(f"S{number}/X" for number in range(12)))
    somebody = await connected(routes, container)
    second = Somebody(routes, somebody.identity, "second=")
    await second.connect()
    await somebody.ask("subscribe", channel="tickers", exchange="big", symbols=[f"S{n}/X" for n in range(6)])
    refused = await second.ask("subscribe", channel="tickers", exchange="big", symbols=[f"S{n}/X" for n in range(6)])
    fits = await second.ask("subscribe", channel="tickers", exchange="big", symbols=[f"S{n}/X" for n in range(4)])
    same = await second.ask("subscribe", channel="tickers", exchange="big", symbols=[f"S{n}/X" for n in range(4)])
    stranger = await connected(routes, container)
    other = await stranger.ask("subscribe", channel="tickers", exchange="big", symbols=[f"S{n}/X" for n in range(9)])

    assert refused["code"] == "too_many_subscriptions"
    assert "6 more on top of 6" in refused["detail"]
    assert (fits["subscriptions"], same["subscriptions"], other["subscriptions"]) == (10, 10, 9)


async def test_subscriptions_at_the_same_moment_do_not_pass_the_limit_together(
    routes: Routes, container: Container
) -> None:
    async with container.connection() as connection:
        await a_venue(connection, "big", *(f"S{number}/X" for number in range(32)))
    somebody = await connected(routes, container)
    asked = [
        somebody.ask(
            "subscribe", channel="tickers", exchange="big", symbols=[f"S{n}/X" for n in range(first, first + 4)]
        )
        for first in range(0, 32, 4)
    ]

    answers = await asyncio.gather(*asked)

    assert [answer["type"] for answer in answers].count("ack") == 2


async def test_a_connection_whose_row_was_lost_comes_back_with_its_next_subscription(
    routes: Routes, container: Container
) -> None:
    somebody = await connected(routes, container)
    async with container.connection() as connection:
        await connection.execute("DELETE FROM ws_connections")

    assert (await somebody.ask("subscribe", channel="tickers", exchange="paper"))["type"] == "ack"
    assert len((await somebody.ask("list"))["items"]) == 1


async def test_a_change_rings_the_bell_with_the_connections_name(routes: Routes, container: Container) -> None:
    somebody = await connected(routes, container)
    async with container.valkey.pubsub() as bell:
        await bell.subscribe(cache.BELL)
        await bell.get_message(timeout=30)
        await somebody.ask("subscribe", channel="tickers", exchange="paper")
        message = await bell.get_message(timeout=30)

    assert message is not None
    assert message["data"].decode() == somebody.connection


# -- rights


async def test_processes_are_for_admins(routes: Routes, container: Container) -> None:
    for role, expected in ((Role.VIEWER, 403), (Role.TRADER, 403), (Role.ADMIN, None)):
        somebody = await connected(routes, container, role)
        for action in ("subscribe", "get"):
            assert (await somebody.ask(action, channel="processes")).get("status") == expected


async def test_a_key_needs_the_scope_of_the_channel(routes: Routes, container: Container) -> None:
    async with container.connection() as connection:
        reader = await a_key(connection, Role.ADMIN, scopes=frozenset({Scope.READ}))
        trader = await a_key(connection, Role.ADMIN, scopes=frozenset({Scope.TRADE}))
        admin = await a_key(connection, Role.ADMIN, scopes=frozenset({Scope.READ, Scope.ADMIN}))
    asked = {"tickers": {"channel": "tickers", "exchange": "paper"}, "processes": {"channel": "processes"}}
    answers = {}
    for name, identity in (("reader", reader), ("trader", trader), ("admin", admin)):
        somebody = Somebody(routes, identity, f"{name}=")
        await somebody.connect()
        answers[name] = [(await somebody.ask("subscribe", **members))["type"] for members in asked.values()]

    assert answers == {"reader": ["ack", "error"], "trader": ["error", "error"], "admin": ["ack", "ack"]}


async def test_a_demoted_admin_loses_the_channel_at_the_next_frame(routes: Routes, container: Container) -> None:
    somebody = await connected(routes, container, Role.ADMIN)
    async with container.connection() as connection:
        await connection.execute("UPDATE users SET role = 'trader'")
    await container.valkey.flushall()

    assert (await somebody.ask("subscribe", channel="processes"))["code"] == "channel_forbidden"


# -- get, ping, list


async def test_get_answers_once_with_the_value_of_now(routes: Routes, container: Container) -> None:
    somebody = await connected(routes, container, Role.ADMIN)
    tick = {
        "exchange": "paper", "symbol": "BTC/USDT", "price": "1.5", "bid": None, "ask": None, "last": "1.5",
        "volume": None, "change_24h": None, "time": 5,
    }  # fmt: skip
    record = {
        "type": "ticker", "instance": "i", "status": "running", "message": "", "heartbeat": 1, "started": 1,
        "version": "1", "host": "h", "work": 3,
    }  # fmt: skip
    valkey = container.valkey
    await valkey.hset(keys.ticks("paper"), "BTC/USDT", orjson.dumps(tick))
    await valkey.hset(keys.bars("paper", "BTC/USDT"), "1h", b"[60000,1,2,0.5,1.5,10,false]")
    await valkey.hset(fleet.key("ticker"), "i", orjson.dumps(record))
    for number in range(3):
        entry = {"exchange": "paper", "symbol": "BTC/USDT", "trades": [[str(number), number, "1", "2", "sell"]]}
        await valkey.xadd(keys.TRADES_STREAM, {keys.TRADES_FIELD: orjson.dumps(entry)})

    ticker = await somebody.ask("get", channel="tickers", exchange="paper", symbol="BTC/USDT", request_id=3)
    none = await somebody.ask("get", channel="tickers", exchange="paper", symbol="ETH/USDT")
    several = await somebody.ask("get", channel="tickers", exchange="paper", symbols=["BTC/USDT", "ETH/USDT"])
    every = await somebody.ask("get", channel="tickers", exchange="paper")
    bar = await somebody.ask("get", channel="ohlcv", exchange="paper", symbol="BTC/USDT", timeframe="1h")
    trades = await somebody.ask("get", channel="trades", exchange="paper", symbol="BTC/USDT")
    processes = await somebody.ask("get", channel="processes")

    assert (ticker["type"], ticker["seq"], ticker["request_id"], ticker["data"]) == ("snapshot", 0, 3, tick)
    assert (none["type"], none["data"]) == ("snapshot", None)
    assert [(item["key"], item["data"]) for item in several["items"]] == [
        ("paper:BTC/USDT", tick),
        ("paper:ETH/USDT", None),
    ]
    assert [item["key"] for item in every["items"]] == ["paper:BTC/USDT"]
    assert (bar["data"]["close"], bar["data"]["timeframe"], bar["data"]["final"]) == (1.5, "1h", False)
    assert [trade["id"] for trade in trades["data"]] == ["0", "1", "2"]
    assert processes["items"][0]["data"] == record
    assert (await somebody.ask("list"))["items"] == []


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
