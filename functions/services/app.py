"""The services app."""

from __future__ import annotations

from fastapi import FastAPI

from fullon.runtime.container import Container
from fullon.runtime.http import create_app
from functions.services.routes import router


def create(container: Container) -> FastAPI:
    """The app over ``container``."""
    return create_app("services", "Start, stop and inspect the daemons", container, router)
