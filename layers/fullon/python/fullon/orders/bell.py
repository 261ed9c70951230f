"""Hears the bell of orders in Valkey: who enters an order or asks for its end rings. A lost ring costs a second."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from fullon.kernel.retry import Backoff, give_way
from fullon.orders.order_cache import NEW_CHANNEL

if TYPE_CHECKING:
    from redis.asyncio import Redis

#: Shorter than the client's own time-out for an answer, so that quiet is not taken for a lost connection.
_LISTEN_SECONDS = 3.0


async def listen(valkey: Redis, *rung: asyncio.Event) -> None:
    """Set every event of ``rung`` at every ring; runs until cancelled, also while Valkey is away."""
    backoff = Backoff(0.5, 10.0)
    while True:
        try:
            async with valkey.pubsub() as subscription:
                await subscription.subscribe(NEW_CHANNEL)
                while True:
                    message = await subscription.get_message(timeout=_LISTEN_SECONDS)
                    give_way()
                    backoff.reset()
                    if message is not None:
                        for event in rung:
                            event.set()
        except (RedisError, OSError, TimeoutError):
            give_way()
            await asyncio.sleep(backoff.pause())
