"""Valkey: the present record of each daemon instance, one hash per daemon, published on change.

Everything here is rebuilt by the next heartbeat after a loss.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import orjson

from fullon.fleet.model import ProcessRecord, ProcessStatus
from fullon.kernel.clock import from_milliseconds, to_milliseconds

if TYPE_CHECKING:
    from redis.asyncio import Redis

CHANNEL = "feed:processes"


def key(name: str) -> str:
    """Hash of a daemon's instances; the braces keep it on one slot of a cluster."""
    return f"processes:{{{name}}}"


def encode(record: ProcessRecord) -> bytes:
    """A record as JSON; times are epoch milliseconds."""
    return orjson.dumps(
        {
            "type": record.name,
            "instance": record.instance,
            "status": record.status.value,
            "message": record.message,
            "heartbeat": to_milliseconds(record.heartbeat),
            "started": to_milliseconds(record.started),
            "version": record.version,
            "host": record.host,
            "work": record.work,
        }
    )


def decode(data: bytes) -> ProcessRecord | None:
    """What :func:`encode` wrote; None for anything else, which the next heartbeat replaces."""
    try:
        fields: dict[str, Any] = orjson.loads(data)
        return ProcessRecord(
            name=str(fields["type"]),
            instance=str(fields["instance"]),
            status=ProcessStatus(fields["status"]),
            heartbeat=from_milliseconds(int(fields["heartbeat"])),
            started=from_milliseconds(int(fields["started"])),
            version=str(fields["version"]),
            host=str(fields["host"]),
            message=str(fields["message"]),
            work=int(fields["work"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


async def put(valkey: Redis, record: ProcessRecord) -> None:
    """Store and publish a record."""
    data = encode(record)
    async with valkey.pipeline(transaction=False) as batch:
        batch.hset(key(record.name), record.instance, cast("str", data))
        batch.publish(CHANNEL, data)
        await batch.execute()


async def forget(valkey: Redis, name: str, instances: Iterable[str]) -> None:
    """Remove records of instances that are gone."""
    gone = list(instances)
    if gone:
        await valkey.hdel(key(name), *gone)


async def records(valkey: Redis, names: Iterable[str]) -> dict[str, list[ProcessRecord]]:
    """The records of these daemons, in one round trip."""
    wanted = list(names)
    async with valkey.pipeline(transaction=False) as batch:
        for name in wanted:
            batch.hvals(key(name))
        answers: list[list[bytes]] = await batch.execute()
    return {
        name: [record for data in values if (record := decode(data)) is not None]
        for name, values in zip(wanted, answers, strict=True)
    }


async def is_alive(valkey: Redis, name: str, now: datetime) -> bool:
    """Whether an instance of a daemon gave a sign of work lately and did not say goodbye."""
    found = (await records(valkey, [name]))[name]
    return any(each.status is not ProcessStatus.STOPPED and not each.is_stale(now) for each in found)
