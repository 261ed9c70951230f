"""PostgreSQL: the table ``idempotency_keys``. Who claims a key executes; the answer is kept beside it.

A claim is a row without a status. It is given up when the process that made it has had its time, and whoever takes it
over gets a claim of their own: the one before can then neither mark nor keep anything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from fullon.kernel.ids import new_id

if TYPE_CHECKING:
    from fullon.identity.store import Connection

KEPT_FOR = timedelta(hours=24)
CLAIMED_FOR = timedelta(seconds=60)
"""Longer than a function may run; after it a call that left no answer counts as crashed."""
_PRUNED_AT_ONCE = 50

_CLAIM = """
INSERT INTO idempotency_keys (uid, key, operation, request_hash, claim, created_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (uid, key) DO NOTHING RETURNING claim
"""
_FIND = """
SELECT request_hash, status, headers::text AS headers, body, took_effect, created_at FROM idempotency_keys
WHERE uid = $1 AND key = $2
"""
_TAKE_OVER = """
UPDATE idempotency_keys SET operation = $3, request_hash = $4, claim = $5, created_at = $6, status = NULL,
    headers = NULL, body = NULL, took_effect = false
WHERE uid = $1 AND key = $2
    AND (created_at <= $7 OR (status IS NULL AND NOT took_effect AND created_at <= $8))
RETURNING claim
"""
_PRUNE = """
DELETE FROM idempotency_keys WHERE (uid, key) IN (
    SELECT uid, key FROM idempotency_keys WHERE created_at <= $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to execute the call with a key.

    Attributes:
        key: a hash of what the client sent.
        token: tells this claim from those before and after it.
    """

    uid: UUID
    key: str
    token: UUID


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of an earlier call with the key.

    Attributes:
        status: of its answer; None while there is none.
        body: None when the answer is not to be repeated.
        took_effect: its changes are committed.
        is_over: so old that no answer is to be expected any more.
    """

    request_hash: bytes
    status: int | None
    headers: list[tuple[str, str]]
    body: bytes | None
    took_effect: bool
    is_over: bool


async def claim(
    connection: Connection, uid: UUID, key: str, operation: str, request_hash: bytes, now: datetime
) -> Claim | Kept | None:
    """Claim a key, or say what is kept under it; None when neither could be settled: somebody else is at it."""
    await connection.execute(_PRUNE, now - KEPT_FOR, _PRUNED_AT_ONCE)
    token = new_id()
    row = (uid, key, operation, request_hash, token, now)
    for _ in range(3):
        if await connection.fetchval(_CLAIM, *row) is not None:
            return Claim(uid, key, token)
        found = await connection.fetchrow(_FIND, uid, key)
        if found is None:
            continue  # given up between the two statements
        is_over = found["created_at"] <= now - CLAIMED_FOR
        is_free = found["created_at"] <= now - KEPT_FOR or (
            is_over and found["status"] is None and not found["took_effect"]
        )
        if not is_free:
            headers = [(name, value) for name, value in json.loads(found["headers"] or "[]")]
            return Kept(found["request_hash"], found["status"], headers, found["body"], found["took_effect"], is_over)
        if await connection.fetchval(_TAKE_OVER, *row, now - KEPT_FOR, now - CLAIMED_FOR) is not None:
            return Claim(uid, key, token)
    return None


async def mark(connection: Connection, claim: Claim) -> bool:
    """In the transaction of the call: it takes effect. False when the claim is no longer good."""
    done = await connection.fetchval(
        "UPDATE idempotency_keys SET took_effect = true WHERE uid = $1 AND key = $2 AND claim = $3 RETURNING claim",
        claim.uid,
        claim.key,
        claim.token,
    )
    return done is not None


async def keep(
    connection: Connection, claim: Claim, status: int, headers: list[tuple[str, str]], body: bytes | None
) -> None:
    """Keep the answer of a call."""
    await connection.execute(
        "UPDATE idempotency_keys SET status = $4, headers = $5::text::jsonb, body = $6"
        " WHERE uid = $1 AND key = $2 AND claim = $3",
        claim.uid,
        claim.key,
        claim.token,
        status,
        json.dumps(headers),
        body,
    )


async def give_up(connection: Connection, claim: Claim, status: int) -> None:
    """The call failed: its key is free again, unless its changes are committed; then only the answer is missing."""
    row = (claim.uid, claim.key, claim.token)
    gone = await connection.fetchval(
        "DELETE FROM idempotency_keys WHERE uid = $1 AND key = $2 AND claim = $3 AND NOT took_effect RETURNING claim",
        *row,
    )
    if gone is None:
        await connection.execute(
            "UPDATE idempotency_keys SET status = $4 WHERE uid = $1 AND key = $2 AND claim = $3", *row, status
        )
