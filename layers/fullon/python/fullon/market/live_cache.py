"""Writing market data to Valkey: the latest values, and their changes to whoever listens. Reading is :mod:`cache`.

Each call is one round trip, however much it carries. All of it can be rebuilt: from the venues, and the recent bars
from PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import orjson
from redis.exceptions import RedisError

from fullon.kernel.errors import Unavailable
from fullon.kernel.retry import give_way
from fullon.kernel.timeframes import Timeframe
from fullon.market import keys
from fullon.venues.quotes import Bar, Tick, Trade

if TYPE_CHECKING:
    from redis.asyncio import Redis

#: Exchange and symbol.
Series: TypeAlias = tuple[str, str]


class LiveCache:
    """The writing side of the market's keys in Valkey.

    Every method raises ``Unavailable`` while Valkey cannot be reached.

    Args:
        collector: who writes; it leaves a mark that is missing after Valkey lost its memory.
    """

    def __init__(self, valkey: Redis, collector: str) -> None:
        self._valkey = valkey
        self._mark = f"collector:{{{collector}}}"

    async def is_marked(self, owner: str) -> bool:
        """Whether everything this ``owner`` wrote is still there; False after Valkey was emptied, or another wrote."""
        with _unavailable_when_down():
            return bool(await self._valkey.get(self._mark) == owner.encode())

    async def mark(self, owner: str) -> None:
        """Leave the mark, after everything was written."""
        with _unavailable_when_down():
            await self._valkey.set(self._mark, owner)

    async def put_ticks(self, ticks: Sequence[Tick]) -> None:
        """Keep the latest tick of each symbol and publish all of them, in order, as one message."""
        records = [orjson.dumps(tick.to_record()) for tick in ticks]
        latest: dict[str, dict[str, bytes]] = {}
        for tick, record in zip(ticks, records, strict=True):
            latest.setdefault(tick.exchange, {})[tick.symbol] = record
        with _unavailable_when_down():
            async with self._valkey.pipeline(transaction=False) as batch:
                for exchange, fields in latest.items():
                    batch.hset(keys.ticks(exchange), mapping=fields)  # type: ignore[arg-type]
                    batch.set(keys.heard(exchange), b"", ex=keys.HEARD_SECONDS)
                batch.publish(keys.TICKERS_CHANNEL, b"[" + b",".join(records) + b"]")
                await batch.execute()

    async def keep_only(self, exchange: str, symbols: Iterable[str]) -> None:
        """Forget the ticks of symbols that are no longer collected."""
        with _unavailable_when_down():
            known: list[bytes] = await self._valkey.hkeys(keys.ticks(exchange))  # type: ignore[assignment]
            gone = {name.decode() for name in known} - set(symbols)
            if gone:
                await self._valkey.hdel(keys.ticks(exchange), *gone)

    async def put_bars(self, changes: Mapping[Series, Sequence[tuple[Timeframe, Bar]]]) -> None:
        """Replace the present bars, add the final ones to the recent, and publish all of them as one message."""
        news: list[dict[str, object]] = []
        with _unavailable_when_down():
            async with self._valkey.pipeline(transaction=False) as batch:
                for (exchange, symbol), bars in changes.items():
                    present = {timeframe.value: orjson.dumps(bar.to_record()) for timeframe, bar in bars}
                    batch.hset(keys.bars(exchange, symbol), mapping=present)  # type: ignore[arg-type]
                    for timeframe, bar in bars:
                        if bar.final:
                            self._add_recent(batch, keys.recent(exchange, symbol, timeframe), [bar])
                    for entry in _entries(bars):
                        news.append({"exchange": exchange, "symbol": symbol, "bars": entry})
                batch.publish(keys.BARS_CHANNEL, orjson.dumps(news))
                await batch.execute()

    async def put_recent(self, series: Series, bars: Mapping[Timeframe, Sequence[Bar]], *, whole: bool) -> None:
        """Put final bars among the recent ones.

        Args:
            whole: they are all there is; what else is kept goes.
        """
        with _unavailable_when_down():
            async with self._valkey.pipeline(transaction=True) as batch:
                for timeframe, final in bars.items():
                    key = keys.recent(*series, timeframe)
                    if whole:
                        batch.delete(key)
                    self._add_recent(batch, key, final)
                await batch.execute()

    async def put_trades(self, batches: Sequence[tuple[Series, Sequence[Trade]]]) -> None:
        """Append to the stream of trades and remember where each series ends, both or neither."""
        ends: dict[str, bytes] = {}
        with _unavailable_when_down():
            async with self._valkey.pipeline(transaction=True) as batch:
                for (exchange, symbol), trades in batches:
                    records = [trade.to_record() for trade in trades]
                    entry = {"exchange": exchange, "symbol": symbol, "trades": records}
                    batch.xadd(
                        keys.TRADES_STREAM,
                        {keys.TRADES_FIELD: orjson.dumps(entry)},
                        maxlen=keys.TRADES_STREAM_LENGTH,
                        approximate=True,
                    )
                    ends[f"{exchange}:{symbol}"] = orjson.dumps(records[-1])
                batch.hset(keys.TRADES_ENDS, mapping=ends)  # type: ignore[arg-type]
                await batch.execute()

    async def trades_ends(self, series: Iterable[Series]) -> dict[Series, Trade]:
        """The last trade in the stream of each series that has one."""
        wanted = list(series)
        if not wanted:
            return {}
        with _unavailable_when_down():
            found = await self._valkey.hmget(keys.TRADES_ENDS, [":".join(each) for each in wanted])
        return {
            each: Trade.from_record(orjson.loads(record))
            for each, record in zip(wanted, found, strict=True)
            if record is not None
        }

    @staticmethod
    def _add_recent(batch: object, key: str, bars: Sequence[Bar]) -> None:
        if not bars:
            return
        kept = bars[-keys.RECENT_BARS :]
        pipeline: Redis = batch  # type: ignore[assignment]
        pipeline.zremrangebyscore(key, kept[0].ts, kept[-1].ts)
        pipeline.zadd(key, {orjson.dumps(bar.to_record()[:6]): bar.ts for bar in kept})
        pipeline.zremrangebyrank(key, 0, -keys.RECENT_BARS - 1)


def _entries(bars: Sequence[tuple[Timeframe, Bar]]) -> list[dict[str, object]]:
    """As few objects by timeframe as keep the order of each: the closed bar, then the one that follows it."""
    entries: list[dict[str, object]] = [{}]
    for timeframe, bar in bars:
        if timeframe.value in entries[-1]:
            entries.append({})
        entries[-1][timeframe.value] = bar.to_record()
    return entries


@contextmanager
def _unavailable_when_down() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        give_way()
        raise Unavailable("The cache cannot be reached; try again shortly.", code="cache_down") from error
    give_way()
