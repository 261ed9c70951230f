"""The health app."""

from __future__ import annotations

from fastapi import FastAPI

from fullon.runtime.container import Container
from fullon.runtime.http import create_app
from functions.health.routes import router


def create(container: Container) -> FastAPI:
    """The app over ``container``."""
    return create_app("health", "Liveness, readiness and probes", container, router)
