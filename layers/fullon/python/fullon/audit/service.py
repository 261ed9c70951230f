"""Use cases of the trail: add an entry in the caller's transaction, and prove that nothing was changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from fullon.audit import store
from fullon.audit.model import GENESIS, Detail, Entry, Fault, Verification, check, plain, plain_text

if TYPE_CHECKING:
    from fullon.audit.store import Connection


async def append(
    connection: Connection,
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    details: Mapping[str, Detail] | None = None,
) -> Entry:
    """Add an entry; it stands or falls with the caller's transaction.

    Writers stand in line from here to the end of their transaction, so call it last, and never before waiting for
    something outside the database. The transaction must be READ COMMITTED, as it is unless asked otherwise.

    Args:
        at: when, aware.
        details: no secrets.

    Raises:
        RuntimeError: there is no transaction, so the line could not be kept.
    """
    if not connection.is_in_transaction():
        raise RuntimeError("the audit trail is written inside a transaction")
    await store.lock(connection)
    sequence, previous_hash = await store.head(connection)
    entry = Entry(
        sequence=sequence + 1,
        at=at,
        actor=plain_text(actor),
        action=plain_text(action),
        subject=plain_text(subject),
        details={name: plain(value) for name, value in (details or {}).items()},
        previous_hash=previous_hash,
    )
    entry = replace(entry, hash=entry.computed_hash())
    await store.add(connection, entry)
    return entry


async def verify(connection: Connection, *, kept_head: tuple[int, bytes] | None = None) -> Verification:
    """Walk the whole trail and name the first bad entry.

    Args:
        kept_head: number and hash of an entry that was noted elsewhere earlier; without it, entries cut off from the
            end cannot be missed.
    """
    previous_hash, sequence = GENESIS, 0
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        async for entry in store.walk(connection):
            sequence += 1
            fault = check(entry, sequence, previous_hash)
            if fault is None and kept_head is not None and kept_head[0] == sequence and kept_head[1] != entry.hash:
                fault = Fault(sequence, f"entry {sequence} is not the one that was noted")
            if fault is not None:
                return Verification(sequence - 1, previous_hash, fault)
            previous_hash = entry.hash
    if kept_head is not None and kept_head[0] > sequence:
        return Verification(sequence, previous_hash, Fault(sequence + 1, f"entry {sequence + 1} is missing"))
    return Verification(sequence, previous_hash, None)
