"""The trail in PostgreSQL: appended within the caller's transaction, so that it says exactly what was committed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg

from fullon.audit.model import GENESIS, Entry, digest
from fullon.kernel.clock import from_milliseconds, to_milliseconds

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

#: Writers wait for each other here, to the end of their transactions: one chain, whoever writes.
_CHAIN_LOCK = 0x61756469


async def append(
    connection: Connection, at: datetime, actor: str, action: str, subject: str, details: Mapping[str, Any]
) -> Entry:
    """Add an entry. Call it late in a transaction: from here to the commit other writers wait."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _CHAIN_LOCK)
    last = await connection.fetchrow("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")
    sequence = last["sequence"] + 1 if last else 1
    previous = last["hash"] if last else GENESIS
    at = from_milliseconds(to_milliseconds(at))
    entry = Entry(
        sequence,
        at,
        actor,
        action,
        subject,
        details,
        previous,
        digest(sequence, at, actor, action, subject, details, previous),
    )
    await connection.execute(
        """
        INSERT INTO audit (sequence, at, actor, action, subject, details, previous_hash, hash)
        VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7, $8)
        """,
        entry.sequence,
        entry.at,
        entry.actor,
        entry.action,
        entry.subject,
        json.dumps(entry.details),
        entry.previous_hash,
        entry.hash,
    )
    return entry


async def entries(connection: Connection, after: int = 0, batch: int = 1000) -> AsyncIterator[Entry]:
    """Every entry after a sequence number, oldest first."""
    while True:
        rows = await connection.fetch(
            """
            SELECT sequence, at, actor, action, subject, details::text AS details, previous_hash, hash
            FROM audit WHERE sequence > $1 ORDER BY sequence LIMIT $2
            """,
            after,
            batch,
        )
        for row in rows:
            yield Entry(**{**row, "details": json.loads(row["details"])})
        if len(rows) < batch:
            return
        after = rows[-1]["sequence"]
