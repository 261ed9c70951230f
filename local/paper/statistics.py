"""The rolling 24 hours of a symbol: the REST ticker and the two ticker streams."""

from __future__ import annotations

from local.paper.exchange import DAY_MS, Instrument


def day_statistics(instrument: Instrument, now: int, *, mini: bool = False) -> dict[str, object]:
    """The answer of ``ticker/24hr`` for one symbol; ``mini`` is its short form."""
    symbol, span = instrument.symbol, instrument.day(now)
    window = {
        "openPrice": symbol.price(span.open),
        "highPrice": symbol.price(span.high),
        "lowPrice": symbol.price(span.low),
        "lastPrice": symbol.price(span.close),
        "volume": symbol.quantity(span.volume),
        "quoteVolume": symbol.amount(span.amount),
        "openTime": now - DAY_MS + 1,
        "closeTime": now,
        "firstId": span.first_id,
        "lastId": span.last_id,
        "count": span.trades,
    }
    if mini:
        return {"symbol": symbol.id, **window}
    quote, last = instrument.quote(now), instrument.last(now)
    return {
        "symbol": symbol.id,
        "priceChange": symbol.price(span.close - span.open),
        "priceChangePercent": _percent(span.open, span.close),
        "weightedAvgPrice": symbol.average(span.amount, span.volume),
        "prevClosePrice": symbol.price(instrument.last(now - DAY_MS).price),
        "lastQty": symbol.quantity(last.quantity),
        "bidPrice": symbol.price(quote.bid),
        "bidQty": symbol.quantity(quote.bid_quantity),
        "askPrice": symbol.price(quote.ask),
        "askQty": symbol.quantity(quote.ask_quantity),
        **window,
    }


def mini_ticker(instrument: Instrument, now: int, event_time: int) -> dict[str, object]:
    """The message of ``<symbol>@miniTicker``."""
    symbol, span = instrument.symbol, instrument.day(now)
    return {
        "e": "24hrMiniTicker",
        "E": event_time,
        "s": symbol.id,
        "c": symbol.price(span.close),
        "o": symbol.price(span.open),
        "h": symbol.price(span.high),
        "l": symbol.price(span.low),
        "v": symbol.quantity(span.volume),
        "q": symbol.amount(span.amount),
    }


def full_ticker(instrument: Instrument, now: int, event_time: int) -> dict[str, object]:
    """The message of ``<symbol>@ticker``."""
    full = day_statistics(instrument, now)
    return {
        "e": "24hrTicker",
        "E": event_time,
        "s": full["symbol"],
        "p": full["priceChange"],
        "P": full["priceChangePercent"],
        "w": full["weightedAvgPrice"],
        "x": full["prevClosePrice"],
        "c": full["lastPrice"],
        "Q": full["lastQty"],
        "b": full["bidPrice"],
        "B": full["bidQty"],
        "a": full["askPrice"],
        "A": full["askQty"],
        "o": full["openPrice"],
        "h": full["highPrice"],
        "l": full["lowPrice"],
        "v": full["volume"],
        "q": full["quoteVolume"],
        "O": full["openTime"],
        "C": full["closeTime"],
        "F": full["firstId"],
        "L": full["lastId"],
        "n": full["count"],
    }


def _percent(before: int, after: int) -> str:
    """The change in percent with three decimals, rounded half away from zero."""
    change = after - before
    thousandths = (abs(change) * 200_000 + before) // (2 * before)
    return f"{'-' if change < 0 and thousandths else ''}{thousandths // 1000}.{thousandths % 1000:03d}"
