"""The docs app."""

from __future__ import annotations

from fastapi import FastAPI

from fullon.runtime.container import Container
from fullon.runtime.http import create_app
from functions.docs.routes import router


def create(container: Container) -> FastAPI:
    """The app over ``container``; it opens no store."""
    return create_app("docs", "Documents", container, router)
