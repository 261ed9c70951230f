"""Swagger docs: one OpenAPI document for everything, its pages, and what the client has names for."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from examples.stage import Stage, expect, play, show
from fullon_client import Client

METHODS = frozenset({"get", "post", "put", "patch", "delete"})


def script(stage: Stage) -> None:
    """Read the documents as a stranger."""
    with Client(stage.url) as stranger:
        document: dict[str, Any] = stranger.request("GET", "/openapi.json")
        pages = {path: stranger.request("GET", path) for path in ("/docs", "/redoc", "/docs/websocket")}
        sockets: dict[str, Any] = stranger.request("GET", "/asyncapi.json")

    operations = [
        operation for item in document["paths"].values() for method, operation in item.items() if method in METHODS
    ]
    by_tag = Counter(operation["tags"][0] for operation in operations)
    show(["function", "operations"], sorted(by_tag.items()))
    expect(document["openapi"].startswith("3.1"), f"{len(operations)} operations are in one OpenAPI 3.1 document")
    names = [operation["operationId"] for operation in operations]
    expect(len(set(names)) == len(names), "every operation has a name of its own")
    expect("channels" in sockets, f"the WebSocket has a document too: {', '.join(sorted(sockets['channels']))}")
    for path, page in pages.items():
        outside = re.findall(r"(?:src|href)=[\"'](https?://[^\"']+)", page)
        expect(not outside, f"{path} needs nothing from elsewhere")


if __name__ == "__main__":
    play(script)
