"""From a real Valkey to the fan-out: changes, trades by id, flushes, cuts and nonsense."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from fullon.kernel.clock import SystemClock
from fullon.kernel.retry import Troubles
from fullon.market import keys
from fullon.streams.fanout import Fanout
from fullon.streams.feeds import PROCESSES_CHANNEL, Changes, Trades
from fullon.streams.model import OHLCV, PROCESSES, TICKERS, TRADES, Channel
from local.stores.valkey import Valkey
from tests.local.platform import until
from tests.servers import end, running_valkey, short_directory
from tests.unit.fanout_world import BTC, World, numbers


class Case:
    """Feeds that run on a Valkey, and the world they feed; its gateway takes everything at once."""

    def __init__(self, valkey: Redis) -> None:
        self.valkey = valkey
        self.world = World()
        self.world.fanout = Fanout(
            self.world,
            later=self.world.later,
            now=lambda: 0.0,
            lost=self.world.lost.append,
            wanted=self.wanted,
        )
        self.troubles = Troubles(logging.getLogger("test"))
        self.rung: list[bytes] = []
        self.taken = 0
        fanout, clock = self.world.fanout, SystemClock()
        self.changes = Changes(
            valkey,
            fanout,
            clock,
            self.troubles.outage("changes"),
            self.troubles.outage("latest values"),
            processes=["processes:{ticker}", "processes:{ohlcv}"],
            bells={"some:bell": self.rung.append},
            taken=self.count,
        )
        self.trades = Trades(valkey, fanout, clock, self.troubles.outage("trades"), taken=self.count)

    def wanted(self, channel: Channel, key: str) -> None:
        if channel.lossless:
            self.trades.snapshot(key)
        else:
            self.changes.read(channel, key)

    def count(self, number: int) -> None:
        self.taken += number

    def heard(self) -> list[dict[str, Any]]:
        """Everything pushed so far."""
        self.world.answer_all()
        return self.world.heard.get("a", [])

    async def hears(self, enough: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        await until(lambda: enough(self.heard()))
        return self.heard()

    async def listening(self) -> None:
        async def ready() -> bool:
            return bool((await self.valkey.pubsub_numsub(keys.TICKERS_CHANNEL))[0][1])

        await until(ready)

    async def tick(self, price: str, symbol: str = "BTC/USDT") -> None:
        data = orjson.dumps({"exchange": "paper", "symbol": symbol, "price": price})
        pipeline = self.valkey.pipeline(transaction=False)
        pipeline.hset(keys.ticks("paper"), symbol, data)
        pipeline.publish(keys.TICKERS_CHANNEL, b"[" + data + b"]")
        await pipeline.execute()

    async def trade(self, *ids: int, symbol: str = "BTC/USDT", maxlen: int = 100_000) -> None:
        for number in ids:
            entry = {"exchange": "paper", "symbol": symbol, "trades": [[str(number), number, "1", "1", "buy"]]}
            await self.valkey.xadd(
                keys.TRADES_STREAM, {keys.TRADES_FIELD: orjson.dumps(entry)}, maxlen=maxlen, approximate=False
            )


@pytest.fixture
async def case(valkey: Redis) -> Case:
    return Case(valkey)


async def running(*work: Any) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(each.run()) for each in work]


async def stopped(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    _, stuck = await asyncio.wait(tasks, timeout=60)
    assert not stuck


async def test_the_stored_value_is_the_snapshot_and_published_ones_follow(case: Case) -> None:
    await case.tick("1")
    tasks = await running(case.changes)
    await case.listening()
    case.world.fanout.subscribe("a", TICKERS, BTC, 1)
    await case.hears(lambda frames: len(frames) == 1)
    await case.tick("2")
    await case.tick("9", "ETH/USDT")
    await case.tick("3")
    frames = await case.hears(lambda frames: frames[-1]["data"]["price"] == "3")
    await stopped(tasks)

    assert [frame["type"] for frame in frames][:2] == ["snapshot", "update"]
    assert frames[0]["data"]["price"] == "1"
    assert {frame["key"] for frame in frames} == {BTC}
    assert case.taken == 3


async def test_all_tickers_of_an_exchange_are_read_at_once(case: Case) -> None:
    for symbol in ("A/X", "B/X", "C/X"):
        await case.tick("1", symbol)
    tasks = await running(case.changes)
    case.world.fanout.subscribe("a", TICKERS, "paper:*", 1)
    frames = await case.hears(lambda frames: len(frames) == 3)
    await stopped(tasks)

    assert sorted(frame["key"] for frame in frames) == ["paper:A/X", "paper:B/X", "paper:C/X"]


async def test_bars_and_processes_are_read_and_heard(case: Case) -> None:
    await case.valkey.hset(keys.bars("paper", "BTC/USDT"), "5m", b"[0,1,2,0.5,1.5,10,false]")
    await case.valkey.hset("processes:{ohlcv}", "i", b'{"type":"ohlcv","instance":"i","work":1}')
    tasks = await running(case.changes)
    await case.listening()
    case.world.fanout.subscribe("a", OHLCV, f"{BTC}:5m", 1)
    case.world.fanout.subscribe("a", PROCESSES, "*", 1)
    await case.hears(lambda frames: len(frames) == 2)
    change = {"5m": [0, 1, 2, 0.5, 1.75, 11, True], "1h": [0, 1, 2, 0.5, 1.75, 11, False]}
    following = {"5m": [300_000, 1.75, 1.75, 1.75, 1.75, 0, False]}
    await case.valkey.publish(
        keys.BARS_CHANNEL,
        orjson.dumps([{"exchange": "paper", "symbol": "BTC/USDT", "bars": bars} for bars in (change, following)]),
    )
    await case.valkey.publish(PROCESSES_CHANNEL, b'{"type":"ticker","instance":"j","work":5}')
    frames = await case.hears(lambda frames: len(frames) == 5)
    await stopped(tasks)

    bars = [frame["data"] for frame in frames if frame["channel"] == "ohlcv"]
    assert [(bar["ts"], bar["close"], bar["final"]) for bar in bars] == [
        (0, 1.5, False),
        (0, 1.75, True),
        (300_000, 1.75, False),
    ]
    assert {bar["timeframe"] for bar in bars} == {"5m"}
    assert [frame["key"] for frame in frames if frame["channel"] == "processes"] == ["ohlcv:i", "ticker:j"]


async def test_nonsense_in_valkey_stops_nothing(case: Case) -> None:
    await case.valkey.hset(keys.ticks("paper"), "BTC/USDT", b"nonsense")
    await case.valkey.xadd(keys.TRADES_STREAM, {"other": "field"})
    tasks = await running(case.changes, case.trades)
    await case.listening()
    case.world.fanout.subscribe("a", TICKERS, BTC, 1)
    case.world.fanout.subscribe("a", TRADES, BTC, 1)
    for channel in (keys.TICKERS_CHANNEL, keys.BARS_CHANNEL, PROCESSES_CHANNEL):
        for nonsense in (b"", b"{", b"5", b"[5]", b"[{}]", b"\xff"):
            await case.valkey.publish(channel, nonsense)
    await case.valkey.xadd(keys.TRADES_STREAM, {keys.TRADES_FIELD: b"{}"})
    await case.valkey.publish("some:bell", b"rung")
    await case.trade(1)
    await case.tick("1")
    frames = await case.hears(lambda frames: {frame["channel"] for frame in frames} == {"tickers", "trades"})
    await until(lambda: case.heard()[-1]["seq"] >= 1 and case.rung == [b"rung"])
    await stopped(tasks)

    assert not any(task.cancelled() is False for task in tasks)
    assert frames


async def test_trades_start_with_the_latest_of_the_stream_and_miss_none(case: Case) -> None:
    await case.trade(*range(70))
    await case.trade(500, symbol="ETH/USDT")
    tasks = await running(case.trades)
    await until(lambda: bool(case.trades._recent))
    case.world.fanout.subscribe("a", TRADES, BTC, 1)
    await case.trade(*range(70, 90))
    frames = await case.hears(lambda frames: numbers(frames)[-1:] == [89])
    await stopped(tasks)

    assert [int(trade["id"]) for trade in frames[0]["data"]] == list(range(20, 70))
    assert numbers(frames) == list(range(70, 90))
    assert not any(frame["type"] == "gap" for frame in frames)


async def test_trades_go_on_after_a_flush_and_the_loss_is_announced(case: Case) -> None:
    await case.trade(1, 2, 3)
    tasks = await running(case.trades)
    await until(lambda: bool(case.trades._recent))
    case.world.fanout.subscribe("a", TRADES, BTC, 1)
    await case.valkey.flushall()
    await case.trade(4)
    frames = await case.hears(lambda frames: {"gap"} <= {frame["type"] for frame in frames} and numbers(frames) == [4])
    await case.trade(5)
    frames = await case.hears(lambda frames: numbers(frames) == [4, 5])
    await stopped(tasks)

    assert [frame["missed"] for frame in frames if frame["type"] == "gap"] == [None]


async def test_trades_that_were_trimmed_before_they_were_read_are_announced(case: Case) -> None:
    await case.trade(1)
    tasks = await running(case.trades)
    await until(lambda: bool(case.trades._recent))
    case.world.fanout.subscribe("a", TRADES, BTC, 1)
    await case.hears(lambda frames: len(frames) == 1)
    await stopped(tasks)
    await case.trade(*range(2, 12), maxlen=4)
    await case.trades._check()
    follow = asyncio.create_task(case.trades._follow())
    frames = await case.hears(lambda frames: numbers(frames)[-1:] == [11])
    await stopped([follow])

    assert [frame["type"] for frame in frames][:3] == ["snapshot", "gap", "update"]
    assert numbers(frames) == [8, 9, 10, 11]


async def test_a_cut_that_lost_nothing_is_not_announced(case: Case) -> None:
    await case.trade(1)
    tasks = await running(case.trades)
    await until(lambda: bool(case.trades._recent))
    case.world.fanout.subscribe("a", TRADES, BTC, 1)
    await case.hears(lambda frames: len(frames) == 1)
    for number in range(2, 8):
        await case.valkey.client_kill_filter(_type="normal", skipme=True)
        await case.trade(number)
    frames = await case.hears(lambda frames: numbers(frames)[-1:] == [7])
    await stopped(tasks)

    assert numbers(frames) == [2, 3, 4, 5, 6, 7]
    assert [frame["type"] for frame in frames if frame["type"] == "gap"] == []


async def test_a_cut_subscription_is_taken_up_again_with_what_was_missed(case: Case) -> None:
    await case.tick("1")
    tasks = await running(case.changes)
    await case.listening()
    case.world.fanout.subscribe("a", TICKERS, BTC, 1)
    await case.hears(lambda frames: len(frames) == 1)

    await case.valkey.hset(
        keys.ticks("paper"), "BTC/USDT", b'{"exchange":"paper","symbol":"BTC/USDT","price":"unheard"}'
    )
    await case.valkey.client_kill_filter(_type="pubsub")
    frames = await case.hears(lambda frames: len(frames) == 2)
    await case.listening()
    await case.tick("3")
    await case.hears(lambda frames: frames[-1]["data"]["price"] == "3")
    await stopped(tasks)

    assert frames[1]["data"]["price"] == "unheard"
    assert frames[1]["seq"] == 2


async def test_a_value_that_could_not_be_read_is_no_trouble_any_more_once_it_was(case: Case) -> None:
    await case.valkey.set(keys.ticks("paper"), b"not a hash")
    tasks = await running(case.changes)
    await case.listening()
    case.world.fanout.subscribe("a", TICKERS, BTC, 1)
    await until(lambda: bool(case.troubles.sentence()))
    await case.valkey.delete(keys.ticks("paper"))
    await until(lambda: case.troubles.sentence() == "")
    await stopped(tasks)


def last_price(frames: list[dict[str, Any]]) -> str | None:
    prices = [frame["data"]["price"] for frame in frames if frame["channel"] == "tickers" and frame["data"]]
    return prices[-1] if prices else None


async def test_everything_goes_on_after_valkey_was_stopped_and_started() -> None:
    with short_directory() as directory:
        with running_valkey(directory) as server:
            case = Case(Redis.from_url(server.url))
            tasks = await running(case.changes, case.trades)
            await case.listening()
            case.world.fanout.subscribe("a", TICKERS, BTC, 1)
            case.world.fanout.subscribe("a", TRADES, BTC, 1)
            await case.tick("1")
            await case.trade(1)
            await case.hears(lambda frames: numbers(updates(frames)) == [1])
        await until(lambda: "cache" in case.troubles.sentence())
        with running_again(server):
            await server.wait_until_ready()
            case.valkey = Redis.from_url(server.url)
            await case.listening()
            await until(lambda: case.troubles.sentence() == "")
            await case.tick("2")
            await case.trade(2)
            frames = await case.hears(lambda frames: numbers(updates(frames)) == [1, 2] and last_price(frames) == "2")
            await stopped(tasks)

    kinds = [frame["type"] for frame in frames if frame["channel"] == "trades"]
    assert kinds == ["snapshot", "update", "gap", "update"]


def updates(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [frame for frame in frames if frame["channel"] == "trades"]


@contextmanager
def running_again(server: Valkey) -> Iterator[None]:
    """The same server once more, with nothing in it."""
    process = subprocess.Popen(server.command(), env=server.environment(), start_new_session=True)
    try:
        yield
    finally:
        end(process, signal.SIGTERM)
