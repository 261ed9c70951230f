"""Live market data in Valkey: the latest replaces, changes are published in order, nothing is published twice."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from redis.asyncio import Redis

from fullon.kernel.errors import Unavailable
from fullon.kernel.timeframes import MINUTE_MS, Timeframe
from fullon.market import keys
from fullon.market.live_cache import LiveCache
from fullon.venues.quotes import Bar, Tick, Trade
from local.ports import free_port

if TYPE_CHECKING:
    from redis.asyncio.client import PubSub

TICK = Tick("paper", "BTC/USDT", Decimal("70000.10"), Decimal("70000"), None, Decimal("5"), Decimal("-1.5"), 1000)


def bar(minute: int, close: float = 1.0, *, final: bool = True) -> Bar:
    return Bar(minute * MINUTE_MS, 1.0, 2.0, 0.5, close, 3.0, final)


async def listening(valkey: Redis, channel: str) -> PubSub:
    subscription = valkey.pubsub()
    await subscription.subscribe(channel)
    await subscription.get_message(timeout=30)
    return subscription


async def heard(subscription: PubSub) -> Any:
    message = await subscription.get_message(timeout=30)
    assert message is not None
    return orjson.loads(message["data"])


async def test_the_latest_tick_stands_and_all_are_published_in_order(valkey: Redis) -> None:
    feed = await listening(valkey, keys.TICKERS_CHANNEL)
    later = replace(TICK, price=Decimal("70000.20"), time=2000)
    other = replace(TICK, exchange="kraken")

    await LiveCache(valkey, "ticker").put_ticks([TICK, other, later])

    stored = await valkey.hgetall("ticks:{paper}")
    assert {name: orjson.loads(value) for name, value in stored.items()} == {b"BTC/USDT": later.to_record()}
    assert await valkey.hlen("ticks:{kraken}") == 1
    assert await heard(feed) == [TICK.to_record(), other.to_record(), later.to_record()]


async def test_ticks_of_symbols_no_longer_collected_are_forgotten(valkey: Redis) -> None:
    cache = LiveCache(valkey, "ticker")
    await cache.put_ticks([TICK, replace(TICK, symbol="ETH/USDT")])

    await cache.keep_only("paper", ["ETH/USDT"])

    assert await valkey.hkeys("ticks:{paper}") == [b"ETH/USDT"]


async def test_a_closed_bar_is_published_before_the_one_that_follows_it(valkey: Redis) -> None:
    feed = await listening(valkey, keys.BARS_CHANNEL)
    changes = [(Timeframe.M1, bar(4)), (Timeframe.M5, bar(4)), (Timeframe.M1, bar(5, final=False))]

    await LiveCache(valkey, "ohlcv").put_bars({("paper", "BTC/USDT"): changes})

    news = await heard(feed)
    assert [entry["bars"] for entry in news] == [
        {"1m": bar(4).to_record(), "5m": bar(4).to_record()},
        {"1m": bar(5, final=False).to_record()},
    ]
    present: Any = await valkey.hget("bars:{paper:BTC/USDT}", "1m")
    assert orjson.loads(present) == bar(5, final=False).to_record()
    assert await valkey.zrange("recent:{paper:BTC/USDT}:1m", 0, -1) == [orjson.dumps(bar(4).to_record()[:6])]


async def test_a_corrected_bar_replaces_the_recent_one(valkey: Redis) -> None:
    cache = LiveCache(valkey, "ohlcv")
    await cache.put_bars({("paper", "BTC/USDT"): [(Timeframe.M1, bar(4))]})

    await cache.put_bars({("paper", "BTC/USDT"): [(Timeframe.M1, bar(4, 1.25))]})

    recent = await valkey.zrange("recent:{paper:BTC/USDT}:1m", 0, -1, withscores=True)
    assert recent == [(orjson.dumps(bar(4, 1.25).to_record()[:6]), 4 * MINUTE_MS)]


async def test_only_the_latest_three_hundred_bars_are_kept(valkey: Redis) -> None:
    cache, key = LiveCache(valkey, "ohlcv"), "recent:{paper:BTC/USDT}:1m"
    await cache.put_recent(("paper", "BTC/USDT"), {Timeframe.M1: [bar(n) for n in range(500)]}, whole=True)

    await cache.put_bars({("paper", "BTC/USDT"): [(Timeframe.M1, bar(500))]})

    kept: Any = await valkey.zrange(key, 0, -1, withscores=True)
    assert [int(score) for _, score in kept] == [number * MINUTE_MS for number in range(201, 501)]


async def test_writing_all_recent_bars_removes_what_is_not_among_them(valkey: Redis) -> None:
    cache, key = LiveCache(valkey, "ohlcv"), "recent:{paper:BTC/USDT}:1m"
    await cache.put_recent(("paper", "BTC/USDT"), {Timeframe.M1: [bar(1), bar(2)]}, whole=False)

    await cache.put_recent(("paper", "BTC/USDT"), {Timeframe.M1: [bar(7)]}, whole=True)

    assert await valkey.zcard(key) == 1


async def test_trades_and_the_end_of_their_series_are_written_together(valkey: Redis) -> None:
    cache = LiveCache(valkey, "ohlcv")
    trades = [Trade(str(number), 1000 + number, Decimal(number), Decimal("0.1"), "buy") for number in range(3)]

    await cache.put_trades([(("paper", "BTC/USDT"), trades[:2]), (("paper", "BTC/USDT"), trades[2:])])

    entries: Any = await valkey.xrange(keys.TRADES_STREAM)
    assert [orjson.loads(fields[keys.TRADES_FIELD])["trades"] for _, fields in entries] == [
        [trade.to_record() for trade in trades[:2]],
        [trades[2].to_record()],
    ]
    ends = await cache.trades_ends([("paper", "BTC/USDT"), ("paper", "ETH/USDT")])
    assert ends == {("paper", "BTC/USDT"): trades[2]}


async def test_a_valkey_that_lost_its_memory_has_lost_the_mark_too(valkey: Redis) -> None:
    cache = LiveCache(valkey, "ohlcv")
    await cache.mark("one")
    marked = await cache.is_marked("one"), await cache.is_marked("another")

    await valkey.flushall()

    assert marked == (True, False)
    assert not await cache.is_marked("one")


async def test_a_valkey_that_is_away_is_unavailable() -> None:
    cache = LiveCache(Redis(port=free_port()), "ticker")

    with pytest.raises(Unavailable, match="cache"):
        await cache.put_ticks([TICK])
