"""The cache domain over HTTP; read only."""

from __future__ import annotations

from fastapi import FastAPI

from fullon.runtime import http
from fullon.runtime.container import Container
from functions.cache import bot_routes, routes


def create(container: Container) -> FastAPI:
    """The app."""
    return http.create_app(
        "cache", "Latest tickers, bars, bots and process records", container, routes.router, bot_routes.router
    )
