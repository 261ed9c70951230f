"""The probes: each looks at one thing, within a bounded time, and says what it found and how long that took."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg
from redis.exceptions import RedisError, ResponseError

from fullon.fleet.model import ServiceReport, ServiceStatus
from fullon.identity import users
from fullon.kernel.clock import to_milliseconds
from fullon.kernel.errors import FullonError
from fullon.market import keys
from fullon.runtime.container import DATABASE_DOWN, Container
from fullon.runtime.schema import CANDLES_HEAD, PLATFORM_HEAD

PROBE_SECONDS = 5.0
"""Longest look at one thing; the first at the container service imports its client."""
WORST_LAG_MILLISECONDS = 10_000
"""A streamer this far behind pushes news that is none."""
SICK = {ServiceStatus.CRASHED, ServiceStatus.STALE, ServiceStatus.FAILED}

_log = logging.getLogger("fullon.health")


@dataclass(frozen=True, slots=True)
class Probe:
    """What one look found; ``detail`` is a sentence when it is not well."""

    name: str
    healthy: bool
    latency_ms: float
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """The stream of trades on its way to the subscribers.

    Attributes:
        length: entries kept.
        newest_age_ms: age of the newest entry; None when there is none.
        lag_ms: how much newer that is than the last one the streamer has read; None when none reads.
    """

    name: str
    length: int
    newest_age_ms: int | None
    lag_ms: int | None


async def platform_database(container: Container) -> str | None:
    """The platform database answers."""
    pool = await container.database()
    async with pool.acquire() as connection:
        await connection.fetchval("SELECT 1")
    return None


async def candle_database(container: Container) -> str | None:
    """The candle database answers."""
    pool = await container.candles()
    async with pool.acquire() as connection:
        await connection.fetchval("SELECT 1")
    return None


async def valkey(container: Container) -> str | None:
    """Valkey answers."""
    await container.valkey.ping()
    return None


async def migrations(container: Container) -> str | None:
    """Both databases have exactly the schema that this code expects."""
    for name, open_pool, head in (
        ("platform", container.database, PLATFORM_HEAD),
        ("candle", container.candles, CANDLES_HEAD),
    ):
        pool = await open_pool()
        async with pool.acquire() as connection:
            try:
                found = await connection.fetchval("SELECT version_num FROM alembic_version")
            except asyncpg.UndefinedTableError:
                found = None
        if found != head:
            return f"The {name} database is at {found or 'nothing'}; this version needs {head}."
    return None


async def administrator(container: Container) -> str | None:
    """Somebody can log in and administer; the first is made after all else that an installation begins with."""
    async with container.connection() as connection:
        try:
            found = await users.has_admin(connection)
        except asyncpg.UndefinedTableError:
            found = False
    return None if found else "There is no active administrator yet."


STORES = (platform_database, candle_database, valkey, migrations, administrator)


async def look(container: Container, probe: Callable[[Container], Awaitable[str | None]]) -> Probe:
    """One probe, with its latency in milliseconds. Never raises for what it looks at being down or slow."""
    started = container.clock.monotonic()
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            detail = await probe(container)
    except TimeoutError:
        detail = f"There was no answer within {PROBE_SECONDS:g} s."
    except (FullonError, RedisError, asyncpg.PostgresError, *DATABASE_DOWN) as error:
        _log.warning("probe failed", extra={"probe": probe.__name__, "cause": repr(error)})
        detail = error.detail if isinstance(error, FullonError) else "It cannot be reached."
    latency = round((container.clock.monotonic() - started) * 1000, 2)
    return Probe(probe.__name__, detail is None, latency, detail)


async def stores(container: Container) -> list[Probe]:
    """Everything that a request needs."""
    return list(await asyncio.gather(*(look(container, probe) for probe in STORES)))


async def services(container: Container) -> tuple[Probe, list[ServiceReport]]:
    """The container service answers, and how each daemon is."""
    reports: list[ServiceReport] = []

    async def container_service(container: Container) -> str | None:
        reports.extend(await container.services.reports())
        return None

    return await look(container, container_service), reports


async def queues(container: Container) -> tuple[Probe, list[Queue]]:
    """The queues between the daemons, and whether their reader keeps up."""
    found: list[Queue] = []

    async def streams(container: Container) -> str | None:
        queue = await _trades(container)
        found.append(queue)
        late = queue.lag_ms is not None and queue.lag_ms > WORST_LAG_MILLISECONDS
        return f"The streamer is {queue.lag_ms} ms behind." if late else None

    return await look(container, streams), found


def is_well(report: ServiceReport) -> bool:
    """A daemon is as it is wanted, or on the way there."""
    return report.status not in SICK


async def _trades(container: Container) -> Queue:
    async with container.valkey.pipeline(transaction=False) as batch:
        batch.xinfo_stream(keys.TRADES_STREAM)
        batch.get(keys.TRADES_READ)
        info, read = await batch.execute(raise_on_error=False)
    if isinstance(info, ResponseError):  # there is no such stream yet
        return Queue("trades", 0, None, None)
    for answer in (info, read):
        if isinstance(answer, Exception):
            raise answer
    newest = _milliseconds(info["last-generated-id"])
    age = max(0, to_milliseconds(container.clock.now()) - newest) if info["length"] else None
    return Queue("trades", info["length"], age, None if read is None else max(0, newest - _milliseconds(read)))


def _milliseconds(identifier: bytes) -> int:
    """The time in a stream's id."""
    return int(identifier.split(b"-")[0])
