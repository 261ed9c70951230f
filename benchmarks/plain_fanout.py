"""What a tutorial would build: one uvicorn process, one Valkey subscription, ``for client in clients: await send``."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import uvicorn
from redis.asyncio import Redis

from fullon.market import keys

clients: list[Any] = []


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Accept everybody."""
    if scope["type"] == "lifespan":
        await receive()
        task = asyncio.create_task(pump())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        task.cancel()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    clients.append(send)
    while (await receive())["type"] != "websocket.disconnect":
        pass
    clients.remove(send)


async def pump() -> None:
    """Every published message to every client."""
    async with Redis.from_url(os.environ["REDIS_URL"]).pubsub() as subscription:
        await subscription.subscribe(keys.TICKERS_CHANNEL)
        async for message in subscription.listen():
            if message["type"] == "message":
                text = message["data"].decode()
                for send in list(clients):
                    await send({"type": "websocket.send", "text": text})


if __name__ == "__main__":
    uvicorn.run("benchmarks.plain_fanout:app", port=int(sys.argv[1]), log_level="warning")
