"""What each stream sends: a feed is asked at every tick what has happened since it was last asked.

Trades and closed bars are never left out, however far the clock has run since. What is only a present state, such as
the best prices, a running bar or the 24 hours, is sent at most as often as its cadence, whatever the speed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

import orjson

from local.paper.exchange import Exchange, Instrument
from local.paper.klines import INTERVALS, Interval, Kline
from local.paper.order_book import BookState, OrderBooks
from local.paper.statistics import full_ticker, mini_ticker

#: A running bar is sent when a trade has changed it, but not more often than this (wall seconds).
KLINE_SECONDS = 0.25
TICKER_SECONDS = 1.0
_DEPTH_LEVELS = {"5", "10", "20"}


class Moment(NamedTuple):
    """A tick: the venue's time, the time it states (both epoch milliseconds), wall seconds, and a fresh update id."""

    now: int
    event_time: int
    wall: float
    update_id: int


class Feed(Protocol):
    """The messages of one stream."""

    def advance(self, moment: Moment) -> list[bytes]:
        """What there is to send at ``moment``, each as JSON."""

    def end(self) -> None:
        """Nobody listens any more."""


class _Feed:
    def end(self) -> None:
        """Hold nothing."""


class TradeFeed(_Feed):
    """``<symbol>@trade`` or ``<symbol>@aggTrade``: every trade, from the first tick on."""

    def __init__(self, instrument: Instrument, now: int, *, aggregate: bool) -> None:
        self._instrument = instrument
        self._aggregate = aggregate
        self._next = instrument.last(now).id + 1

    def advance(self, moment: Moment) -> list[bytes]:
        symbol, messages = self._instrument.symbol, []
        for trade in self._instrument.tape.since(self._next, moment.now):
            self._next = trade.id + 1
            numbers = {"a": trade.id} if self._aggregate else {"t": trade.id}
            within = {"f": trade.id, "l": trade.id} if self._aggregate else {}
            messages.append(
                orjson.dumps(
                    {
                        "e": "aggTrade" if self._aggregate else "trade",
                        "E": moment.event_time,
                        "s": symbol.id,
                        **numbers,
                        "p": symbol.price(trade.price),
                        "q": symbol.quantity(trade.quantity),
                        **within,
                        "T": trade.time,
                        "m": trade.buyer_is_maker,
                        "M": True,
                    }
                )
            )
        return messages


class KlineFeed(_Feed):
    """``<symbol>@kline_<interval>``: the running bar as it changes, and each bar once more, closed."""

    def __init__(self, instrument: Instrument, interval: Interval) -> None:
        self._instrument = instrument
        self._interval = interval
        self._bucket: int | None = None
        self._shown: int | None = None
        self._due = 0.0

    def advance(self, moment: Moment) -> list[bytes]:
        bucket, bars, messages = self._interval.floor(moment.now), self._instrument.klines, []
        if self._bucket is None:
            self._bucket = bucket
        while self._bucket < bucket:
            messages.append(self._message(bars.bar(self._interval, self._bucket, moment.now), moment, closed=True))
            self._bucket = self._interval.next(self._bucket)
            self._shown, self._due = None, 0.0
        if moment.wall >= self._due and (last := self._instrument.last(moment.now).id) != self._shown:
            messages.append(self._message(bars.bar(self._interval, bucket, moment.now), moment, closed=False))
            self._shown, self._due = last, moment.wall + KLINE_SECONDS
        return messages

    def _message(self, bar: Kline, moment: Moment, *, closed: bool) -> bytes:
        symbol, span = self._instrument.symbol, bar.span
        return orjson.dumps(
            {
                "e": "kline",
                "E": moment.event_time,
                "s": symbol.id,
                "k": {
                    "t": bar.open_time,
                    "T": bar.close_time,
                    "s": symbol.id,
                    "i": self._interval.name,
                    "f": span.first_id,
                    "L": span.last_id,
                    "o": symbol.price(span.open),
                    "c": symbol.price(span.close),
                    "h": symbol.price(span.high),
                    "l": symbol.price(span.low),
                    "v": symbol.quantity(span.volume),
                    "n": span.trades,
                    "x": closed,
                    "q": symbol.amount(span.amount),
                    "V": symbol.quantity(span.taker_quantity),
                    "Q": symbol.amount(span.taker_amount),
                    "B": "0",
                },
            }
        )


class BookTickerFeed(_Feed):
    """``<symbol>@bookTicker`` and ``!bookTicker``: the best prices whenever they or their quantities change."""

    def __init__(self, instruments: list[Instrument]) -> None:
        self._instruments = instruments
        self._shown: dict[str, object] = {}

    def advance(self, moment: Moment) -> list[bytes]:
        messages = []
        for instrument in self._instruments:
            symbol, quote = instrument.symbol, instrument.quote(moment.now)
            if self._shown.get(symbol.id) != quote:
                self._shown[symbol.id] = quote
                messages.append(
                    orjson.dumps(
                        {
                            "u": moment.update_id,
                            "s": symbol.id,
                            "b": symbol.price(quote.bid),
                            "B": symbol.quantity(quote.bid_quantity),
                            "a": symbol.price(quote.ask),
                            "A": symbol.quantity(quote.ask_quantity),
                        }
                    )
                )
        return messages


class TickerFeed(_Feed):
    """The two ticker streams, of one symbol or as an array of all, once a second."""

    def __init__(
        self,
        instruments: list[Instrument],
        ticker: Callable[[Instrument, int, int], dict[str, object]],
        *,
        array: bool,
    ) -> None:
        self._instruments = instruments
        self._ticker = ticker
        self._array = array
        self._due = 0.0

    def advance(self, moment: Moment) -> list[bytes]:
        if moment.wall < self._due:
            return []
        phase = 0.0 if self._array else self._instruments[0].place * TICKER_SECONDS
        self._due = moment.wall + TICKER_SECONDS - (moment.wall - phase) % TICKER_SECONDS
        tickers = [self._ticker(each, moment.now, moment.event_time) for each in self._instruments]
        return [orjson.dumps(tickers if self._array else tickers[0])]


class PartialDepthFeed(_Feed):
    """``<symbol>@depth5``, ``10``, ``20``: the top of the book whenever it has changed."""

    def __init__(self, instrument: Instrument, books: OrderBooks, levels: int, seconds: float) -> None:
        self._instrument = instrument
        self._books = books
        self._levels = levels
        self._seconds = seconds
        self._due = 0.0
        self._shown = 0

    def advance(self, moment: Moment) -> list[bytes]:
        if moment.wall < self._due:
            return []
        self._due = moment.wall + self._seconds
        state = self._books.refresh(self._instrument)
        if state.update_id == self._shown:
            return []
        self._shown = state.update_id
        bids, asks = list(state.depth.bids)[: self._levels], list(state.depth.asks)[: self._levels]
        return [
            orjson.dumps(
                {
                    "lastUpdateId": state.update_id,
                    "bids": _levels(self._instrument, bids, state.depth.bids),
                    "asks": _levels(self._instrument, asks, state.depth.asks),
                }
            )
        ]


class DepthFeed(_Feed):
    """``<symbol>@depth``: the levels touched since the last message; quantity 0 takes a level away."""

    def __init__(self, instrument: Instrument, books: OrderBooks, seconds: float) -> None:
        self._instrument = instrument
        self._books = books
        self._seconds = seconds
        self._due = 0.0
        self._listener = books.listen(instrument)

    def advance(self, moment: Moment) -> list[bytes]:
        if moment.wall < self._due:
            return []
        self._due = moment.wall + self._seconds
        state, listener = self._books.refresh(self._instrument), self._listener
        if state.update_id == listener.update_id:
            return []
        message = self._message(state, moment)
        listener.update_id = state.update_id
        listener.bids.clear()
        listener.asks.clear()
        return [message]

    def end(self) -> None:
        self._books.ignore(self._instrument, self._listener)

    def _message(self, state: BookState, moment: Moment) -> bytes:
        touched = self._listener
        return orjson.dumps(
            {
                "e": "depthUpdate",
                "E": moment.event_time,
                "s": self._instrument.symbol.id,
                "U": touched.update_id + 1,
                "u": state.update_id,
                "b": _levels(self._instrument, sorted(touched.bids, reverse=True), state.depth.bids),
                "a": _levels(self._instrument, sorted(touched.asks), state.depth.asks),
            }
        )


def open_feed(stream: str, exchange: Exchange, books: OrderBooks) -> Feed | None:
    """The feed of ``stream``, or None for a name that Binance would accept and never send anything on."""
    every = list(exchange.instruments.values())
    match stream:
        case "!bookTicker":
            return BookTickerFeed(every)
        case "!miniTicker@arr":
            return TickerFeed(every, mini_ticker, array=True)
        case "!ticker@arr":
            return TickerFeed(every, full_ticker, array=True)
    name, _, kind = stream.partition("@")
    instrument = exchange.instruments.get(name.upper())
    if instrument is None or name != name.lower():
        return None
    match kind:
        case "trade" | "aggTrade":
            return TradeFeed(instrument, exchange.clock.now(), aggregate=kind == "aggTrade")
        case "bookTicker":
            return BookTickerFeed([instrument])
        case "miniTicker":
            return TickerFeed([instrument], mini_ticker, array=False)
        case "ticker":
            return TickerFeed([instrument], full_ticker, array=False)
    if kind.startswith("kline_") and (interval := INTERVALS.get(kind.removeprefix("kline_"))):
        return KlineFeed(instrument, interval)
    if depth := re.fullmatch(r"depth([0-9]*)(@100ms|@1000ms)?", kind):
        levels, seconds = depth[1], 0.1 if depth[2] == "@100ms" else 1.0
        if not levels:
            return DepthFeed(instrument, books, seconds)
        if levels in _DEPTH_LEVELS:
            return PartialDepthFeed(instrument, books, int(levels), seconds)
    return None


def _levels(instrument: Instrument, prices: list[int], side: dict[int, int]) -> list[list[str]]:
    symbol = instrument.symbol
    return [[symbol.price(price), symbol.quantity(side.get(price, 0))] for price in prices]
