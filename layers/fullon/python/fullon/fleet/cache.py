"""Process records in Valkey: one hash per daemon, one field per instance. The next heartbeat rebuilds a lost one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from fullon.fleet.model import ProcessRecord

if TYPE_CHECKING:
    from redis.asyncio import Redis

FEED = "feed:processes"
#: A record of an instance that said nothing for this long is forgotten.
KEEP_SECONDS = 24 * 3600


def key(name: str) -> str:
    """Where the records of a daemon are."""
    return f"processes:{{{name}}}"


async def write(valkey: Redis, record: ProcessRecord) -> None:
    """Keep and announce a record, in one round trip."""
    payload = orjson.dumps(record.as_mapping())
    async with valkey.pipeline(transaction=False) as pipeline:
        pipeline.hset(key(record.type), record.instance, payload)
        pipeline.expire(key(record.type), KEEP_SECONDS)
        pipeline.publish(FEED, payload)
        await pipeline.execute()


async def read(valkey: Redis, name: str) -> list[ProcessRecord]:
    """The records of a daemon, the latest heartbeat first."""
    found = await valkey.hvals(key(name))
    records = [ProcessRecord.of(orjson.loads(payload)) for payload in found]
    return sorted(records, key=lambda record: record.heartbeat, reverse=True)


async def forget(valkey: Redis, name: str, instance: str) -> None:
    """Drop the record of an instance that is gone."""
    await valkey.hdel(key(name), instance)
