"""PostgreSQL: leases with fencing, the history of processes, and the number of tasks that admins want.

Leases are judged by the clock of the database alone, so the clocks of hosts need not agree.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from fullon.fleet.errors import LeaseLost
from fullon.fleet.model import Lease, ProcessRecord, ProcessStatus

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

# clock_timestamp(), not now(): a transaction that waited for the row must judge by the present moment.
_ACQUIRE = """
INSERT INTO leases AS held (name, holder, fence, acquired_at, expires_at)
VALUES ($1, $2, 1, clock_timestamp(), clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (name) DO UPDATE
   SET holder = excluded.holder, fence = held.fence + 1,
       acquired_at = clock_timestamp(), expires_at = clock_timestamp() + make_interval(secs => $3)
 WHERE held.holder IS NULL OR held.expires_at <= clock_timestamp()
RETURNING fence, expires_at
"""
_RENEW = """
UPDATE leases SET expires_at = clock_timestamp() + make_interval(secs => $4)
 WHERE name = $1 AND holder = $2 AND fence = $3
RETURNING expires_at
"""
_RELEASE = """
UPDATE leases SET holder = NULL, expires_at = clock_timestamp()
 WHERE name = $1 AND holder = $2 AND fence = $3
"""


async def acquire_lease(connection: Connection, name: str, holder: str, seconds: float) -> Lease | None:
    """Take the lease if it is free or has expired, for ``seconds``; None while another holds it.

    A holder that asks again while it holds is refused too: it renews instead.
    """
    row = await connection.fetchrow(_ACQUIRE, name, holder, seconds)
    return None if row is None else Lease(name, holder, row["fence"], row["expires_at"])


async def renew_lease(connection: Connection, lease: Lease, seconds: float) -> Lease:
    """Hold on for another ``seconds``. Possible after expiry too, as long as nobody else took it.

    Raises:
        LeaseLost: another holder has it, or it was released.
    """
    row = await connection.fetchrow(_RENEW, lease.name, lease.holder, lease.fence, seconds)
    if row is None:
        raise LeaseLost(lease.name, lease.holder, lease.fence)
    return Lease(lease.name, lease.holder, lease.fence, row["expires_at"])


async def release_lease(connection: Connection, lease: Lease) -> bool:
    """Give the lease up, if it is still this one; the fence stays, so that the next holder's is higher."""
    return bool(await connection.execute(_RELEASE, lease.name, lease.holder, lease.fence) == "UPDATE 1")


async def assert_fence(connection: Connection, lease: Lease) -> None:
    """Guard the caller's transaction: nobody can take the lease until it ends.

    Raises:
        LeaseLost: another has taken it meanwhile; the transaction must write nothing.
    """
    row = await connection.fetchrow("SELECT holder, fence FROM leases WHERE name = $1 FOR SHARE", lease.name)
    if row is None or (row["holder"], row["fence"]) != (lease.holder, lease.fence):
        raise LeaseLost(lease.name, lease.holder, lease.fence)


async def lease_holder(connection: Connection, name: str) -> str | None:
    """Who holds the lease at this moment."""
    holder: str | None = await connection.fetchval(
        "SELECT holder FROM leases WHERE name = $1 AND expires_at > clock_timestamp()", name
    )
    return holder


async def add_event(connection: Connection, record: ProcessRecord, at: datetime) -> None:
    """Keep a change of status in the history."""
    await connection.execute(
        "INSERT INTO process_events (at, name, instance, status, message, version, host)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        at,
        record.name,
        record.instance,
        record.status.value,
        record.message.replace("\0", ""),
        record.version,
        record.host,
    )


async def events(connection: Connection, name: str, limit: int = 50) -> list[tuple[datetime, str, ProcessStatus, str]]:
    """The newest changes of a daemon first: time, instance, status, message."""
    rows = await connection.fetch(
        "SELECT at, instance, status, message FROM process_events"
        " WHERE name = $1 ORDER BY at DESC, event_id DESC LIMIT $2",
        name,
        limit,
    )
    return [(row["at"], row["instance"], ProcessStatus(row["status"]), row["message"]) for row in rows]


async def want(connection: Connection, name: str, desired: int, changed_by: str, at: datetime) -> int | None:
    """Write down how many tasks of a daemon are wanted; returns what was wanted before."""
    before: int | None = await connection.fetchval("SELECT desired FROM service_wants WHERE name = $1 FOR UPDATE", name)
    await connection.execute(
        "INSERT INTO service_wants (name, desired, changed_by, changed_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (name) DO UPDATE SET desired = $2, changed_by = $3, changed_at = $4",
        name,
        desired,
        changed_by,
        at,
    )
    return before


async def wanted(connection: Connection) -> dict[str, int]:
    """How many tasks of each daemon an admin last asked for."""
    return {row["name"]: row["desired"] for row in await connection.fetch("SELECT name, desired FROM service_wants")}
