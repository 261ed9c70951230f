"""PostgreSQL: the table ``audit``. Rows are only added; the database refuses everything else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fullon.audit.model import GENESIS, Entry, canonical

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

_LOCK = 0x66756C6C_61756474
"""Key of the advisory lock that makes writers stand in line ("full" "audt")."""
_COLUMNS = "sequence, at, actor, action, subject, details::text AS details, previous_hash, hash"


async def lock(connection: Connection) -> None:
    """Wait for this transaction's turn to add; the turn ends with the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)


async def head(connection: Connection) -> tuple[int, bytes]:
    """Number and hash of the newest entry."""
    row = await connection.fetchrow("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")
    return (0, GENESIS) if row is None else (row["sequence"], row["hash"])


async def add(connection: Connection, entry: Entry) -> None:
    """Insert an entry as it is."""
    await connection.execute(
        "INSERT INTO audit (sequence, at, actor, action, subject, details, previous_hash, hash)"
        " VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7, $8)",
        entry.sequence,
        entry.at,
        entry.actor,
        entry.action,
        entry.subject,
        canonical(entry.details),
        entry.previous_hash,
        entry.hash,
    )


async def walk(connection: Connection) -> AsyncIterator[Entry]:
    """Every entry from the first, by a cursor of the caller's transaction."""
    query = f"SELECT {_COLUMNS} FROM audit ORDER BY sequence"  # noqa: S608 - constant columns
    async for row in connection.cursor(query, prefetch=500):
        yield _entry(row)


async def latest(connection: Connection, limit: int) -> list[Entry]:
    """The newest entries first."""
    query = f"SELECT {_COLUMNS} FROM audit ORDER BY sequence DESC LIMIT $1"  # noqa: S608 - constant columns
    return [_entry(row) for row in await connection.fetch(query, limit)]


async def search(
    connection: Connection,
    *,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int,
) -> list[Entry]:
    """Entries, the newest first.

    Args:
        subject: the whole of it, or its beginning up to a space (``bot``).
        since: at this time or later; ``until`` is earlier than that.
        before: only those with a smaller number.
    """
    conditions = {
        "actor = $%d": actor,
        "action = $%d": action,
        "(subject = $%d OR starts_with(subject, $%d || ' '))": subject,
        "at >= $%d": since,
        "at < $%d": until,
        "sequence < $%d": before,
    }
    given = {condition: value for condition, value in conditions.items() if value is not None}
    where = " AND ".join(each.replace("%d", str(place)) for place, each in enumerate(given, start=2)) or "true"
    query = f"SELECT {_COLUMNS} FROM audit WHERE {where} ORDER BY sequence DESC LIMIT $1"  # noqa: S608 - constants
    return [_entry(row) for row in await connection.fetch(query, limit, *given.values())]


def _entry(row: asyncpg.Record) -> Entry:
    return Entry(
        sequence=row["sequence"],
        at=row["at"],
        actor=row["actor"],
        action=row["action"],
        subject=row["subject"],
        details=json.loads(row["details"]),
        previous_hash=row["previous_hash"],
        hash=row["hash"],
    )
