"""Leases, the history of processes and the wanted state of services, in PostgreSQL. Time is the database's own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg

from fullon.fleet.errors import LeaseLost
from fullon.fleet.model import Lease, ProcessEvent, ProcessRecord, ProcessStatus
from fullon.kernel.clock import from_milliseconds

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]


async def acquire(connection: Connection, name: str, holder: str, seconds: float) -> Lease | None:
    """Take a lease that is free or has expired; None while another holder has it."""
    row = await connection.fetchrow(
        """
        INSERT INTO leases AS held (name, holder, fence, acquired_at, expires_at)
        VALUES ($1, $2, 1, clock_timestamp(), clock_timestamp() + $3::interval)
        ON CONFLICT (name) DO UPDATE
        SET holder = $2, fence = held.fence + 1, acquired_at = clock_timestamp(),
            expires_at = clock_timestamp() + $3::interval
        WHERE held.holder IS NULL OR held.expires_at <= clock_timestamp()
        RETURNING fence, expires_at
        """,
        name,
        holder,
        timedelta(seconds=seconds),
    )
    return Lease(name, holder, row["fence"], row["expires_at"]) if row else None


async def renew(connection: Connection, lease: Lease, seconds: float) -> Lease:
    """Hold a lease for longer.

    Raises:
        LeaseLost: another holder took it since.
    """
    expires_at = await connection.fetchval(
        """
        UPDATE leases SET expires_at = clock_timestamp() + $4::interval
        WHERE name = $1 AND holder = $2 AND fence = $3 RETURNING expires_at
        """,
        lease.name,
        lease.holder,
        lease.fence,
        timedelta(seconds=seconds),
    )
    if expires_at is None:
        raise LeaseLost(lease.name)
    return Lease(lease.name, lease.holder, lease.fence, expires_at)


async def release(connection: Connection, lease: Lease) -> bool:
    """Give a lease back; False where it was not ours any more."""
    status = await connection.execute(
        """
        UPDATE leases SET holder = NULL, expires_at = clock_timestamp()
        WHERE name = $1 AND holder = $2 AND fence = $3
        """,
        lease.name,
        lease.holder,
        lease.fence,
    )
    return bool(status == "UPDATE 1")


async def assert_fence(connection: Connection, lease: Lease) -> None:
    """Hold the lease in place for the rest of this transaction, so that nobody takes it before the commit.

    Raises:
        LeaseLost: it expired or has another holder.
    """
    held = await connection.fetchval(
        """
        SELECT true FROM leases
        WHERE name = $1 AND holder = $2 AND fence = $3 AND expires_at > clock_timestamp() FOR SHARE
        """,
        lease.name,
        lease.holder,
        lease.fence,
    )
    if not held:
        raise LeaseLost(lease.name)


async def add_event(connection: Connection, record: ProcessRecord) -> None:
    """Add a change of status to the history."""
    await connection.execute(
        """
        INSERT INTO process_events (at, name, instance, status, message, version, host)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        from_milliseconds(record.heartbeat),
        record.type,
        record.instance,
        record.status.value,
        record.message,
        record.version,
        record.host,
    )


async def events(connection: Connection, name: str, since: datetime, limit: int = 100) -> list[ProcessEvent]:
    """The history of a daemon from ``since`` on, newest first."""
    rows = await connection.fetch(
        """
        SELECT at, name, instance, status, message, version, host FROM process_events
        WHERE name = $1 AND at >= $2 ORDER BY at DESC, event_id DESC LIMIT $3
        """,
        name,
        since,
        limit,
    )
    return [ProcessEvent(**{**row, "status": ProcessStatus(row["status"])}) for row in rows]


async def set_wanted(connection: Connection, name: str, desired: int, actor: str, at: datetime) -> None:
    """Remember how many tasks of a daemon ``actor`` asked for."""
    await connection.execute(
        """
        INSERT INTO service_wants (name, desired, changed_by, changed_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (name) DO UPDATE SET desired = $2, changed_by = $3, changed_at = $4
        """,
        name,
        desired,
        actor,
        at,
    )


async def wanted(connection: Connection) -> dict[str, int]:
    """How many tasks of each daemon were last asked for."""
    rows = await connection.fetch("SELECT name, desired FROM service_wants")
    return {row["name"]: row["desired"] for row in rows}
