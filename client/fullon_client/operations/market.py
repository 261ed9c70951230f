"""Candles and public trades that the platform has stored. Times are aware datetimes or epoch milliseconds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fullon_client.calls import Call, Page, one, page, raw
from fullon_client.models.market import (
    Candle,
    ExchangeInfo,
    ExchangeSummary,
    Pair,
    PublicTrade,
    SymbolInfo,
    SymbolStatus,
    SymbolSummary,
    Validation,
)

PATH = "/api/v1/ohlcv"
SERIES = f"{PATH}/candles/{{exchange}}/{{symbol}}/{{timeframe}}"
TRADES = f"{PATH}/trades/{{exchange}}/{{symbol}}"
EXCHANGE = f"{PATH}/exchanges/{{exchange}}"

Moment = datetime | int


def candles(exchange: str, symbol: str, timeframe: str, *, limit: int | None = None) -> Call[Page[Candle]]:
    """The latest candles, oldest first; the last one may still run."""
    places = {"exchange": exchange, "symbol": symbol, "timeframe": timeframe}
    return page(Candle, "get_candles", SERIES, places=places, parameters={"limit": limit})


def candle_range(
    exchange: str,
    symbol: str,
    timeframe: str,
    start_time: Moment,
    end_time: Moment | None = None,
    *,
    limit: int | None = None,
) -> Call[Page[Candle]]:
    """Candles from `start_time` until before `end_time`."""
    places = {"exchange": exchange, "symbol": symbol, "timeframe": timeframe}
    parameters = {"start_time": start_time, "end_time": end_time, "limit": limit}
    return page(Candle, "get_candles_range", f"{SERIES}/range", places=places, parameters=parameters)


def timeseries(
    exchange: str,
    symbol: str,
    timeframe: str,
    *,
    start_time: Moment | None = None,
    end_time: Moment | None = None,
    fill: str | None = None,
    limit: int | None = None,
) -> Call[Page[Candle]]:
    """Candles for a chart; ``fill="previous"`` puts flat ones where nothing was traded."""
    parameters = {
        "timeframe": timeframe,
        "start_time": start_time,
        "end_time": end_time,
        "fill": fill,
        "limit": limit,
    }
    places = {"exchange": exchange, "symbol": symbol}
    return page(
        Candle,
        "get_timeseries",
        f"{PATH}/timeseries/{{exchange}}/{{symbol}}/ohlcv",
        places=places,
        parameters=parameters,
    )


def trades(exchange: str, symbol: str, *, limit: int | None = None) -> Call[Page[PublicTrade]]:
    """The latest public trades, oldest first."""
    places = {"exchange": exchange, "symbol": symbol}
    return page(PublicTrade, "get_public_trades", TRADES, places=places, parameters={"limit": limit})


def trade_range(
    exchange: str, symbol: str, start_time: Moment, end_time: Moment | None = None, *, limit: int | None = None
) -> Call[Page[PublicTrade]]:
    """Public trades from `start_time` until before `end_time`."""
    places = {"exchange": exchange, "symbol": symbol}
    parameters = {"start_time": start_time, "end_time": end_time, "limit": limit}
    return page(PublicTrade, "get_public_trades_range", f"{TRADES}/range", places=places, parameters=parameters)


def exchanges() -> Call[Page[ExchangeSummary]]:
    """Exchanges with stored data."""
    return page(ExchangeSummary, "list_market_exchanges", f"{PATH}/exchanges")


def exchange(name: str) -> Call[ExchangeInfo]:
    """One of them."""
    return one(ExchangeInfo, "get_market_exchange", "GET", f"{EXCHANGE}/info", places={"exchange": name})


def status(name: str, *, active: bool | None = None, limit: int | None = None) -> Call[Page[SymbolStatus]]:
    """How complete and how fresh an exchange's candles are, by symbol."""
    parameters = {"active": active, "limit": limit}
    return page(
        SymbolStatus,
        "get_market_exchange_status",
        f"{EXCHANGE}/status",
        places={"exchange": name},
        parameters=parameters,
    )


def validate(name: str) -> Call[Validation]:
    """Whether an exchange's candles keep the rules of candles."""
    return one(Validation, "validate_market_exchange", "GET", f"{EXCHANGE}/validate", places={"exchange": name})


def symbols(name: str, *, active: bool | None = None, limit: int | None = None) -> Call[Page[SymbolSummary]]:
    """The symbols of an exchange."""
    parameters = {"active": active, "limit": limit}
    return page(
        SymbolSummary,
        "list_market_symbols",
        f"{EXCHANGE}/symbols",
        places={"exchange": name},
        parameters=parameters,
    )


def symbol(name: str, symbol: str) -> Call[SymbolInfo]:
    """One symbol, with where its candles begin and end."""
    places = {"exchange": name, "symbol": symbol}
    return one(SymbolInfo, "get_market_symbol", "GET", f"{EXCHANGE}/symbols/{{symbol}}/info", places=places)


def search(text: str, *, limit: int | None = None) -> Call[Page[SymbolSummary]]:
    """Symbols of all exchanges whose name holds a text, or reads alike."""
    parameters = {"q": text, "limit": limit}
    return page(SymbolSummary, "search_market_symbols", f"{PATH}/symbols/search", parameters=parameters)


def pairs(*, limit: int | None = None) -> Call[Page[Pair]]:
    """Pairs, and who has them."""
    return page(Pair, "list_market_pairs", f"{PATH}/pairs", parameters={"limit": limit})


def export(
    exchange: str,
    symbol: str,
    timeframe: str,
    *,
    start_time: Moment | None = None,
    end_time: Moment | None = None,
    format: str | None = None,  # noqa: A002 - the platform's name
) -> Call[Any]:
    """Final candles as a file: text of CSV, or bytes of Parquet."""
    return raw(
        "GET",
        f"{PATH}/export/{{exchange}}/{{symbol}}/{{timeframe}}",
        operation="export_candles",
        places={"exchange": exchange, "symbol": symbol, "timeframe": timeframe},
        parameters={"start_time": start_time, "end_time": end_time, "format": format},
    )
