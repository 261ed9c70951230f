"""Gateway events for calling a function without its gateway."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

_HTTP = {"method": "GET", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "benchmark"}


def request(path: str, context: Mapping[str, str]) -> dict[str, Any]:
    """``GET path`` in payload format 2.0, with the authorizer's context."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "127.0.0.1"},
        "requestContext": {
            "http": {**_HTTP, "path": path},
            "requestId": "benchmark",
            "stage": "$default",
            "authorizer": {"lambda": dict(context)},
        },
        "isBase64Encoded": False,
    }


def authorize(token: str) -> dict[str, Any]:
    """What the HTTP API asks its authorizer, payload format 2.0."""
    return {
        "version": "2.0",
        "type": "REQUEST",
        "identitySource": [f"Bearer {token}"],
        "headers": {"authorization": f"Bearer {token}"},
        "requestContext": {"http": {**_HTTP, "path": "/"}, "requestId": "benchmark"},
    }


def context_of(token: str) -> dict[str, str]:
    """The context that the authorizer gives a token, from the authorizer itself, in this process."""
    answer = import_module("functions.authorizer.handler").handler(authorize(token), None)
    assert answer["isAuthorized"], answer
    context: dict[str, str] = answer["context"]
    return context
