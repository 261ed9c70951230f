"""Bots in PostgreSQL; every statement names the owner."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import orjson

from fullon import outbox
from fullon.bots.bot_data import data_of
from fullon.bots.errors import AccountNotFound, BotNameTaken, BotNotFound, NotOnThatExchange
from fullon.bots.model import Bot, BotExchange, Level, LogLine, Place, Simulation
from fullon.kernel.clock import Clock
from fullon.kernel.ids import new_id

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

#: What owners may change about a bot.
CHANGEABLE = frozenset({"name", "active", "dry_run", "note"})

_COLUMNS = "bot_id, uid, name, active, dry_run, note, created_at, updated_at, active_since"
_INSERT = f"""
INSERT INTO bots (bot_id, uid, name, active, dry_run, note, created_at, updated_at, active_since)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8) RETURNING {_COLUMNS}
"""  # noqa: S608 - a constant list of columns
_EXCHANGES = """
SELECT b.bot_id, b.ex_id, x.name, c.name AS exchange, x.test, x.active
FROM bot_exchanges b JOIN exchanges x USING (ex_id, uid) JOIN cat_exchanges c USING (cat_ex_id)
WHERE b.uid = $1 AND b.bot_id = $2 ORDER BY b.ex_id
"""
_PLACES = """
SELECT l.ex_id, l.symbol, x.name AS account, c.name AS exchange
FROM bot_leases l JOIN exchanges x USING (ex_id) JOIN cat_exchanges c USING (cat_ex_id)
WHERE x.uid = $1 AND ($2::text IS NULL OR c.name = $2) AND ($3::text IS NULL OR l.symbol = $3)
ORDER BY l.ex_id, l.symbol
"""
_LOG = """
SELECT log_id, bot_id, at, level, action, feed, position, message, details::text FROM bot_log
WHERE uid = $1 AND bot_id = $2 AND ($3::bigint IS NULL OR log_id < $3) AND ($4::text IS NULL OR level = $4)
    AND ($5::text IS NULL OR action = $5)
ORDER BY log_id DESC LIMIT $6
"""
_SIMULATIONS = """
SELECT sim_id, bot_id, created_at, window_from, window_until, settings::text, result::text FROM simulations
WHERE uid = $1 AND bot_id = $2 AND ($3::uuid IS NULL OR sim_id < $3) ORDER BY sim_id DESC LIMIT $4
"""


async def add(
    connection: Connection, clock: Clock, uid: UUID, *, name: str, active: bool, dry_run: bool, note: str
) -> Bot:
    """Enter a bot.

    Raises:
        BotNameTaken: the user has one of that name.
    """
    now = clock.now()
    try:
        async with connection.transaction():
            row = await connection.fetchrow(
                _INSERT,
                new_id(),
                uid,
                name,
                active,
                dry_run,
                note,
                now,
                now if active else None,
            )
            assert row is not None
            return await _told(connection, clock, Bot(**dict(row)))
    except asyncpg.UniqueViolationError as error:
        raise BotNameTaken from error


async def get(connection: Connection, uid: UUID, bot_id: UUID, *, lock: bool = False) -> Bot:
    """A bot of ``uid``.

    Raises:
        BotNotFound: they have none with this id.
    """
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM bots WHERE uid = $1 AND bot_id = $2" + (" FOR UPDATE" if lock else ""),  # noqa: S608
        uid,
        bot_id,
    )
    if row is None:
        raise BotNotFound
    return Bot(**dict(row))


async def listing(
    connection: Connection,
    uid: UUID,
    *,
    active: bool | None = None,
    dry_run: bool | None = None,
    after: UUID | None = None,
    limit: int,
) -> list[Bot]:
    """Bots of ``uid``, oldest first; ``after`` is the last of the page before."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM bots WHERE uid = $1 AND ($2::boolean IS NULL OR active = $2)"  # noqa: S608 - constant
        " AND ($3::boolean IS NULL OR dry_run = $3) AND ($4::uuid IS NULL OR bot_id > $4) ORDER BY bot_id LIMIT $5",
        uid,
        active,
        dry_run,
        after,
        limit,
    )
    return [Bot(**dict(row)) for row in rows]


async def change(connection: Connection, clock: Clock, uid: UUID, bot_id: UUID, values: Mapping[str, Any]) -> Bot:
    """Change a bot of ``uid``.

    Args:
        values: column → value, any of :data:`CHANGEABLE`.

    Raises:
        BotNotFound, BotNameTaken: it cannot be done.
    """
    assert values.keys() <= CHANGEABLE, "columns are chosen by the caller, never by a request"
    before = await get(connection, uid, bot_id, lock=True)
    columns = dict(values)
    if values.get("active", before.active) is not before.active:
        columns["active_since"] = clock.now() if values["active"] else None
    names = sorted(columns)
    assignments = "".join(f"{name} = ${number}, " for number, name in enumerate(names, 4))
    try:
        async with connection.transaction():
            row = await connection.fetchrow(
                f"UPDATE bots SET {assignments}updated_at = $3 WHERE uid = $1 AND bot_id = $2"  # noqa: S608
                f" RETURNING {_COLUMNS}",
                uid,
                bot_id,
                clock.now(),
                *(columns[name] for name in names),
            )
            assert row is not None
            return await _told(connection, clock, Bot(**dict(row)))
    except asyncpg.UniqueViolationError as error:
        raise BotNameTaken from error


async def delete(connection: Connection, clock: Clock, uid: UUID, bot_id: UUID) -> Bot:
    """Remove a bot of ``uid`` with its strategies, log and simulations; its orders and fills stay. Says what it was.

    Raises:
        BotNotFound: they have none with this id.
    """
    bot = await get(connection, uid, bot_id, lock=True)
    async with connection.transaction():
        await connection.execute("DELETE FROM bots WHERE uid = $1 AND bot_id = $2", uid, bot_id)
        return await _told(connection, clock, bot, removed=True)


async def _told(connection: Connection, clock: Clock, bot: Bot, *, removed: bool = False) -> Bot:
    """Tell subscribers, in the transaction of the change."""
    await outbox.put(connection, clock, bot.uid, "bots", str(bot.bot_id), data_of(bot, removed=removed))
    return bot


async def exchanges(connection: Connection, uid: UUID, bot_id: UUID) -> list[BotExchange]:
    """The accounts that a bot of ``uid`` may trade on."""
    return [BotExchange(**dict(row)) for row in await connection.fetch(_EXCHANGES, uid, bot_id)]


async def add_exchange(connection: Connection, clock: Clock, uid: UUID, bot_id: UUID, ex_id: UUID) -> None:
    """Let a bot of ``uid`` trade on an account of theirs; once is enough.

    Raises:
        BotNotFound, AccountNotFound: they have no such bot, or account.
    """
    await get(connection, uid, bot_id)
    if not await connection.fetchval("SELECT true FROM exchanges WHERE uid = $1 AND ex_id = $2", uid, ex_id):
        raise AccountNotFound
    await connection.execute(
        "INSERT INTO bot_exchanges (bot_id, ex_id, uid, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        bot_id,
        ex_id,
        uid,
        clock.now(),
    )


async def remove_exchange(connection: Connection, uid: UUID, bot_id: UUID, ex_id: UUID) -> None:
    """Take an account away from a bot of ``uid``.

    Raises:
        BotNotFound, NotOnThatExchange: it cannot be done.
    """
    await get(connection, uid, bot_id)
    gone = await connection.fetchval(
        "DELETE FROM bot_exchanges WHERE uid = $1 AND bot_id = $2 AND ex_id = $3 RETURNING ex_id", uid, bot_id, ex_id
    )
    if gone is None:
        raise NotOnThatExchange


async def places(
    connection: Connection, uid: UUID, *, exchange: str | None = None, symbol: str | None = None
) -> list[Place]:
    """Where bots of ``uid`` have ever traded; nothing else of theirs can be held."""
    return [Place(**dict(row)) for row in await connection.fetch(_PLACES, uid, exchange, symbol)]


async def note(
    connection: Connection,
    uid: UUID,
    bot_id: UUID,
    at: datetime,
    level: Level,
    action: str,
    message: str,
    *,
    feed: str | None = None,
    position: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add a line to the log of a bot of ``uid``."""
    await connection.execute(
        "INSERT INTO bot_log (uid, bot_id, at, level, action, feed, position, message, details)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::jsonb)",
        uid,
        bot_id,
        at,
        level.value,
        action,
        feed,
        position,
        message,
        orjson.dumps(details or {}).decode(),
    )


async def log(
    connection: Connection,
    uid: UUID,
    bot_id: UUID,
    *,
    level: Level | None = None,
    action: str | None = None,
    before: int | None = None,
    limit: int,
) -> list[LogLine]:
    """The log of a bot of ``uid``, newest first; ``before`` is the last of the page before."""
    rows = await connection.fetch(_LOG, uid, bot_id, before, level and level.value, action, limit)
    return [
        LogLine(**{**dict(row), "level": Level(row["level"]), "details": orjson.loads(row["details"])}) for row in rows
    ]


async def add_simulation(
    connection: Connection,
    clock: Clock,
    uid: UUID,
    bot_id: UUID,
    *,
    window_from: datetime,
    window_until: datetime,
    settings: Mapping[str, Any],
    result: Mapping[str, Any],
) -> Simulation:
    """Keep what a bot of ``uid`` would have done in a window of the past.

    Raises:
        BotNotFound: they have none with this id.
    """
    await get(connection, uid, bot_id)
    made = Simulation(
        sim_id=new_id(),
        bot_id=bot_id,
        created_at=clock.now(),
        window_from=window_from,
        window_until=window_until,
        settings=settings,
        result=result,
    )
    await connection.execute(
        "INSERT INTO simulations (sim_id, uid, bot_id, created_at, window_from, window_until, settings, result)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8::text::jsonb)",
        made.sim_id,
        uid,
        bot_id,
        made.created_at,
        window_from,
        window_until,
        orjson.dumps(settings).decode(),
        orjson.dumps(result).decode(),
    )
    return made


async def simulations(
    connection: Connection, uid: UUID, bot_id: UUID, *, before: UUID | None = None, limit: int
) -> list[Simulation]:
    """Simulations of a bot of ``uid``, newest first; ``before`` is the last of the page before."""
    rows = await connection.fetch(_SIMULATIONS, uid, bot_id, before, limit)
    return [
        Simulation(**{**dict(row), "settings": orjson.loads(row["settings"]), "result": orjson.loads(row["result"])})
        for row in rows
    ]
