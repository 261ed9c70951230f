"""Builders for tests that need somebody: users with sessions or keys, straight in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fullon.identity.model import ROLE_SCOPES, Identity, Kind, Role, Scope
from fullon.kernel.ids import new_id

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]


async def a_user(connection: Connection, role: Role = Role.TRADER, *, active: bool = True) -> UUID:
    """A user who cannot log in."""
    uid, now = new_id(), datetime.now(UTC)
    await connection.execute(
        "INSERT INTO users (uid, mail, password_hash, role, active, created_at, updated_at)"
        " VALUES ($1, $2, 'none', $3, $4, $5, $5)",
        uid,
        f"{uid}@example.test",
        role.value,
        active,
        now,
    )
    return uid


async def a_session(
    connection: Connection,
    role: Role = Role.TRADER,
    *,
    uid: UUID | None = None,
    lasting: timedelta = timedelta(hours=1),
) -> Identity:
    """Somebody who logged in just now, with a token that lasts."""
    uid = uid or await a_user(connection, role)
    sid, now = new_id(), datetime.now(UTC)
    await connection.execute(
        "INSERT INTO sessions (sid, uid, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        sid,
        uid,
        now,
        now + timedelta(days=7),
    )
    return Identity(uid, f"{uid}@example.test", role, Kind.JWT, sid, ROLE_SCOPES[role], now + lasting)


async def a_key(
    connection: Connection, role: Role = Role.TRADER, *, scopes: frozenset[Scope] = frozenset({Scope.READ})
) -> Identity:
    """Somebody with an API key."""
    uid = await a_user(connection, role)
    key, now = new_id(), datetime.now(UTC)
    expires_at = now + timedelta(days=1)
    await connection.execute(
        "INSERT INTO api_keys (id, uid, prefix, hash, name, scopes, created_at, expires_at)"
        " VALUES ($1, $2, $3, $4, 'test', $5, $6, $7)",
        key,
        uid,
        key.hex[-12:],
        key.bytes,
        [scope.value for scope in scopes],
        now,
        expires_at,
    )
    return Identity(uid, f"{uid}@example.test", role, Kind.API_KEY, key, scopes & ROLE_SCOPES[role], expires_at)


async def a_venue(connection: Connection, name: str, *symbols: str) -> None:
    """An active exchange with active symbols."""
    found = await connection.fetchval(
        "INSERT INTO cat_exchanges (name, ccxt_id) VALUES ($1, 'binance')"
        " ON CONFLICT (name) DO UPDATE SET active = true RETURNING cat_ex_id",
        name,
    )
    for symbol in symbols:
        base, _, quote = symbol.partition("/")
        await connection.execute(
            "INSERT INTO symbols (cat_ex_id, symbol, base, quote) VALUES ($1, $2, $3, $4)", found, symbol, base, quote
        )


async def an_account(connection: Connection, uid: UUID, name: str = "main", *, exchange: str = "paper") -> UUID:
    """An account of somebody at an exchange that is there; its keys are sealed by nobody."""
    ex_id = new_id()
    await connection.execute(
        "INSERT INTO exchanges (ex_id, uid, cat_ex_id, name, key_hint, sealed, data_key, master_key_id, created_at,"
        " updated_at) SELECT $1, $2, cat_ex_id, $3, 'abcd', '-', '-', 'test', now(), now() FROM cat_exchanges"
        " WHERE name = $4",
        ex_id,
        uid,
        name,
        exchange,
    )
    return ex_id
