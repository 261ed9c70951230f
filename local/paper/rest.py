"""Market data over REST: what each path of ``/api/v3`` answers, and its weight. Times are epoch milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from local.paper import errors
from local.paper.exchange import Exchange, Instrument
from local.paper.klines import Kline
from local.paper.market import Symbol
from local.paper.order_book import OrderBooks
from local.paper.parameters import Parameters
from local.paper.prints import SLOTS, Trade
from local.paper.statistics import day_statistics

_AVERAGE_MINUTES = 5


@dataclass(frozen=True)
class Venue:
    """What the handlers read.

    Args:
        exchange: the market.
        books: the order books, shared with the streams.
        weight_limit, order_limit: shown in ``exchangeInfo``; orders in ten seconds.
        clock_offset: milliseconds by which the venue's stated time is off; a fault.
    """

    exchange: Exchange
    books: OrderBooks
    weight_limit: int
    order_limit: int
    clock_offset: Callable[[], int]

    def now(self) -> int:
        return self.exchange.clock.now()

    def stated_time(self) -> int:
        return self.now() + self.clock_offset()


@dataclass(frozen=True)
class Route:
    """A path's answer and what a request to it weighs."""

    answer: Callable[[Venue, Parameters], Any]
    weight: Callable[[Parameters], int]


def ping(_: Venue, __: Parameters) -> dict[str, object]:
    return {}


def time(venue: Venue, _: Parameters) -> dict[str, object]:
    return {"serverTime": venue.stated_time()}


def exchange_info(venue: Venue, query: Parameters) -> dict[str, object]:
    chosen = query.instruments()
    for name in ("permissions", "showPermissionSets", "symbolStatus"):
        query.text(name)
    instruments = venue.exchange.instruments.values() if chosen is None else chosen
    return {
        "timezone": "UTC",
        "serverTime": venue.stated_time(),
        "rateLimits": [
            _rate_limit("REQUEST_WEIGHT", "MINUTE", 1, venue.weight_limit),
            _rate_limit("ORDERS", "SECOND", 10, venue.order_limit),
            _rate_limit("ORDERS", "DAY", 1, 200_000),
            _rate_limit("RAW_REQUESTS", "MINUTE", 5, 61_000),
        ],
        "exchangeFilters": [],
        "symbols": [instrument.symbol.information() for instrument in instruments],
    }


def klines(venue: Venue, query: Parameters) -> list[list[Any]]:
    instrument, interval, limit = query.instrument(), query.interval(), query.limit(500, 1000)
    start, end = query.integer("startTime"), query.integer("endTime")
    query.text("timeZone", "0", "00:00", "+00:00")
    bars = instrument.klines.between(interval, start, end, limit, venue.now())
    return [_kline(instrument.symbol, bar) for bar in bars]


def trades(venue: Venue, query: Parameters) -> list[dict[str, object]]:
    instrument, limit = query.instrument(), query.limit(500, 1000)
    return [_trade(instrument.symbol, trade) for trade in instrument.recent(venue.now(), limit)]


def historical_trades(venue: Venue, query: Parameters) -> list[dict[str, object]]:
    instrument, limit, first = query.instrument(), query.limit(500, 1000), query.integer("fromId")
    found = _from(instrument, first, limit, venue.now())
    return [_trade(instrument.symbol, trade) for trade in found]


def aggregate_trades(venue: Venue, query: Parameters) -> list[dict[str, object]]:
    instrument, limit, first = query.instrument(), query.limit(500, 1000), query.integer("fromId")
    start, end, now = query.integer("startTime"), query.integer("endTime"), venue.now()
    if first is not None and (start is not None or end is not None):
        raise errors.bad_combination()
    found: Iterable[Trade]
    if start is None:
        found = _from(instrument, first, limit, now if end is None else min(end, now))
    else:
        later = instrument.tape.since(_id_at(instrument, start), now if end is None else min(end, now))
        found = islice((trade for trade in later if trade.time >= start), limit)
    return [_aggregate(instrument.symbol, trade) for trade in found]


def depth(venue: Venue, query: Parameters) -> dict[str, object]:
    instrument, limit = query.instrument(), query.limit(100, 5000)
    query.text("symbolStatus")
    book, symbol = venue.books.refresh(instrument), instrument.symbol
    return {
        "lastUpdateId": book.update_id,
        "bids": [[symbol.price(price), symbol.quantity(q)] for price, q in islice(book.depth.bids.items(), limit)],
        "asks": [[symbol.price(price), symbol.quantity(q)] for price, q in islice(book.depth.asks.items(), limit)],
    }


def day_ticker(venue: Venue, query: Parameters) -> Any:
    kind = query.text("type", "FULL", "MINI")
    return _one_or_many(venue, query, lambda each: day_statistics(each, venue.now(), mini=kind == "MINI"))


def price_ticker(venue: Venue, query: Parameters) -> Any:
    def price(each: Instrument) -> dict[str, object]:
        return {"symbol": each.symbol.id, "price": each.symbol.price(each.last(venue.now()).price)}

    return _one_or_many(venue, query, price)


def average_price(venue: Venue, query: Parameters) -> dict[str, object]:
    instrument, now = query.instrument(), venue.now()
    span = instrument.klines.span(now - _AVERAGE_MINUTES * 60_000 + 1, now)
    symbol, last = instrument.symbol, instrument.last(now)
    traded = span is not None and span.volume > 0
    price = symbol.average(span.amount, span.volume) if span is not None and traded else symbol.price(last.price)
    return {"mins": _AVERAGE_MINUTES, "price": price, "closeTime": last.time}


def book_ticker(venue: Venue, query: Parameters) -> Any:
    def quote(each: Instrument) -> dict[str, object]:
        symbol, best = each.symbol, each.quote(venue.now())
        return {
            "symbol": symbol.id,
            "bidPrice": symbol.price(best.bid),
            "bidQty": symbol.quantity(best.bid_quantity),
            "askPrice": symbol.price(best.ask),
            "askQty": symbol.quantity(best.ask_quantity),
        }

    return _one_or_many(venue, query, quote)


def _always(weight: int) -> Callable[[Parameters], int]:
    return lambda _: weight


def _by_symbols(one: int, twenty: int, many: int) -> Callable[[Parameters], int]:
    def weight(query: Parameters) -> int:
        chosen = query.instruments()
        if chosen is None:
            return many
        return one if query.text("symbol") is not None else twenty

    return weight


def _depth_weight(query: Parameters) -> int:
    limit = query.limit(100, 5000)
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250


ROUTES = {
    "/api/v3/ping": Route(ping, _always(1)),
    "/api/v3/time": Route(time, _always(1)),
    "/api/v3/exchangeInfo": Route(exchange_info, _always(20)),
    "/api/v3/klines": Route(klines, _always(2)),
    "/api/v3/uiKlines": Route(klines, _always(2)),
    "/api/v3/trades": Route(trades, _always(25)),
    "/api/v3/historicalTrades": Route(historical_trades, _always(25)),
    "/api/v3/aggTrades": Route(aggregate_trades, _always(4)),
    "/api/v3/depth": Route(depth, _depth_weight),
    "/api/v3/avgPrice": Route(average_price, _always(2)),
    "/api/v3/ticker/24hr": Route(day_ticker, _by_symbols(2, 2, 80)),
    "/api/v3/ticker/price": Route(price_ticker, _by_symbols(2, 4, 4)),
    "/api/v3/ticker/bookTicker": Route(book_ticker, _by_symbols(2, 4, 4)),
}


def _one_or_many(venue: Venue, query: Parameters, answer: Callable[[Instrument], dict[str, object]]) -> Any:
    chosen = query.instruments()
    query.text("symbolStatus")
    if chosen is not None and query.text("symbol") is not None:
        return answer(chosen[0])
    return [answer(each) for each in (venue.exchange.instruments.values() if chosen is None else chosen)]


def _from(instrument: Instrument, first: int | None, limit: int, now: int) -> list[Trade]:
    if first is None:
        return instrument.recent(now, limit)
    return list(islice(instrument.tape.since(max(first, instrument.listed * SLOTS), now), limit))


def _id_at(instrument: Instrument, moment: int) -> int:
    return max(moment // 60_000, instrument.listed) * SLOTS


def _rate_limit(kind: str, interval: str, number: int, limit: int) -> dict[str, object]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _kline(symbol: Symbol, bar: Kline) -> list[Any]:
    span = bar.span
    return [
        bar.open_time,
        symbol.price(span.open),
        symbol.price(span.high),
        symbol.price(span.low),
        symbol.price(span.close),
        symbol.quantity(span.volume),
        bar.close_time,
        symbol.amount(span.amount),
        span.trades,
        symbol.quantity(span.taker_quantity),
        symbol.amount(span.taker_amount),
        "0",
    ]


def _trade(symbol: Symbol, trade: Trade) -> dict[str, object]:
    return {
        "id": trade.id,
        "price": symbol.price(trade.price),
        "qty": symbol.quantity(trade.quantity),
        "quoteQty": symbol.amount(trade.price * trade.quantity),
        "time": trade.time,
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def _aggregate(symbol: Symbol, trade: Trade) -> dict[str, object]:
    return {
        "a": trade.id,
        "p": symbol.price(trade.price),
        "q": symbol.quantity(trade.quantity),
        "f": trade.id,
        "l": trade.id,
        "T": trade.time,
        "m": trade.buyer_is_maker,
        "M": True,
    }
