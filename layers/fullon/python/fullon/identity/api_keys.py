"""API keys: ``fo_PREFIX_SECRET``, for programs that act for their owner within chosen scopes.

The prefix finds the key; the secret is 32 random bytes, so a plain SHA-256 of the whole key is enough to keep (nothing
can be guessed from it) and it is compared in constant time. A key is shown once. What identifies it never changes:
rotation makes a new key in the place of the old one, so an answer that a gateway still holds for the old one is
refused like that of any deleted key.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fullon.identity.errors import InvalidCredential, KeyNotFound, ScopeNotAllowed, TooManyKeys, UserNotFound
from fullon.identity.model import NEVER, ApiKey, Identity, Kind, Role, Scope, StandingChange, allowed
from fullon.kernel.clock import Clock
from fullon.kernel.errors import Invalid
from fullon.kernel.ids import new_id, new_token

if TYPE_CHECKING:
    from fullon.identity.store import Connection

START = "fo_"
LONGEST_KEY = 128
MOST_PER_USER = 50
#: How often the use of a key is written down, at most.
USE_NOTED_EVERY = timedelta(minutes=1)
#: What owners may change about a key.
CHANGEABLE = frozenset({"name", "description", "scopes", "expires_at", "is_active"})

_COLUMNS = "id, uid, prefix, name, description, scopes, is_active, created_at, expires_at, last_used_at"
_INSERT = f"""
INSERT INTO api_keys (id, uid, prefix, hash, name, description, scopes, is_active, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING {_COLUMNS}
"""  # noqa: S608 - a constant list of columns
_LIST = f"""
SELECT {_COLUMNS} FROM api_keys
WHERE ($1::uuid IS NULL OR uid = $1) AND ($2::boolean IS NULL OR is_active = $2) AND ($3::uuid IS NULL OR id > $3)
ORDER BY id LIMIT $4
"""  # noqa: S608 - a constant list of columns
_SHOWN = """
SELECT k.id, k.hash, k.scopes, k.expires_at, u.uid, u.mail, u.role
FROM api_keys k JOIN users u USING (uid) WHERE k.prefix = $1
"""
_USED = """
UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)
"""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made, with the only copy of its secret."""

    record: ApiKey
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What a shown key is compared with, and the identity it gives if it is the one."""

    hash: bytes = field(repr=False)
    identity: Identity


async def create(
    connection: Connection,
    clock: Clock,
    *,
    uid: UUID,
    name: str,
    scopes: frozenset[Scope],
    description: str = "",
    expires_at: datetime | None = None,
) -> NewKey:
    """Make a key for a user, in the transaction of ``connection``.

    Raises:
        ScopeNotAllowed: the user's role does not allow a scope.
        TooManyKeys: they have :data:`MOST_PER_USER`.
        Invalid: the end has passed.
        UserNotFound: there is no such user.
    """
    await _check_owner(connection, clock, uid, scopes, expires_at)
    if await connection.fetchval("SELECT count(*) FROM api_keys WHERE uid = $1", uid) >= MOST_PER_USER:
        raise TooManyKeys(MOST_PER_USER)
    return await _insert(connection, clock, uid, name, description, scopes, True, expires_at)


async def get(connection: Connection, key_id: UUID, owner: UUID | None) -> ApiKey:
    """A key of ``owner``; of anybody when that is None.

    Raises:
        KeyNotFound: there is none.
    """
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM api_keys WHERE id = $1 AND ($2::uuid IS NULL OR uid = $2)",  # noqa: S608 - constant
        key_id,
        owner,
    )
    if row is None:
        raise KeyNotFound
    return _key(row)


async def listing(
    connection: Connection, *, owner: UUID | None, is_active: bool | None, after: UUID | None, limit: int
) -> list[ApiKey]:
    """Keys by age, oldest first; ``after`` is the last of the page before."""
    rows = await connection.fetch(_LIST, owner, is_active, after, limit)
    return [_key(row) for row in rows]


async def change(
    connection: Connection, clock: Clock, key_id: UUID, owner: UUID | None, values: Mapping[str, Any]
) -> tuple[ApiKey, StandingChange]:
    """Change a key, in the transaction of ``connection``.

    Args:
        values: column → value, any of :data:`CHANGEABLE`.

    Raises:
        KeyNotFound, ScopeNotAllowed: it cannot be done.
        Invalid: the end has passed.
    """
    assert values.keys() <= CHANGEABLE, "columns are chosen by the caller, never by a request"
    record = await get(connection, key_id, owner)
    await _check_owner(connection, clock, record.uid, values.get("scopes", frozenset()), values.get("expires_at"))
    names = sorted(values)
    arguments = [sorted(values[name]) if name == "scopes" else values[name] for name in names]
    assignments = ", ".join(f"{name} = ${index}" for index, name in enumerate(names, 2))
    if assignments:
        row = await connection.fetchrow(
            f"UPDATE api_keys SET {assignments} WHERE id = $1 RETURNING {_COLUMNS}",  # noqa: S608 - known columns
            key_id,
            *arguments,
        )
        if row is None:
            raise KeyNotFound
        record = _key(row)
    is_felt = bool(values.keys() & {"scopes", "expires_at", "is_active"})
    return record, StandingChange(changed=((Kind.API_KEY, key_id),)) if is_felt else StandingChange()


async def rotate(connection: Connection, clock: Clock, key_id: UUID, owner: UUID) -> tuple[NewKey, StandingChange]:
    """Replace a key by a new one with the same name, scopes, state and end; the old one is gone.

    Raises:
        KeyNotFound: there is none.
    """
    old = await get(connection, key_id, owner)
    change = await delete(connection, key_id, owner)
    new = await _insert(
        connection, clock, old.uid, old.name, old.description, old.scopes, old.is_active, old.expires_at
    )
    return new, change


async def delete(connection: Connection, key_id: UUID, owner: UUID | None) -> StandingChange:
    """Remove a key.

    Raises:
        KeyNotFound: there is none.
    """
    gone = await connection.fetchval(
        "DELETE FROM api_keys WHERE id = $1 AND ($2::uuid IS NULL OR uid = $2) RETURNING id", key_id, owner
    )
    if gone is None:
        raise KeyNotFound
    return StandingChange(changed=((Kind.API_KEY, key_id),))


def prefix_of(key: str) -> str:
    """The part of a shown key that finds it.

    Raises:
        InvalidCredential: it is not of the form ``fo_PREFIX_SECRET``.
    """
    parts = key.split("_", 2)
    if len(key) > LONGEST_KEY or len(parts) != 3 or parts[0] != "fo" or not all(parts) or not key.isascii():
        raise InvalidCredential("API key")
    return parts[1]


async def find(connection: Connection, prefix: str) -> StoredKey | None:
    """The key with a prefix, whether it is in force or not; what it returns of hash and id never changes."""
    row = await connection.fetchrow(_SHOWN, prefix)
    if row is None:
        return None
    role = Role(row["role"])
    identity = Identity(
        user_id=row["uid"],
        mail=row["mail"],
        role=role,
        kind=Kind.API_KEY,
        session=row["id"],
        scopes=allowed(role, frozenset(Scope(scope) for scope in row["scopes"])),
        expires_at=row["expires_at"] or NEVER,
    )
    return StoredKey(row["hash"], identity)


def matches(stored: StoredKey, key: str) -> bool:
    """Whether ``key`` is the stored one, in a time that tells nothing."""
    return hmac.compare_digest(stored.hash, _hash(key))


async def note_use(connection: Connection, clock: Clock, key_id: UUID) -> None:
    """Write down that a key was used, unless that was done a moment ago."""
    now = clock.now()
    await connection.execute(_USED, key_id, now, now - USE_NOTED_EVERY)


async def _insert(
    connection: Connection,
    clock: Clock,
    uid: UUID,
    name: str,
    description: str,
    scopes: frozenset[Scope],
    is_active: bool,
    expires_at: datetime | None,
) -> NewKey:
    prefix = secrets.token_hex(6)
    key = f"{START}{prefix}_{new_token()}"
    granted = sorted(scope.value for scope in scopes)
    row = await connection.fetchrow(
        _INSERT, new_id(), uid, prefix, _hash(key), name, description, granted, is_active, clock.now(), expires_at
    )
    return NewKey(_key(row), key)


async def _check_owner(
    connection: Connection, clock: Clock, uid: UUID, scopes: frozenset[Scope], expires_at: datetime | None
) -> None:
    role = await connection.fetchval("SELECT role FROM users WHERE uid = $1 FOR UPDATE", uid)
    if role is None:
        raise UserNotFound
    if excess := scopes - allowed(Role(role), scopes):
        raise ScopeNotAllowed(role, sorted(scope.value for scope in excess))
    if expires_at is not None and expires_at <= clock.now():
        raise Invalid("A key must end in the future.", fields={"expires_at": "in the past"})


def _key(row: Any) -> ApiKey:
    fields = {name: row[name] for name in _COLUMNS.split(", ")}
    return ApiKey(**{**fields, "scopes": frozenset(Scope(scope) for scope in fields["scopes"])})


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
