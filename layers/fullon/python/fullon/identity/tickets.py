"""Tickets for the WebSocket: a browser cannot send a header there, and a token in an address ends up in logs.

A ticket is good once and for thirty seconds; only its hash is stored, with the identity it stands for.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson

from fullon.identity.errors import InvalidCredential
from fullon.identity.model import Identity
from fullon.kernel.clock import Clock
from fullon.kernel.ids import new_token

if TYPE_CHECKING:
    from fullon.identity.store import Connection

LIFETIME = timedelta(seconds=30)


async def issue(connection: Connection, clock: Clock, identity: Identity) -> str:
    """A ticket for ``identity``; those that were never used are removed on the way."""
    ticket = new_token()
    now = clock.now()
    await connection.execute("DELETE FROM ws_tickets WHERE expires_at <= $1", now)
    await connection.execute(
        "INSERT INTO ws_tickets (hash, context, expires_at) VALUES ($1, $2, $3)",
        _hash(ticket),
        orjson.dumps(identity.to_context()).decode(),
        now + LIFETIME,
    )
    return ticket


async def redeem(connection: Connection, clock: Clock, ticket: str) -> Identity:
    """The identity a ticket stands for; it cannot be used again.

    Raises:
        InvalidCredential: unknown, used, or too old.
    """
    row = await connection.fetchrow(
        "DELETE FROM ws_tickets WHERE hash = $1 RETURNING context, expires_at", _hash(ticket)
    )
    if row is None or row["expires_at"] <= clock.now():
        raise InvalidCredential("ticket")
    return Identity.from_context(orjson.loads(row["context"]))


def _hash(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode(errors="replace")).digest()
