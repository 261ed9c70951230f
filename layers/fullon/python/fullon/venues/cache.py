"""The bell of the catalogue in Valkey: who changes it rings, collectors look at once. A lost ring costs seconds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from fullon.kernel.retry import Backoff, give_way
from fullon.venues.model import CATALOGUE_CHANNEL

if TYPE_CHECKING:
    from redis.asyncio import Redis

#: Shorter than the client's own time-out for an answer, so that quiet is not taken for a lost connection.
_LISTEN_SECONDS = 3.0


async def ring(valkey: Redis) -> None:
    """Say that the catalogue changed; call it after the commit. Without Valkey it is noticed a little later."""
    try:
        await valkey.publish(CATALOGUE_CHANNEL, b"")
    except (RedisError, OSError, TimeoutError):
        return


async def listen(valkey: Redis, rung: asyncio.Event) -> None:
    """Set ``rung`` at every ring; runs until cancelled, also while Valkey is away."""
    backoff = Backoff(0.5, 10.0)
    while True:
        try:
            async with valkey.pubsub() as subscription:
                await subscription.subscribe(CATALOGUE_CHANNEL)
                rung.set()
                while True:
                    message = await subscription.get_message(timeout=_LISTEN_SECONDS)
                    give_way()
                    backoff.reset()
                    if message is not None and message["type"] == "message":
                        rung.set()
        except (RedisError, OSError, TimeoutError):
            give_way()
            await asyncio.sleep(backoff.pause())
