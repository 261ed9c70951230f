"""The standing of a credential in PostgreSQL, which is the truth about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from fullon.identity.model import ROLE_SCOPES, Kind, Role, Scope, Standing, StandingChange, allowed

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

_SESSION = """
SELECT u.uid, u.mail, u.role FROM sessions s JOIN users u USING (uid)
WHERE s.sid = $1 AND s.revoked_at IS NULL AND u.active
"""
_KEY = """
SELECT u.uid, u.mail, u.role, k.scopes, k.expires_at FROM api_keys k JOIN users u USING (uid)
WHERE k.id = $1 AND k.is_active AND u.active
"""


async def standing(connection: Connection, kind: Kind, identifier: UUID) -> Standing | None:
    """How a session or key stands now; None when it, or its user, has ended. An API key's end is not judged here."""
    row = await connection.fetchrow(_SESSION if kind is Kind.JWT else _KEY, identifier)
    if row is None:
        return None
    role = Role(row["role"])
    if kind is Kind.JWT:
        return Standing(row["uid"], role, row["mail"], ROLE_SCOPES[role])
    granted = frozenset(Scope(scope) for scope in row["scopes"])
    return Standing(row["uid"], role, row["mail"], allowed(role, granted), row["expires_at"])


async def credentials(connection: Connection, uid: UUID) -> StandingChange:
    """Every live session and every key of a user, as changed."""
    sessions = await connection.fetch("SELECT sid FROM sessions WHERE uid = $1 AND revoked_at IS NULL", uid)
    keys = await connection.fetch("SELECT id FROM api_keys WHERE uid = $1", uid)
    changed = [(Kind.JWT, row["sid"]) for row in sessions] + [(Kind.API_KEY, row["id"]) for row in keys]
    return StandingChange(changed=tuple(changed), user_id=uid)
