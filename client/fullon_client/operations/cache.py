"""The latest state of things, from the cache."""

from __future__ import annotations

from fullon_client.calls import Call, one
from fullon_client.models.machine import Processes, ProcessHealth
from fullon_client.models.market import CachedBars, Ticker, Tickers

PATH = "/api/v1/cache"


def tickers(exchange: str) -> Call[Tickers]:
    """The latest ticker of every symbol of an exchange."""
    return one(Tickers, "list_tickers", "GET", f"{PATH}/tickers/{{exchange}}", places={"exchange": exchange})


def ticker(exchange: str, symbol: str) -> Call[Ticker]:
    """The latest ticker of a symbol."""
    places = {"exchange": exchange, "symbol": symbol}
    return one(Ticker, "get_ticker", "GET", f"{PATH}/tickers/{{exchange}}/{{symbol}}", places=places)


def bars(exchange: str, symbol: str, timeframe: str, *, limit: int | None = None) -> Call[CachedBars]:
    """The running bar and the ones before it."""
    places = {"exchange": exchange, "symbol": symbol, "timeframe": timeframe}
    path = f"{PATH}/ohlcv/{{exchange}}/{{symbol}}/{{timeframe}}"
    return one(CachedBars, "get_cached_bars", "GET", path, places=places, parameters={"limit": limit})


def processes() -> Call[Processes]:
    """Every daemon's instances (admin)."""
    return one(Processes, "list_processes", "GET", f"{PATH}/processes/status")


def processes_health() -> Call[ProcessHealth]:
    """Whether every daemon works (admin)."""
    return one(ProcessHealth, "get_process_health", "GET", f"{PATH}/processes/health")
