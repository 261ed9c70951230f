"""A bare ASGI application that answers what it was asked, or misbehaves by its path."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from fullon.runtime.container import Container
from fullon.runtime.gateway.parts import Receive, Scope, Send


def create(container: Container) -> Any:
    """The application; it needs no store."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        path = scope["path"]
        if path.endswith("/broken"):
            raise ValueError("the secret reason")
        if path.endswith("/slow"):
            await asyncio.sleep(30)
        answer = {"event": scope["aws.event"]["requestContext"], "body": len(body), "query": scope["query_string"]}
        await send({"type": "http.response.start", "status": 200, "headers": [(b"access-control-allow-origin", b"*")]})
        if path.endswith("/half"):
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            raise ValueError("the secret reason")
        await send({"type": "http.response.body", "body": orjson.dumps(answer, default=bytes.decode)})

    return application
