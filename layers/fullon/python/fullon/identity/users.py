"""Users: who has an account, with which role, and what an admin may change about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from fullon.identity import sessions, store
from fullon.identity.errors import LastAdmin, MailTaken, UserNotFound
from fullon.identity.model import Kind, Role, StandingChange, User
from fullon.kernel.clock import Clock
from fullon.kernel.errors import Invalid
from fullon.kernel.ids import new_id

if TYPE_CHECKING:
    from fullon.identity.store import Connection

#: What users may change about themselves.
PROFILE = frozenset({"name", "lastname", "phone", "id_num", "note"})
#: What admins may change about users; a password comes as its hash.
ADMINISTERED = PROFILE | {"mail", "role", "active", "manager_uid", "password_hash"}

_COLUMNS = "uid, mail, name, lastname, phone, id_num, role, active, manager_uid, note, created_at, updated_at"
_MAIL = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,189}")
_INSERT = f"""
INSERT INTO users (uid, mail, password_hash, name, lastname, phone, id_num, role, active, manager_uid, note,
                   created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12) RETURNING {_COLUMNS}
"""  # noqa: S608 - a constant list of columns
_LIST = f"""
SELECT {_COLUMNS} FROM users
WHERE ($1::boolean IS NULL OR active = $1) AND ($2::text IS NULL OR role = $2) AND ($3::uuid IS NULL OR uid > $3)
ORDER BY uid LIMIT $4
"""  # noqa: S608 - a constant list of columns
_SEARCH = f"""
SELECT {_COLUMNS} FROM users
WHERE (mail ILIKE $1 OR name ILIKE $1 OR lastname ILIKE $1 OR name || ' ' || lastname ILIKE $1)
AND ($2::uuid IS NULL OR uid > $2)
ORDER BY uid LIMIT $3
"""  # noqa: S608 - a constant list of columns
#: Changes of who is an admin happen one after the other, so that two admins cannot demote each other at once.
_LOCK_ADMINS = "SELECT pg_advisory_xact_lock(7106420, 0)"


def canonical_mail(text: str, field: str = "mail") -> str:
    """A mail address as it is stored and compared: lower case, no space around.

    A host without a dot is accepted: ``admin@fullon`` is the first user's address by default. Only ASCII is, so that
    every part of the system agrees on what lower case is.

    Raises:
        Invalid: not of the form name@host.
    """
    mail = text.strip().lower()
    if not _MAIL.fullmatch(mail):
        raise Invalid("The mail address is not of the form name@host.", fields={field: "not a mail address"})
    return mail


async def create(
    connection: Connection,
    clock: Clock,
    *,
    mail: str,
    password_hash: str,
    role: Role,
    active: bool = True,
    manager_uid: UUID | None = None,
    **profile: str,
) -> User:
    """Enter a user.

    Args:
        mail: as :func:`canonical_mail` gives it.
        profile: any of :data:`PROFILE`.

    Raises:
        MailTaken: another user has the address.
        Invalid: the manager does not exist.
    """
    texts = [profile.get(name, "") for name in ("name", "lastname", "phone", "id_num")]
    note = profile.get("note", "")
    try:
        async with connection.transaction():
            row = await connection.fetchrow(
                _INSERT, new_id(), mail, password_hash, *texts, role.value, active, manager_uid, note, clock.now()
            )
    except asyncpg.UniqueViolationError as error:
        raise MailTaken from error
    except asyncpg.ForeignKeyViolationError as error:
        raise _no_manager() from error
    return _user(row)


async def get(connection: Connection, uid: UUID) -> User:
    """A user.

    Raises:
        UserNotFound: there is none with this id.
    """
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM users WHERE uid = $1", uid)  # noqa: S608 - constant
    if row is None:
        raise UserNotFound
    return _user(row)


async def find(connection: Connection, mail: str) -> tuple[User, str] | None:
    """The user with a mail address, and the stored password hash."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS}, password_hash FROM users WHERE mail = $1",  # noqa: S608 - constant
        mail,
    )
    return None if row is None else (_user(row), row["password_hash"])


async def password_hash(connection: Connection, uid: UUID) -> str:
    """What is stored of a user's password.

    Raises:
        UserNotFound: there is none with this id.
    """
    stored: str | None = await connection.fetchval("SELECT password_hash FROM users WHERE uid = $1", uid)
    if stored is None:
        raise UserNotFound
    return stored


async def listing(
    connection: Connection, *, active: bool | None, role: Role | None, after: UUID | None, limit: int
) -> list[User]:
    """Users by age, oldest first; ``after`` is the last of the page before."""
    rows = await connection.fetch(_LIST, active, role, after, limit)
    return [_user(row) for row in rows]


async def search(connection: Connection, text: str, *, after: UUID | None, limit: int) -> list[User]:
    """Users whose mail address or name contains a text, whatever its case, oldest first."""
    pattern = "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"
    return [_user(row) for row in await connection.fetch(_SEARCH, pattern, after, limit)]


async def purge(connection: Connection, uid: UUID) -> StandingChange:
    """Remove a user with everything that is theirs, in the transaction of ``connection``; the audit trail stays.

    Raises:
        UserNotFound, LastAdmin: it cannot be done.
    """
    await connection.execute(_LOCK_ADMINS)
    user = await get(connection, uid)
    affected = await store.credentials(connection, uid)
    await connection.execute("DELETE FROM users WHERE uid = $1", uid)
    if _is_acting_admin(user):
        await _check_that_an_admin_is_left(connection)
    ended = tuple(identifier for kind, identifier in affected.changed if kind is Kind.JWT)
    return StandingChange(ended, affected.changed, uid)


async def change(
    connection: Connection, clock: Clock, uid: UUID, values: Mapping[str, Any]
) -> tuple[User, StandingChange]:
    """Change a user, in the transaction of ``connection``.

    Deactivation and a new password end every session. A new role or address is looked up by every credential again.

    Args:
        values: column → value, any of :data:`ADMINISTERED`.

    Returns:
        The user as they are now, and what to announce after the commit.

    Raises:
        UserNotFound, MailTaken, LastAdmin: it cannot be done.
        Invalid: the manager does not exist.
    """
    assert values.keys() <= ADMINISTERED, "columns are chosen by the caller, never by a request"
    if values.keys() & {"role", "active"}:
        await connection.execute(_LOCK_ADMINS)
    before = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM users WHERE uid = $1 FOR UPDATE",  # noqa: S608 - constant
        uid,
    )
    if before is None:
        raise UserNotFound
    old = _user(before)
    new = await _update(connection, clock, uid, values)
    if _is_acting_admin(old) and not _is_acting_admin(new):
        await _check_that_an_admin_is_left(connection)
    affected = await store.credentials(connection, uid)
    if (old.active and not new.active) or "password_hash" in values:
        reason = "password set by an admin" if new.active else "user deactivated"
        ended = await sessions.revoke_all(connection, clock, uid, reason)
        return new, StandingChange(ended.ended, affected.changed, uid)
    is_other = (old.role, old.active, old.mail) != (new.role, new.active, new.mail)
    return new, affected if is_other else StandingChange()


async def _update(connection: Connection, clock: Clock, uid: UUID, values: Mapping[str, Any]) -> User:
    names = sorted(values)
    assignments = "".join(f"{name} = ${index}, " for index, name in enumerate(names, 3))
    try:
        async with connection.transaction():
            row = await connection.fetchrow(
                f"UPDATE users SET {assignments}updated_at = $2 WHERE uid = $1 RETURNING {_COLUMNS}",  # noqa: S608
                uid,
                clock.now(),
                *(values[name] for name in names),
            )
    except asyncpg.UniqueViolationError as error:
        raise MailTaken from error
    except asyncpg.ForeignKeyViolationError as error:
        raise _no_manager() from error
    return _user(row)


async def has_admin(connection: Connection) -> bool:
    """Whether anybody can log in who may administer the installation."""
    found: bool = await connection.fetchval("SELECT EXISTS (SELECT FROM users WHERE role = 'admin' AND active)")
    return found


async def _check_that_an_admin_is_left(connection: Connection) -> None:
    if not await has_admin(connection):
        raise LastAdmin


def _is_acting_admin(user: User) -> bool:
    return user.active and user.role is Role.ADMIN


def _no_manager() -> Invalid:
    return Invalid("There is no such manager.", fields={"manager_uid": "no such user"})


def _user(row: Any) -> User:
    fields = {name: row[name] for name in _COLUMNS.split(", ")}
    return User(**{**fields, "role": Role(fields["role"])})
