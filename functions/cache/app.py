"""The cache domain over HTTP; read only."""

from __future__ import annotations

from fastapi import FastAPI

from fullon.runtime import http
from fullon.runtime.container import Container
from functions.cache import account_routes, bot_routes, order_routes, routes


def create(container: Container) -> FastAPI:
    """The app."""
    return http.create_app(
        "cache",
        "Latest tickers, bars, orders, accounts, bots and process records",
        container,
        routes.router,
        order_routes.router,
        account_routes.router,
        bot_routes.router,
    )
