"""The orm app: one router per record."""

from __future__ import annotations

from fastapi import FastAPI

from fullon.runtime.container import Container
from fullon.runtime.http import create_app
from functions.orm.routes import api_keys, audit, bots, exchanges, strategies, symbols, users


def create(container: Container) -> FastAPI:
    """The app over ``container``."""
    routers = [each.router for each in (users, api_keys, exchanges, symbols, bots, strategies, audit)]
    return create_app("orm", "Users, API keys, exchanges, symbols, bots, strategies, audit", container, *routers)
