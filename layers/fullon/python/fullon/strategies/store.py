"""Strategies of bots and their feeds in PostgreSQL; every statement names the owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from fullon.kernel.clock import Clock
from fullon.kernel.errors import Invalid
from fullon.kernel.ids import new_id
from fullon.strategies import catalogue
from fullon.strategies.errors import StrategyNameTaken, StrategyNotFound
from fullon.strategies.model import Feed, Period, Settings, Strategy
from fullon.strategies.parameters import Value, complete

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

#: Columns that say how positions are opened and ended.
SETTINGS = tuple(field.name for field in fields(Settings))
#: Columns that an owner may change, beside the parameters.
CHANGEABLE = frozenset({"name", "active", *SETTINGS})

_SELECT = f"""
SELECT s.str_id, s.uid, s.bot_id, s.cat_str_id, c.name AS catalogue, s.name, s.active,
    {", ".join(f"s.{name}" for name in SETTINGS)}, s.created_at, s.updated_at,
    (SELECT array_agg(ARRAY[p.name, p.value] ORDER BY p.name) FROM strategy_params p WHERE p.str_id = s.str_id)
        AS parameters
FROM strategies s JOIN cat_strategies c USING (cat_str_id)
"""  # noqa: S608 - columns are constants
_INSERT = f"""
INSERT INTO strategies (str_id, uid, bot_id, cat_str_id, name, active, {", ".join(SETTINGS)}, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, {", ".join(f"${number}" for number in range(8, 8 + len(SETTINGS)))}, $7, $7)
"""  # noqa: S608 - columns are constants
_FEEDS = """
SELECT f.feed_id, s.bot_id, f.str_id, f.symbol_id, e.name AS exchange, y.symbol, f.ex_id, f.period, f.compression,
    f.position
FROM feeds f JOIN strategies s USING (str_id, uid) JOIN symbols y USING (symbol_id)
    JOIN cat_exchanges e USING (cat_ex_id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFeed:
    """A feed to be entered."""

    symbol_id: int
    ex_id: UUID | None
    period: Period
    compression: int


async def add(
    connection: Connection,
    clock: Clock,
    uid: UUID,
    bot_id: UUID,
    *,
    cat_str_id: int,
    name: str,
    active: bool,
    settings: Settings,
    parameters: Mapping[str, Value],
) -> Strategy:
    """Give a bot a strategy.

    Args:
        bot_id: known to be of ``uid``.

    Raises:
        CatalogueStrategyNotFound, StrategyNameTaken, BadParameters: it cannot be done.
    """
    values = complete(await catalogue.parameters(connection, cat_str_id), parameters)
    str_id = new_id()
    arguments = [getattr(settings, column) for column in SETTINGS]
    try:
        async with connection.transaction():
            await connection.execute(_INSERT, str_id, uid, bot_id, cat_str_id, name, active, clock.now(), *arguments)
    except asyncpg.UniqueViolationError as error:
        raise StrategyNameTaken from error
    await _put_parameters(connection, str_id, values)
    return await get(connection, uid, str_id)


async def get(connection: Connection, uid: UUID, str_id: UUID) -> Strategy:
    """A strategy of ``uid``.

    Raises:
        StrategyNotFound: they have none with this id.
    """
    row = await connection.fetchrow(f"{_SELECT} WHERE s.uid = $1 AND s.str_id = $2", uid, str_id)
    if row is None:
        raise StrategyNotFound
    return _strategy(row)


async def listing(
    connection: Connection, uid: UUID, *, bot_id: UUID | None = None, after: UUID | None = None, limit: int = 1000
) -> list[Strategy]:
    """Strategies of ``uid``, oldest first; ``after`` is the last of the page before."""
    rows = await connection.fetch(
        f"{_SELECT} WHERE s.uid = $1 AND ($2::uuid IS NULL OR s.bot_id = $2) AND ($3::uuid IS NULL OR s.str_id > $3)"
        " ORDER BY s.str_id LIMIT $4",
        uid,
        bot_id,
        after,
        limit,
    )
    return [_strategy(row) for row in rows]


async def change(
    connection: Connection,
    clock: Clock,
    uid: UUID,
    str_id: UUID,
    values: Mapping[str, Any],
    parameters: Mapping[str, Value] | None = None,
) -> Strategy:
    """Change a strategy of ``uid``.

    Args:
        values: column → value, any of :data:`CHANGEABLE`.
        parameters: new values; those not named stay.

    Raises:
        StrategyNotFound, StrategyNameTaken, BadParameters: it cannot be done.
    """
    assert values.keys() <= CHANGEABLE, "columns are chosen by the caller, never by a request"
    present = await get(connection, uid, str_id)
    names = sorted(values)
    assignments = "".join(f"{name} = ${number}, " for number, name in enumerate(names, 4))
    try:
        async with connection.transaction():
            await connection.execute(
                f"UPDATE strategies SET {assignments}updated_at = $3 WHERE uid = $1 AND str_id = $2",  # noqa: S608
                uid,
                str_id,
                clock.now(),
                *(values[name] for name in names),
            )
    except asyncpg.UniqueViolationError as error:
        raise StrategyNameTaken from error
    if parameters is not None:
        known = await catalogue.parameters(connection, present.cat_str_id)
        await _put_parameters(connection, str_id, complete(known, {**present.parameters, **parameters}))
    return await get(connection, uid, str_id)


async def delete(connection: Connection, uid: UUID, str_id: UUID) -> Strategy:
    """Remove a strategy of ``uid`` with its feeds; says what it was.

    Raises:
        StrategyNotFound: they have none with this id.
    """
    strategy = await get(connection, uid, str_id)
    await connection.execute("DELETE FROM strategies WHERE uid = $1 AND str_id = $2", uid, str_id)
    return strategy


async def feeds(
    connection: Connection, uid: UUID, *, bot_id: UUID | None = None, str_id: UUID | None = None
) -> list[Feed]:
    """Feeds of ``uid``, by strategy and place."""
    rows = await connection.fetch(
        f"{_FEEDS} WHERE f.uid = $1 AND ($2::uuid IS NULL OR s.bot_id = $2) AND ($3::uuid IS NULL OR f.str_id = $3)"
        " ORDER BY f.str_id, f.position",
        uid,
        bot_id,
        str_id,
    )
    return [Feed(**{**dict(row), "period": Period(row["period"])}) for row in rows]


async def put_feeds(connection: Connection, uid: UUID, str_id: UUID, new: Sequence[NewFeed]) -> list[Feed]:
    """Replace the feeds of a strategy of ``uid``, in this order.

    Raises:
        StrategyNotFound: they have none with this id.
        Invalid: a symbol or an account is not there for them.
    """
    await get(connection, uid, str_id)
    await connection.execute("DELETE FROM feeds WHERE uid = $1 AND str_id = $2", uid, str_id)
    for position, feed in enumerate(new):
        await _add_feed(connection, uid, str_id, feed, position)
    return await feeds(connection, uid, str_id=str_id)


async def add_feed(connection: Connection, uid: UUID, str_id: UUID, feed: NewFeed) -> Feed:
    """Append a feed to a strategy of ``uid``.

    Raises:
        StrategyNotFound: they have none with this id.
        Invalid: the symbol or the account is not there for them.
    """
    await connection.execute("SELECT FROM strategies WHERE uid = $1 AND str_id = $2 FOR UPDATE", uid, str_id)
    await get(connection, uid, str_id)
    position = await connection.fetchval(
        "SELECT coalesce(max(position) + 1, 0) FROM feeds WHERE uid = $1 AND str_id = $2", uid, str_id
    )
    feed_id = await _add_feed(connection, uid, str_id, feed, position)
    return next(each for each in await feeds(connection, uid, str_id=str_id) if each.feed_id == feed_id)


async def delete_feed(connection: Connection, uid: UUID, bot_id: UUID, feed_id: UUID) -> bool:
    """Remove a feed of a bot of ``uid``; whether there was one."""
    gone = await connection.fetchval(
        "DELETE FROM feeds f USING strategies s WHERE f.uid = $1 AND f.feed_id = $3 AND s.str_id = f.str_id"
        " AND s.bot_id = $2 RETURNING f.feed_id",
        uid,
        bot_id,
        feed_id,
    )
    return gone is not None


async def _add_feed(connection: Connection, uid: UUID, str_id: UUID, feed: NewFeed, position: int) -> UUID:
    feed_id = new_id()
    try:
        async with connection.transaction():
            await connection.execute(
                "INSERT INTO feeds (feed_id, uid, str_id, symbol_id, ex_id, period, compression, position)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                feed_id,
                uid,
                str_id,
                feed.symbol_id,
                feed.ex_id,
                feed.period.value,
                feed.compression,
                position,
            )
    except asyncpg.ForeignKeyViolationError as error:
        field = "symbol_id" if "symbol" in (error.constraint_name or "") else "ex_id"
        thing = "symbol" if field == "symbol_id" else "exchange account"
        raise Invalid(f"There is no such {thing}.", fields={field: f"no such {thing}"}) from error
    return feed_id


async def _put_parameters(connection: Connection, str_id: UUID, values: Mapping[str, str]) -> None:
    await connection.execute("DELETE FROM strategy_params WHERE str_id = $1", str_id)
    await connection.executemany(
        "INSERT INTO strategy_params (str_id, name, value) VALUES ($1, $2, $3)",
        [(str_id, name, value) for name, value in values.items()],
    )


def _strategy(row: Any) -> Strategy:
    return Strategy(
        str_id=row["str_id"],
        uid=row["uid"],
        bot_id=row["bot_id"],
        cat_str_id=row["cat_str_id"],
        catalogue=row["catalogue"],
        name=row["name"],
        active=row["active"],
        settings=Settings(**{name: row[name] for name in SETTINGS}),
        parameters=dict(row["parameters"] or ()),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
