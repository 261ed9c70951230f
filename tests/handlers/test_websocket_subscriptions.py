"""Subscriptions of the websocket function on real stores: limits, bells, rights, and values read once."""

from __future__ import annotations

import asyncio

import orjson

from fullon.fleet import cache as fleet
from fullon.identity.model import Role, Scope
from fullon.market import keys
from fullon.runtime.container import Container
from fullon.streams import cache
from functions.websocket.routes import Routes
from tests.handlers.websocket_calls import (
    Somebody,
    connected,
    routes_of_paper,  # noqa: F401 - a fixture
)
from tests.people import a_key, a_venue

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


# -- get


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
