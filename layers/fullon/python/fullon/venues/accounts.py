"""Exchange accounts in PostgreSQL; every statement names the owner. Sealed keys leave it only through :func:`keys_of`.

Keys are sealed before the transaction and opened after it (:mod:`sealing`), because a master key may be elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from fullon.kernel.clock import Clock
from fullon.venues.account import Account, Keys, Permissions
from fullon.venues.errors import (
    AccountChanged,
    AccountHasOrders,
    AccountNameAmbiguous,
    AccountNameTaken,
    AccountNotFound,
    TooManyAccounts,
    UnknownVenue,
)
from fullon.venues.sealing import Binding, Sealed, Seals, Wrapped

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

MOST_PER_USER = 50
#: What owners may change about an account, beside its keys.
CHANGEABLE = frozenset({"name", "active", "test", "allow_withdraw_keys"})
#: What a venue said of the keys holds no longer when one of these changes.
_DECISIVE = {"test", "allow_withdraw_keys"}

_COLUMNS = (
    "x.ex_id, x.uid, x.cat_ex_id, c.name AS exchange, x.name, x.test, x.active, x.allow_withdraw_keys, x.key_hint,"
    " x.validated_at, x.permissions::text, x.problem, x.created_at, x.updated_at"
)
_SELECT = f"SELECT {_COLUMNS} FROM exchanges x JOIN cat_exchanges c USING (cat_ex_id)"  # noqa: S608 - constants
_INSERT = """
INSERT INTO exchanges (ex_id, uid, cat_ex_id, name, test, active, allow_withdraw_keys, key_hint, sealed, data_key,
    master_key_id, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
"""
_LIST = f"""
{_SELECT}
WHERE x.uid = $1 AND ($2::boolean IS NULL OR x.active = $2) AND ($3::integer IS NULL OR x.cat_ex_id = $3)
    AND ($4::uuid IS NULL OR x.ex_id > $4)
ORDER BY x.ex_id LIMIT $5
"""
_ALIVE = """
SELECT count(*) FROM orders
WHERE uid = $1 AND ex_id = $2 AND status IN ('new', 'submitted', 'open', 'partially_filled', 'unknown')
"""
_EXAMINED = """
UPDATE exchanges SET validated_at = $4, permissions = $5::text::jsonb, problem = $6
WHERE uid = $1 AND ex_id = $2 AND sealed = $3 AND test = $7 AND allow_withdraw_keys = $8
"""


@dataclass(frozen=True, slots=True)
class SealedAccount:
    """An account with its keys as they are stored."""

    account: Account
    sealed: Sealed = field(repr=False)

    @property
    def binding(self) -> Binding:
        """What the keys are sealed for."""
        return Binding(self.account.uid, self.account.ex_id)

    async def keys(self, seals: Seals) -> Keys:
        """The keys in clear.

        Raises:
            SealBroken, MasterKeyMissing, MasterKeyUnavailable: they cannot be opened.
        """
        return Keys.of_bytes(await seals.open(self.binding, self.sealed))


async def add(
    connection: Connection,
    clock: Clock,
    binding: Binding,
    sealed: Sealed,
    *,
    cat_ex_id: int,
    name: str,
    key_hint: str,
    test: bool = False,
    active: bool = True,
    allow_withdraw_keys: bool = False,
) -> Account:
    """Enter an account, in the transaction of ``connection``.

    Args:
        binding: its owner and its new id.
        sealed: its keys, sealed for that.

    Raises:
        UnknownVenue, AccountNameTaken, TooManyAccounts: it cannot be done.
    """
    import asyncpg

    # Two at once wait for each other here, so that they cannot both be the last that fits.
    await connection.execute("SELECT FROM users WHERE uid = $1 FOR NO KEY UPDATE", binding.uid)
    if await connection.fetchval("SELECT count(*) FROM exchanges WHERE uid = $1", binding.uid) >= MOST_PER_USER:
        raise TooManyAccounts(MOST_PER_USER)
    try:
        async with connection.transaction():
            await connection.execute(
                _INSERT,
                binding.ex_id,
                binding.uid,
                cat_ex_id,
                name,
                test,
                active,
                allow_withdraw_keys,
                key_hint,
                sealed.sealed,
                sealed.wrapped.data_key,
                sealed.wrapped.key_id,
                clock.now(),
            )
    except asyncpg.UniqueViolationError as error:
        raise AccountNameTaken from error
    except asyncpg.ForeignKeyViolationError as error:
        raise UnknownVenue from error
    return await get(connection, binding.uid, binding.ex_id)


async def get(connection: Connection, uid: UUID, ex_id: UUID) -> Account:
    """An account of ``uid``.

    Raises:
        AccountNotFound: they have none with this id.
    """
    row = await connection.fetchrow(f"{_SELECT} WHERE x.uid = $1 AND x.ex_id = $2", uid, ex_id)
    if row is None:
        raise AccountNotFound
    return _account(row)


async def keys_of(connection: Connection, uid: UUID, ex_id: UUID) -> SealedAccount:
    """An account of ``uid`` with its keys, still sealed.

    Raises:
        AccountNotFound: they have none with this id.
    """
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS}, x.sealed, x.data_key, x.master_key_id"  # noqa: S608 - constants
        " FROM exchanges x JOIN cat_exchanges c USING (cat_ex_id) WHERE x.uid = $1 AND x.ex_id = $2",
        uid,
        ex_id,
    )
    if row is None:
        raise AccountNotFound
    values = dict(row)
    sealed = Sealed(values.pop("sealed"), Wrapped(values.pop("master_key_id"), values.pop("data_key")))
    return SealedAccount(_account(values), sealed)


async def listing(
    connection: Connection,
    uid: UUID,
    *,
    active: bool | None = None,
    cat_ex_id: int | None = None,
    after: UUID | None = None,
    limit: int,
) -> list[Account]:
    """Accounts of ``uid``, oldest first; ``after`` is the last of the page before."""
    return [_account(row) for row in await connection.fetch(_LIST, uid, active, cat_ex_id, after, limit)]


async def by_name(connection: Connection, uid: UUID, name: str, cat_ex_id: int | None = None) -> Account:
    """The account of ``uid`` with this name, at a venue or at whichever has it.

    Raises:
        AccountNotFound: they have none of this name.
        AccountNameAmbiguous: they have it at several venues.
    """
    rows = await connection.fetch(
        f"{_SELECT} WHERE x.uid = $1 AND x.name = $2 AND ($3::integer IS NULL OR x.cat_ex_id = $3) LIMIT 2",
        uid,
        name,
        cat_ex_id,
    )
    if not rows:
        raise AccountNotFound
    if len(rows) > 1:
        raise AccountNameAmbiguous
    return _account(rows[0])


async def change(
    connection: Connection,
    clock: Clock,
    uid: UUID,
    ex_id: UUID,
    values: Mapping[str, Any],
    keys: tuple[Sealed, str] | None = None,
) -> Account:
    """Change an account of ``uid``, in the transaction of ``connection``.

    Args:
        values: column → value, any of :data:`CHANGEABLE`.
        keys: other keys, sealed for it, and their hint.

    Raises:
        AccountNotFound, AccountNameTaken: it cannot be done.
    """
    import asyncpg

    assert values.keys() <= CHANGEABLE, "columns are chosen by the caller, never by a request"
    await _lock(connection, uid, ex_id)
    before = await get(connection, uid, ex_id)
    columns = dict(values)
    if keys is not None:
        sealed, hint = keys
        columns |= {
            "sealed": sealed.sealed,
            "data_key": sealed.wrapped.data_key,
            "master_key_id": sealed.wrapped.key_id,
            "key_hint": hint,
        }
    if keys is not None or any(name in values and values[name] != getattr(before, name) for name in _DECISIVE):
        columns |= {"validated_at": None, "permissions": None, "problem": None}
    names = sorted(columns)
    assignments = "".join(f"{name} = ${number}, " for number, name in enumerate(names, 4))
    try:
        async with connection.transaction():
            await connection.execute(
                f"UPDATE exchanges SET {assignments}updated_at = $3 WHERE uid = $1 AND ex_id = $2",  # noqa: S608
                uid,
                ex_id,
                clock.now(),
                *(columns[name] for name in names),
            )
    except asyncpg.UniqueViolationError as error:
        raise AccountNameTaken from error
    return await get(connection, uid, ex_id)


async def examined(
    connection: Connection, clock: Clock, looked_at: SealedAccount, permissions: Permissions | None, problem: str | None
) -> Account:
    """Keep what a venue said of the keys of an account as it was read.

    Raises:
        AccountChanged: it has other keys or settings by now, of which the venue said nothing.
        AccountNotFound: it is gone.
    """
    account = looked_at.account
    done = await connection.execute(
        _EXAMINED,
        account.uid,
        account.ex_id,
        looked_at.sealed.sealed,
        clock.now(),
        None if permissions is None else orjson.dumps(permissions.to_json()).decode(),
        problem,
        account.test,
        account.allow_withdraw_keys,
    )
    found = await get(connection, account.uid, account.ex_id)
    if done == "UPDATE 0":
        raise AccountChanged
    return found


async def delete(connection: Connection, uid: UUID, ex_id: UUID) -> None:
    """Remove an account of ``uid`` with its keys, and what happened there: ended orders, fills, trades, balances.

    Raises:
        AccountNotFound: they have none with this id.
        AccountHasOrders: orders are alive there.
    """
    await _lock(connection, uid, ex_id)
    alive = await connection.fetchval(_ALIVE, uid, ex_id)
    if alive:
        raise AccountHasOrders(alive)
    await connection.execute("DELETE FROM exchanges WHERE uid = $1 AND ex_id = $2", uid, ex_id)


async def in_use(connection: Connection) -> list[SealedAccount]:
    """For daemons: active accounts of active users, of everybody, against whose keys nothing is known."""
    rows = await connection.fetch(
        "SELECT x.uid, x.ex_id FROM exchanges x JOIN users u USING (uid)"
        " WHERE x.active AND u.active AND x.problem IS NULL ORDER BY x.ex_id"
    )
    return [await keys_of(connection, row["uid"], row["ex_id"]) for row in rows]


async def wrapped_after(connection: Connection, after: UUID | None, limit: int) -> list[tuple[Binding, Wrapped]]:
    """For the rotation of the master key: data keys of everybody, by account, after the account ``after``."""
    rows = await connection.fetch(
        "SELECT uid, ex_id, master_key_id, data_key FROM exchanges WHERE $1::uuid IS NULL OR ex_id > $1"
        " ORDER BY ex_id LIMIT $2",
        after,
        limit,
    )
    return [(Binding(row["uid"], row["ex_id"]), Wrapped(row["master_key_id"], row["data_key"])) for row in rows]


async def replace_wrapped(connection: Connection, binding: Binding, old: Wrapped, new: Wrapped) -> bool:
    """Put the data key under another master key; False when the account is gone or has another data key by now."""
    done = await connection.execute(
        "UPDATE exchanges SET data_key = $3, master_key_id = $4 WHERE uid = $1 AND ex_id = $2 AND data_key = $5",
        binding.uid,
        binding.ex_id,
        new.data_key,
        new.key_id,
        old.data_key,
    )
    return bool(done == "UPDATE 1")


async def _lock(connection: Connection, uid: UUID, ex_id: UUID) -> None:
    """Nobody places an order there, changes or removes it until the transaction ends."""
    found = await connection.fetchval("SELECT true FROM exchanges WHERE uid = $1 AND ex_id = $2 FOR UPDATE", uid, ex_id)
    if not found:
        raise AccountNotFound


def _account(row: Mapping[str, Any]) -> Account:
    values = dict(row)
    stored = values.pop("permissions")
    return Account(**values, permissions=None if stored is None else Permissions.of_json(orjson.loads(stored)))
