"""PostgreSQL: leases with fencing, the history of processes, and the number of tasks that admins want.

Leases are judged by the clock of the database alone, so the clocks of hosts need not agree.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from fullon.fleet.errors import LeaseLost
from fullon.fleet.model import Lease, ProcessRecord, ProcessStatus, Want

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

_WANT = "name, desired, changed_at, failed_at, failure"
_WANTS_LOCK = 0x77616E74
"""First half of the advisory locks on wants ("want"); the second is the daemon's name."""


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


async def want(
    connection: Connection, name: str, desired: int, changed_by: str, at: datetime, trace: str | None = None
) -> int | None:
    """Write down how many tasks of a daemon an admin wants, and forget that it was put down.

    Nobody else decides about this service until the transaction ends. Returns what was wanted before.

    Args:
        trace: W3C traceparent of the request, for the process that it starts.
    """
    before = await lock_want(connection, name)
    await connection.execute(
        "INSERT INTO service_wants (name, desired, changed_by, changed_at, trace) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (name) DO UPDATE"
        " SET desired = $2, changed_by = $3, changed_at = $4, failed_at = NULL, failure = NULL, trace = $5",
        name,
        desired,
        changed_by,
        at,
        trace,
    )
    return None if before is None else before.desired


async def cause(connection: Connection, name: str, within: float) -> str | None:
    """The trace of whoever asked for this daemon in the last ``within`` seconds."""
    trace: str | None = await connection.fetchval(
        "SELECT trace FROM service_wants"
        " WHERE name = $1 AND desired > 0 AND changed_at > clock_timestamp() - make_interval(secs => $2)",
        name,
        within,
    )
    return trace


async def wanted(connection: Connection) -> dict[str, int]:
    """How many tasks of each daemon an admin last asked for."""
    return {name: want.desired for name, want in (await wants(connection)).items()}


async def wants(connection: Connection) -> dict[str, Want]:
    """What admins last asked for, of each daemon that they asked anything of."""
    return {row["name"]: _want(row) for row in await connection.fetch(f"SELECT {_WANT} FROM service_wants")}  # noqa: S608 - constant columns


async def lock_want(connection: Connection, name: str) -> Want | None:
    """What is wanted of a daemon at this moment; nobody can change it until the transaction ends.

    The lock is on the name, since there may be no row yet.
    """
    await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _WANTS_LOCK, name)
    row = await connection.fetchrow(f"SELECT {_WANT} FROM service_wants WHERE name = $1", name)  # noqa: S608 - constant columns
    return None if row is None else _want(row)


async def put_down(
    connection: Connection, name: str, desired: int, failure: str, changed_by: str, at: datetime
) -> None:
    """Let no task of a daemon run until an admin acts.

    Args:
        desired: what was wanted of it, kept where an admin has said so.
        failure: why, as a sentence.
    """
    await connection.execute(
        "INSERT INTO service_wants (name, desired, changed_by, changed_at, failed_at, failure)"
        " VALUES ($1, $2, $3, $4, $4, $5)"
        " ON CONFLICT (name) DO UPDATE SET failed_at = $4, failure = $5",
        name,
        desired,
        changed_by,
        at,
        failure.replace("\0", "")[:1000],
    )


def _want(row: asyncpg.Record) -> Want:
    return Want(row["name"], row["desired"], row["changed_at"], row["failed_at"], row["failure"])
