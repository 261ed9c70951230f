"""The orm app: one router per record."""

from __future__ import annotations

from fastapi import FastAPI

from fullon.runtime.container import Container
from fullon.runtime.http import create_app
from functions.orm.routes import (
    accounts,
    api_keys,
    audit,
    bot_feeds,
    bot_records,
    bots,
    exchanges,
    orders,
    strategies,
    symbols,
    trade_entries,
    trades,
    users,
    views,
)

ROUTES = (
    users,
    api_keys,
    accounts,
    exchanges,
    symbols,
    bots,
    bot_feeds,
    bot_records,
    strategies,
    orders,
    trades,
    trade_entries,
    views,
    audit,
)


def create(container: Container) -> FastAPI:
    """The app over ``container``."""
    routers = [each.router for each in ROUTES]
    purpose = "Users, API keys, accounts, exchanges, symbols, bots, strategies, orders, trades, dashboards, audit"
    return create_app("orm", purpose, container, *routers)
