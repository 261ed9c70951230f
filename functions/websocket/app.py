"""The WebSocket routes over a container; no framework, for a short start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fullon.runtime.container import Container
from functions.websocket.routes import Routes


def create(container: Container) -> Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]:
    """The routes over ``container``: a coroutine function of the event."""
    return Routes(container).answer
