"""The orm app: one router per record."""

from __future__ import annotations

from fastapi import FastAPI

from fullon.runtime.container import Container
from fullon.runtime.http import create_app
from functions.orm.routes import api_keys, bots, exchanges, strategies, symbols, trade_entries, trades, users, views


def create(container: Container) -> FastAPI:
    """The app over ``container``."""
    domains = (users, api_keys, exchanges, symbols, bots, strategies, trades, trade_entries, views)
    routers = [each.router for each in domains]
    return create_app(
        "orm", "Users, API keys, exchanges, symbols, bots, strategies, trades, dashboards", container, *routers
    )
