"""A venue through ccxt: its REST side, and the making of ccxt objects. The streams are in :mod:`ccxt_streams`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import ccxt.pro
from ccxt.base.decimal_to_precision import TICK_SIZE

from fullon.kernel.clock import Clock, to_milliseconds
from fullon.kernel.errors import Invalid
from fullon.kernel.timeframes import MINUTE_MS
from fullon.venues import ccxt_streams, ccxt_values
from fullon.venues.ccxt_errors import FOREIGN, translate
from fullon.venues.model import Capabilities, Market
from fullon.venues.port import Stream
from fullon.venues.quotes import Bar, Tick, Trade
from fullon.venues.trade_bars import minute_bars

#: How a request says "from this id on", where a venue pages its trades by id.
TRADES_FROM_ID = {"binance": "fromId", "binanceus": "fromId", "binanceusdm": "fromId", "binancecoinm": "fromId"}
#: Placeholders of addresses in the catalogue: base address for HTTP, and the same for WebSocket.
_HTTP, _SOCKETS = "{http}", "{ws}"
_AGGREGATE = {"name": "aggTrade"}
_TRADE_PAGE = 1000


class CcxtVenue:
    """Market data of one venue through ccxt and ccxt.pro; see :class:`fullon.venues.port.MarketData`.

    Args:
        name: the venue's name in our catalogue.
        ccxt_id: ccxt's class.
        params: ``urls`` and ``options`` for ccxt. Addresses may hold ``{http}`` and ``{ws}`` for the base address.
        base_url: ``http(s)://host[:port]`` that takes the place of the venue's own address.
        clock: states the time where a venue does not.

    Raises:
        Invalid: ccxt has no such class, or the addresses need a base address and there is none.
    """

    def __init__(
        self, name: str, ccxt_id: str, params: Mapping[str, Any], base_url: str | None, *, clock: Clock
    ) -> None:
        if ccxt_id not in ccxt.pro.exchanges and ccxt_id not in ccxt.exchanges:
            raise Invalid(f"ccxt does not know the exchange {ccxt_id}.", fields={"ccxt_id": "unknown"})
        self.name = name
        self._ccxt_id = ccxt_id
        self._params = params
        self._base_url = base_url.rstrip("/") if base_url else None
        self._clock = clock
        self._exchange = self._make()

    @staticmethod
    def taker_rate(ccxt_id: str) -> Decimal | None:
        """The share of a trade that the venue takes from who takes, by its published list; None where ccxt has none."""
        if ccxt_id not in ccxt.exchanges:
            return None
        described = getattr(ccxt, ccxt_id)().describe()
        return ccxt_values.decimal(((described.get("fees") or {}).get("trading") or {}).get("taker"))

    @property
    def capabilities(self) -> Capabilities:
        has = self._exchange.has
        return Capabilities(
            candles=has.get("fetchOHLCV") is True,
            trades=has.get("fetchTrades") is True,
            trades_by_id=self._ccxt_id in TRADES_FROM_ID,
            ticker_streams=bool(has.get("watchTickers") or has.get("watchTicker")),
            candle_streams=bool(has.get("watchOHLCVForSymbols") or has.get("watchOHLCV")),
            trade_streams=bool(has.get("watchTradesForSymbols") or has.get("watchTrades")),
        )

    async def server_time(self) -> int:
        if not self._exchange.has.get("fetchTime"):
            return to_milliseconds(self._clock.now())
        return int(await self._call("fetch_time"))

    async def markets(self) -> list[Market]:
        await self._call("load_markets", True)
        tick_size_mode = self._exchange.precisionMode == TICK_SIZE
        listed = [raw for raw in self._exchange.markets.values() if not raw.get("option")]
        return [ccxt_values.market(raw, tick_size_mode=tick_size_mode) for raw in listed]

    async def tickers(self, symbols: Sequence[str]) -> list[Tick]:
        if self._exchange.has.get("fetchTickers"):
            raw = await self._call("fetch_tickers", list(symbols))
        else:
            raw = {symbol: await self._call("fetch_ticker", symbol) for symbol in symbols}
        now = to_milliseconds(self._clock.now())
        ticks = [ccxt_values.tick(self.name, raw[symbol], None, now) for symbol in symbols if symbol in raw]
        return [tick for tick in ticks if tick is not None]

    async def candles(self, symbol: str, since: int, limit: int) -> list[Bar]:
        if not self._exchange.has.get("fetchOHLCV"):
            return await self._candles_of_trades(symbol, since, limit)
        rows = await self._call("fetch_ohlcv", symbol, "1m", since, limit)
        bars = [bar for row in rows if (bar := ccxt_values.bar(row)) is not None and bar.ts >= since]
        return sorted(bars, key=lambda bar: bar.ts)[:limit]

    async def trades(self, symbol: str, since: int | None, after: str | None, limit: int) -> list[Trade]:
        parameter = TRADES_FROM_ID.get(self._ccxt_id)
        if after is not None and parameter is not None and after.isdecimal():
            raw = await self._call("fetch_trades", symbol, None, limit, {parameter: str(int(after) + 1)})
        else:
            raw = await self._call("fetch_trades", symbol, since, limit)
        found = [trade for item in raw if (trade := ccxt_values.trade(item)) is not None and trade.trade_id != after]
        return sorted(found, key=lambda trade: (trade.ts, trade.ordinal))

    def stream_tickers(self, symbols: Sequence[str]) -> Stream[Tick]:
        return ccxt_streams.tickers(self, symbols)

    def stream_candles(self, symbols: Sequence[str]) -> Stream[tuple[str, Bar]]:
        return ccxt_streams.candles(self, symbols)

    def stream_trades(self, symbols: Sequence[str]) -> Stream[tuple[str, Trade]]:
        return ccxt_streams.trades(self, symbols)

    async def close(self) -> None:
        await self._exchange.close()

    async def connection(self) -> Any:
        """A ccxt object of its own for one stream, knowing the markets already; its user closes it."""
        if not self._exchange.markets:
            await self._call("load_markets")
        exchange = self._make()
        exchange.set_markets(self._exchange.markets, self._exchange.currencies)
        return exchange

    def now(self) -> int:
        """The time to state where the venue states none, epoch milliseconds."""
        return to_milliseconds(self._clock.now())

    async def _call(self, method: str, *arguments: Any) -> Any:
        exchange = self._exchange
        try:
            return await getattr(exchange, method)(*arguments)
        except FOREIGN as error:
            raise self.translated(error, exchange) from error

    def translated(self, error: Exception, exchange: Any) -> Exception:
        """Our error for one of ccxt, with the waiting time that the venue's last answer asked for."""
        headers = getattr(exchange, "last_response_headers", None) or {}
        wait = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
        return translate(self.name, error, int(wait) if str(wait).isdecimal() else None)

    async def _candles_of_trades(self, symbol: str, since: int, limit: int) -> list[Bar]:
        found: dict[str, Trade] = {}
        start, until = since, since + limit * MINUTE_MS
        while start < until:
            page = await self.trades(symbol, start, None, _TRADE_PAGE)
            new = [trade for trade in page if trade.trade_id not in found]
            if not new:
                break
            found.update((trade.trade_id, trade) for trade in new)
            start = new[-1].ts
        bars = minute_bars(sorted(found.values(), key=lambda trade: (trade.ts, trade.ordinal)))
        if bars and bars[0].ts > since - since % MINUTE_MS + MINUTE_MS:
            bars = bars[1:]  # The venue keeps no trades that old: its first minute may have lost its beginning.
        return [bar for bar in bars if bar.ts >= since][:limit]

    def _make(self) -> Any:
        configuration: dict[str, Any] = {"enableRateLimit": True, "timeout": 10_000, "timeout_on_exit": 0}
        options = dict(self._params.get("options", {}))
        if self._ccxt_id in TRADES_FROM_ID:
            # Their REST list is of aggregate trades; the stream must count the same ones.
            options = {"watchTrades": _AGGREGATE, "watchTradesForSymbols": _AGGREGATE} | options
        configuration["options"] = options
        if "urls" in self._params:
            configuration["urls"] = _filled(self._params["urls"], self._base_url)
        module = ccxt.pro if self._ccxt_id in ccxt.pro.exchanges else ccxt.async_support
        exchange = getattr(module, self._ccxt_id)(configuration)
        if self._base_url is not None and "urls" not in self._params:
            exchange.urls["api"] = _moved(exchange.urls["api"], self._base_url)
        exchange.number = str
        return exchange


def _filled(addresses: Any, base_url: str | None) -> Any:
    """``addresses`` with the placeholders filled in."""
    if isinstance(addresses, Mapping):
        return {name: _filled(value, base_url) for name, value in addresses.items()}
    if not isinstance(addresses, str) or (_HTTP not in addresses and _SOCKETS not in addresses):
        return addresses
    if base_url is None:
        raise Invalid("The catalogue leaves this exchange's address to the settings, and they do not name one.")
    return addresses.replace(_HTTP, base_url).replace(_SOCKETS, "ws" + base_url.removeprefix("http"))


def _moved(addresses: Any, base_url: str) -> Any:
    """``addresses`` at another host: scheme and authority of ``base_url``, paths as they were."""
    if isinstance(addresses, Mapping):
        return {name: _moved(value, base_url) for name, value in addresses.items()}
    if not isinstance(addresses, str):
        return addresses
    parts, base = urlsplit(addresses), urlsplit(base_url)
    scheme = {"ws": "ws", "wss": "ws"}.get(parts.scheme, "http") + ("s" if base.scheme == "https" else "")
    return urlunsplit(parts._replace(scheme=scheme, netloc=base.netloc))
