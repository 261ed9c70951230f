"""From Valkey to the fan-out: one subscription to the published changes, shared by all, and the stream of trades.

Published changes can be missed while Valkey is away; every latest value that somebody waits for is then read anew. The
stream of trades is read by id, so a cut misses nothing; what was trimmed away or flushed meanwhile is announced.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import orjson
from redis.exceptions import RedisError, ResponseError

from fullon.kernel.clock import Clock, to_milliseconds
from fullon.kernel.errors import FullonError, Unavailable
from fullon.kernel.retry import Backoff, Outage
from fullon.market import keys
from fullon.orders import account_cache
from fullon.streams import cache, frames
from fullon.streams.fanout import Fanout
from fullon.streams.model import CHANNELS, EVERY, OHLCV, PROCESSES, TICKERS, TRADES, Channel, read_key

if TYPE_CHECKING:
    from redis.asyncio import Redis

    Entry = tuple[bytes, dict[bytes, bytes]]

PROCESSES_CHANNEL = "feed:processes"

_LISTEN_SECONDS = 3.0
_BATCH = 500
_BLOCK_MILLISECONDS = 2_000
_CHECK_SECONDS = 2.0
#: How often the position in the stream is noted, for whoever looks at how far behind it is.
_NOTE_SECONDS = 1.0
_AWAY = (RedisError, OSError, asyncio.TimeoutError)
#: What reading a value raises that is not one.
_NONSENSE = (ValueError, KeyError, TypeError, IndexError)
_log = logging.getLogger("fullon.streams")


class Changes:
    """Published changes, and the latest values behind them.

    Args:
        outage: of the subscription to what is published.
        reading: of the latest values behind it.
        processes: hashes of process records, one for each daemon.
        bells: more channels to listen to, with what to call for a message.
        taken: told how many values were taken in.
    """

    def __init__(
        self,
        valkey: Redis,
        fanout: Fanout,
        clock: Clock,
        outage: Outage,
        reading: Outage,
        *,
        processes: Iterable[str],
        bells: Mapping[str, Callable[[bytes], None]],
        taken: Callable[[int], None],
    ) -> None:
        self._valkey = valkey
        self._fanout = fanout
        self._clock = clock
        self._outage = outage
        self._reading = reading
        self._processes = tuple(processes)
        self._taken = taken
        self._handlers: dict[bytes, Callable[[bytes], None]] = {
            keys.TICKERS_CHANNEL.encode(): self._ticks,
            keys.BARS_CHANNEL.encode(): self._bars,
            PROCESSES_CHANNEL.encode(): self._process,
            account_cache.CHANNEL.encode(): self._account,
            **{name.encode(): handler for name, handler in bells.items()},
        }
        self._unread: dict[tuple[str, str], Channel] = {}
        self._asked = asyncio.Event()

    def read(self, channel: Channel, key: str) -> None:
        """Read the present value of a key, which may end in ``*``, and let the fan-out know it."""
        self._unread[channel.name, key] = channel
        self._asked.set()

    async def run(self) -> None:
        """Listen and read until cancelled; Valkey may come and go."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._read_asked())

    async def _listen(self) -> None:
        backoff = Backoff(0.1, 2.0)
        while True:
            try:
                async with self._valkey.pubsub() as subscription:
                    await subscription.subscribe(*self._handlers)
                    while True:
                        message = await subscription.get_message(timeout=_LISTEN_SECONDS)
                        _heed_cancellation()
                        if message is None:
                            continue
                        if message["type"] == "message":
                            self._handle(message["channel"], message["data"])
                        elif message["type"] == "subscribe" and message["channel"] == keys.TICKERS_CHANNEL.encode():
                            # Also after the client has connected again by itself.
                            backoff.reset()
                            self._outage.passed()
                            self._begin_anew()
            except _AWAY as error:
                self._outage.failed(_unavailable(error))
                await asyncio.sleep(backoff.pause())

    def _begin_anew(self) -> None:
        self._fanout.doubt()
        for channel, key in self._fanout.wanted_keys():
            if not channel.lossless:
                self.read(channel, key)

    def _handle(self, channel: bytes, data: bytes) -> None:
        try:
            self._handlers[channel](data)
        except _NONSENSE as error:
            _log.error("message not understood", extra={"channel": channel.decode(), "cause": repr(error)})

    def _ticks(self, data: bytes) -> None:
        ticks = orjson.loads(data)
        self._taken(len(ticks))
        now = to_milliseconds(self._clock.now())
        fanout = self._fanout
        # Of several ticks of a symbol in one message only the last is news.
        for tick in {(tick["exchange"], tick["symbol"]): tick for tick in ticks}.values():
            group = tick["exchange"] + ":"
            key = group + tick["symbol"]
            if fanout.wants("tickers", key, group):
                fanout.change(TICKERS, key, tick, now)

    def _bars(self, data: bytes) -> None:
        changes = orjson.loads(data)
        self._taken(len(changes))
        now = to_milliseconds(self._clock.now())
        for change in changes:
            exchange, symbol = change["exchange"], change["symbol"]
            for timeframe, record in change["bars"].items():
                key = f"{exchange}:{symbol}:{timeframe}"
                if self._fanout.wants("ohlcv", key, key):
                    self._fanout.change(OHLCV, key, frames.bar_data(exchange, symbol, timeframe, record), now)

    def _process(self, data: bytes) -> None:
        record = orjson.loads(data)
        key = f"{record['type']}:{record['instance']}"
        if self._fanout.wants("processes", key, ""):
            self._fanout.change(PROCESSES, key, record, to_milliseconds(self._clock.now()))

    def _account(self, data: bytes) -> None:
        news = orjson.loads(data)
        channel, group = CHANNELS[news["channel"]], f"{news['uid']}:"
        key = group + news["key"]
        self._taken(1)
        if self._fanout.wants(channel.name, key, group):
            self._fanout.change(channel, key, news["data"], to_milliseconds(self._clock.now()))

    async def _read_asked(self) -> None:
        backoff = Backoff(0.1, 2.0)
        while True:
            await self._asked.wait()
            self._asked.clear()
            unread, self._unread = self._unread, {}
            try:
                for (_, key), channel in list(unread.items()):
                    await self._read_one(channel, key)
                    del unread[channel.name, key]
                backoff.reset()
                self._reading.passed()
            except FullonError as error:
                self._reading.failed(error)
                self._unread = {**unread, **self._unread}
                self._asked.set()
                await asyncio.sleep(backoff.pause())

    async def _read_one(self, channel: Channel, key: str) -> None:
        try:
            found = await cache.latest(self._valkey, read_key(channel, key), self._processes)
        except _NONSENSE as error:
            _log.error("value not understood", extra={"channel": channel.name, "key": key, "cause": repr(error)})
            found = {} if key.endswith(EVERY) else {key: None}
        now = to_milliseconds(self._clock.now())
        for name, value in found.items():
            self._fanout.know(channel, name, value, now)


class Trades:
    """The stream of trades, every one of them, and the latest of each key for snapshots."""

    def __init__(
        self, valkey: Redis, fanout: Fanout, clock: Clock, outage: Outage, *, taken: Callable[[int], None]
    ) -> None:
        self._valkey = valkey
        self._fanout = fanout
        self._clock = clock
        self._outage = outage
        self._taken = taken
        self._recent: dict[str, deque[Any]] = {}
        self._last = b"0-0"
        #: Entries of the stream up to and with the last one read, counted from its beginning.
        self._read = 0
        self._note_at = 0.0
        #: How far behind the newest entry the last one read was, as of two seconds ago at most.
        self.entries_behind = 0
        self.milliseconds_behind = 0

    def snapshot(self, key: str) -> None:
        """Let the fan-out know the latest trades of a key; what it is given next follows them."""
        recent = [frames.trade_data(record) for record in self._recent.get(key, ())]
        self._fanout.know(TRADES, key, recent, to_milliseconds(self._clock.now()))

    async def run(self) -> None:
        """Read until cancelled; Valkey may come and go."""
        backoff = Backoff(0.1, 2.0)
        started = False
        while True:
            try:
                if not started:
                    await self._start()
                    started = True
                await self._check()
                self._outage.passed()
                backoff.reset()
                await self._follow()
            except _AWAY as error:
                self._outage.failed(_unavailable(error))
                await asyncio.sleep(backoff.pause())

    async def _start(self) -> None:
        """Begin at the end of the stream, with the latest trades before it."""
        pipeline = self._valkey.pipeline(transaction=True)
        pipeline.xinfo_stream(keys.TRADES_STREAM)
        pipeline.xrevrange(keys.TRADES_STREAM, count=cache.TRADES_LOOKED_AT)
        info, entries = await pipeline.execute(raise_on_error=False)
        if isinstance(info, ResponseError):
            return  # there is no trade yet
        if isinstance(info, Exception) or isinstance(entries, Exception):
            raise info if isinstance(info, Exception) else entries
        self._read = info["entries-added"]
        if entries:
            self._last = entries[0][0]
        for identifier, fields in reversed(entries):
            try:
                self._remember(orjson.loads(fields[keys.TRADES_FIELD]))
            except _NONSENSE as error:
                _log.error("trades not understood", extra={"entry": identifier.decode(), "cause": repr(error)})

    async def _follow(self) -> None:
        """Read what comes for a while."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _CHECK_SECONDS
        while loop.time() < until:
            if loop.time() >= self._note_at:
                self._note_at = loop.time() + _NOTE_SECONDS
                await self._valkey.set(keys.TRADES_READ, self._last, ex=keys.TRADES_READ_SECONDS)
            answer = await self._valkey.xread({keys.TRADES_STREAM: self._last}, count=_BATCH, block=_BLOCK_MILLISECONDS)
            _heed_cancellation()
            for _, entries in cast("list[tuple[bytes, list[Entry]]]", answer or []):
                self._take(entries)

    def _take(self, entries: list[Entry]) -> None:
        now = to_milliseconds(self._clock.now())
        for identifier, fields in entries:
            self._last = identifier
            self._read += 1
            try:
                batch = orjson.loads(fields[keys.TRADES_FIELD])
                key = self._remember(batch)
                if self._fanout.wants("trades", key, key):
                    self._fanout.trades(TRADES, key, [frames.trade_data(record) for record in batch["trades"]], now)
                self._taken(len(batch["trades"]))
            except _NONSENSE as error:
                _log.error("trades not understood", extra={"entry": identifier.decode(), "cause": repr(error)})

    def _remember(self, batch: Mapping[str, Any]) -> str:
        key = f"{batch['exchange']}:{batch['symbol']}"
        recent = self._recent.get(key)
        if recent is None:
            recent = self._recent[key] = deque(maxlen=cache.RECENT_TRADES)
        recent.extend(batch["trades"])
        return key

    async def _check(self) -> None:
        """Announce what was trimmed before it was read, or lost with a flushed stream."""
        try:
            info = await self._valkey.xinfo_stream(keys.TRADES_STREAM)
        except ResponseError:
            info = {"entries-added": 0, "length": 0, "last-generated-id": b"0-0"}
        added, trimmed = info["entries-added"], info["entries-added"] - info["length"]
        self.entries_behind = max(0, added - self._read)
        newest, last = _order(info["last-generated-id"])[0], _order(self._last)[0]
        self.milliseconds_behind = max(0, newest - last) if self.entries_behind and last else 0
        if added < self._read:
            _log.warning("the stream of trades began anew", extra={"read": self._read, "added": added})
            if _order(info["last-generated-id"]) < _order(self._last):
                self._last = b"0-0"
            seen = await self._valkey.xrange(keys.TRADES_STREAM, max=self._last)
            self._read = trimmed + len(seen or ())
            self._fanout.lose_trades()
        elif trimmed > self._read:
            _log.warning("trades were trimmed before they were read", extra={"entries": trimmed - self._read})
            self._read = trimmed
            self._fanout.lose_trades()


def _heed_cancellation() -> None:
    """redis-py loses a cancellation that meets its look for stale data, a read with a time-out of zero."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _order(identifier: bytes) -> tuple[int, ...]:
    return tuple(int(part) for part in identifier.split(b"-"))


def _unavailable(error: Exception) -> Unavailable:
    unavailable = Unavailable("The cache cannot be reached; trying again.", code="cache_down")
    unavailable.__cause__ = error
    return unavailable
