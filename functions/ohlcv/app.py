"""The ohlcv domain over HTTP."""

from __future__ import annotations

from fastapi import FastAPI

from fullon.runtime import http
from fullon.runtime.container import Container
from functions.ohlcv.routes import candles, exchanges, export, symbols, trades


def create(container: Container) -> FastAPI:
    """The app; longer paths come before the shorter ones they would match."""
    routers = (candles.router, trades.router, export.router, symbols.router, exchanges.router)
    return http.create_app("ohlcv", "Candles, trades, time series and exports", container, *routers)
