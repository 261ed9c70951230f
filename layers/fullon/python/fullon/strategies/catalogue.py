"""The catalogue of strategies in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import asyncpg

from fullon.strategies.builtin import BUILTIN
from fullon.strategies.errors import (
    CatalogueStrategyNotFound,
    StrategyInUse,
    StrategyIsBuiltIn,
    StrategyNameTaken,
)
from fullon.strategies.model import CatalogueStrategy, Parameter, ParameterKind

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

_SELECT = "SELECT cat_str_id, name, title, description, builtin, created_at FROM cat_strategies"
_INSERT_PARAMETER = """
INSERT INTO cat_strategy_params
    (cat_str_id, name, position, kind, default_value, minimum, maximum, choices, description)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def listing(connection: Connection) -> list[CatalogueStrategy]:
    """All of it, by name."""
    return [CatalogueStrategy(*row) for row in await connection.fetch(f"{_SELECT} ORDER BY name")]


async def get(connection: Connection, cat_str_id: int) -> CatalogueStrategy:
    """A strategy of the catalogue.

    Raises:
        CatalogueStrategyNotFound: there is none with this number.
    """
    row = await connection.fetchrow(f"{_SELECT} WHERE cat_str_id = $1", cat_str_id)
    if row is None:
        raise CatalogueStrategyNotFound
    return CatalogueStrategy(*row)


async def named(connection: Connection, name: str) -> CatalogueStrategy:
    """The strategy of a name.

    Raises:
        CatalogueStrategyNotFound: there is none.
    """
    row = await connection.fetchrow(f"{_SELECT} WHERE name = $1", name)
    if row is None:
        raise CatalogueStrategyNotFound
    return CatalogueStrategy(*row)


async def parameters(connection: Connection, cat_str_id: int) -> list[Parameter]:
    """What a strategy of the catalogue can be told, in its own order.

    Raises:
        CatalogueStrategyNotFound: there is none with this number.
    """
    await get(connection, cat_str_id)
    rows = await connection.fetch(
        "SELECT name, kind, default_value, minimum, maximum, choices, description FROM cat_strategy_params"
        " WHERE cat_str_id = $1 ORDER BY position",
        cat_str_id,
    )
    return [
        Parameter(
            row["name"],
            ParameterKind(row["kind"]),
            row["default_value"],
            row["minimum"],
            row["maximum"],
            None if row["choices"] is None else tuple(row["choices"]),
            row["description"],
        )
        for row in rows
    ]


async def add(
    connection: Connection,
    name: str,
    title: str,
    description: str,
    known: Sequence[Parameter],
    *,
    builtin: bool = False,
) -> CatalogueStrategy:
    """Enter a strategy.

    Raises:
        StrategyNameTaken: there is one of that name.
    """
    try:
        async with connection.transaction():
            row = await connection.fetchrow(
                "INSERT INTO cat_strategies (name, title, description, builtin) VALUES ($1, $2, $3, $4)"
                " RETURNING cat_str_id, name, title, description, builtin, created_at",
                name,
                title,
                description,
                builtin,
            )
    except asyncpg.UniqueViolationError as error:
        raise StrategyNameTaken from error
    assert row is not None
    await connection.executemany(
        _INSERT_PARAMETER,
        [
            (
                row["cat_str_id"],
                each.name,
                position,
                each.kind.value,
                each.default,
                each.minimum,
                each.maximum,
                each.choices,
                each.description,
            )
            for position, each in enumerate(known)
        ],
    )
    return CatalogueStrategy(*row)


async def delete(connection: Connection, cat_str_id: int) -> None:
    """Take a strategy out of the catalogue.

    Raises:
        CatalogueStrategyNotFound, StrategyIsBuiltIn, StrategyInUse: it cannot be done.
    """
    if (await get(connection, cat_str_id)).builtin:
        raise StrategyIsBuiltIn
    users = await connection.fetchval("SELECT count(*) FROM strategies WHERE cat_str_id = $1", cat_str_id)
    if users:
        raise StrategyInUse(users)
    await connection.execute("DELETE FROM cat_strategies WHERE cat_str_id = $1", cat_str_id)


async def put_builtin(connection: Connection) -> int:
    """Enter what comes with the platform and is not there yet; says how many."""
    present = {each.name for each in await listing(connection)}
    missing = BUILTIN.keys() - present
    for name in sorted(missing):
        title, description, known = BUILTIN[name]
        await add(connection, name, title, description, known, builtin=True)
    return len(missing)
