"""Answers by route and keeps the events."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fullon.runtime.container import Container

EVENTS: list[Mapping[str, Any]] = []


def create(container: Container) -> Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]:
    """The WebSocket routes."""

    async def answer(event: Mapping[str, Any]) -> dict[str, Any]:
        EVENTS.append(event)
        request = event["requestContext"]
        if request["routeKey"] == "fail":
            raise ValueError("the secret reason")
        if request["routeKey"].startswith("$"):
            return {"statusCode": 200}
        return {"statusCode": 200, "body": json.dumps(request)}

    return answer
