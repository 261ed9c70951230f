"""Binance-shaped market streams read directly: one frame, one small parse.

Why beside ccxt.pro: a ``bookTicker`` frame costs ccxt 15 µs and ours 2 µs, ``kline`` frames say when a bar is closed,
which ccxt's unified candle leaves out, and every frame is delivered rather than the latest of a cache.

Protocol: https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams. Sockets are opened without a
stream in their path and subscribed by message, at most 200 streams a message and 5 messages a second, 1024 streams a
socket; the server closes a socket after 24 hours. Frames of ``bookTicker`` carry neither an event name nor a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

import aiohttp
import orjson

from fullon.venues.ccxt_values import change
from fullon.venues.ccxt_venue import CcxtVenue
from fullon.venues.errors import UnknownSymbol, VenueDown
from fullon.venues.port import Stream
from fullon.venues.quotes import Bar, Side, Tick, Trade

Item = TypeVar("Item")

_STREAMS_A_MESSAGE = 200
_STREAMS_A_SOCKET = 1000
_SECONDS_BETWEEN_MESSAGES = 0.25
#: Seconds between our pings; a socket that does not answer one within half of it is taken for lost.
_HEARTBEAT_SECONDS = 20.0
_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 1.0


class BinanceVenue(CcxtVenue):
    """A spot venue that speaks Binance's protocol: REST through ccxt, streams directly."""

    def stream_tickers(self, symbols: Sequence[str]) -> Stream[Tick]:
        return self._tickers(symbols)

    def stream_candles(self, symbols: Sequence[str]) -> Stream[tuple[str, Bar]]:
        return self._stream(symbols, ("kline_1m",), lambda names: _CandleReader(names).read)

    def stream_trades(self, symbols: Sequence[str]) -> Stream[tuple[str, Trade]]:
        return self._stream(symbols, ("aggTrade",), lambda names: _TradeReader(names).read)

    async def _tickers(self, symbols: Sequence[str]) -> Stream[Tick]:
        """The present state by REST first: best prices then have a last price to stand beside."""
        ticks = await self.tickers(symbols)
        yield ticks
        reader = _TickReader(self.name, {tick.symbol: tick for tick in ticks})
        streams = self._stream(symbols, ("bookTicker", "miniTicker"), reader.of)
        async with aclosing(streams):
            async for batch in streams:
                yield batch

    async def _stream(
        self,
        symbols: Sequence[str],
        kinds: Sequence[str],
        reader: Callable[[Mapping[str, str]], Callable[[Any], Item | None]],
    ) -> Stream[Item]:
        names = await self._market_ids(symbols)
        wanted = [f"{name.lower()}@{kind}" for name in names for kind in kinds]
        if len(wanted) > _STREAMS_A_SOCKET:
            raise VenueDown(f"{len(wanted)} streams are more than one socket of {self.name} carries.")
        read = reader(names)
        address = self._exchange.urls["api"]["ws"]["spot"]
        try:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.ws_connect(
                    address,
                    heartbeat=_HEARTBEAT_SECONDS,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_SECONDS),
                    decode_text=False,
                ) as socket,
            ):
                subscribing = asyncio.create_task(_subscribe(socket, wanted))
                try:
                    async with aclosing(_arrivals(socket)) as arrivals:
                        async for batch in arrivals:
                            items = [item for payload in batch if (item := read(orjson.loads(payload))) is not None]
                            if items:
                                yield items
                    reason = f"code {socket.close_code}"
                finally:
                    subscribing.cancel()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, LookupError, ArithmeticError) as error:
            raise VenueDown(f"The stream of {self.name} failed.", exchange=self.name) from error
        raise VenueDown(f"The stream of {self.name} was closed ({reason}).", exchange=self.name)

    async def _market_ids(self, symbols: Sequence[str]) -> dict[str, str]:
        """The venue's own names, each with ours."""
        if not self._exchange.markets:
            await self._call("load_markets")
        try:
            return {self._exchange.markets[symbol]["id"]: symbol for symbol in symbols}
        except KeyError as error:
            raise UnknownSymbol(f"{self.name} does not list {error.args[0]}.", exchange=self.name) from error


async def _arrivals(socket: aiohttp.ClientWebSocketResponse[Any]) -> Stream[bytes]:
    """Messages in the batches they arrive in, until the socket closes.

    A task of its own takes what is there without waiting in between, so a burst is one batch.
    """
    arrived: list[bytes] = []
    bell = asyncio.Event()

    async def take() -> None:
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    arrived.append(message.data)
                    bell.set()
        finally:
            bell.set()

    taking = asyncio.create_task(take())
    try:
        while not taking.done() or arrived:
            await bell.wait()
            bell.clear()
            batch, arrived[:] = arrived[:], []
            if batch:
                yield batch
        taking.result()
    finally:
        taking.cancel()
        await asyncio.wait({taking})


async def _subscribe(socket: aiohttp.ClientWebSocketResponse[Any], streams: Sequence[str]) -> None:
    for number, start in enumerate(range(0, len(streams), _STREAMS_A_MESSAGE), start=1):
        if number > 1:
            await asyncio.sleep(_SECONDS_BETWEEN_MESSAGES)
        part = streams[start : start + _STREAMS_A_MESSAGE]
        await socket.send_str(orjson.dumps({"method": "SUBSCRIBE", "params": part, "id": number}).decode())


class _TickReader:
    """Keeps the latest tick of each symbol and changes it by what a frame says."""

    def __init__(self, exchange: str, ticks: dict[str, Tick]) -> None:
        self._exchange = exchange
        self._ticks = ticks
        self._names: Mapping[str, str] = {}

    def of(self, names: Mapping[str, str]) -> Callable[[Any], Tick | None]:
        self._names = names
        return self.read

    def read(self, frame: Any) -> Tick | None:
        symbol = self._names.get(frame.get("s"))
        if symbol is None:
            return None
        before = self._ticks.get(symbol)
        if "b" in frame:
            if before is None:
                return None
            tick = replace(before, bid=Decimal(frame["b"]), ask=Decimal(frame["a"]))
        else:
            price = Decimal(frame["c"])
            tick = Tick(
                self._exchange,
                symbol,
                price,
                before.bid if before else None,
                before.ask if before else None,
                Decimal(frame["v"]),
                change(Decimal(frame["o"]), price),
                frame["E"],
            )
        if tick == before:
            return None
        self._ticks[symbol] = tick
        return tick


class _CandleReader:
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def read(self, frame: Any) -> tuple[str, Bar] | None:
        symbol = self._names.get(frame.get("s"))
        if symbol is None:
            return None
        k = frame["k"]
        numbers = (float(k["o"]), float(k["h"]), float(k["l"]), float(k["c"]), float(k["v"]))
        return symbol, Bar(k["t"], *numbers, k["x"])


class _TradeReader:
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def read(self, frame: Any) -> tuple[str, Trade] | None:
        symbol = self._names.get(frame.get("s"))
        if symbol is None:
            return None
        side: Side = "sell" if frame["m"] else "buy"
        return symbol, Trade(str(frame["a"]), frame["T"], Decimal(frame["p"]), Decimal(frame["q"]), side)
