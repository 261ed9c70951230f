"""The catalogue in PostgreSQL: venues and their symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from fullon.kernel.errors import Conflict
from fullon.venues.errors import UnknownSymbol, UnknownVenue
from fullon.venues.model import Market, Symbol, Venue

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

_VENUE = "SELECT cat_ex_id, name, ccxt_id, title, active, paper, params FROM cat_exchanges"
_SYMBOL = """
SELECT s.symbol_id, s.cat_ex_id, e.name AS exchange, s.symbol, s.base, s.quote, s.settle, s.futures,
    s.price_decimals, s.quantity_decimals, s.tick_size, s.step_size, s.min_quantity, s.min_notional,
    s.updateframe, s.backtest, s.only_ticker, s.active, s.created_at, s.updated_at
FROM symbols s JOIN cat_exchanges e USING (cat_ex_id)
"""
_PAIRS = """
SELECT s.symbol, s.base, s.quote, array_agg(e.name ORDER BY e.name) AS exchanges
FROM symbols s JOIN cat_exchanges e USING (cat_ex_id)
WHERE s.active AND e.active AND s.symbol > $1 COLLATE "C"
GROUP BY s.symbol, s.base, s.quote ORDER BY s.symbol COLLATE "C", s.base, s.quote LIMIT $2
"""
#: Columns of a symbol that a caller may set.
WRITABLE = (
    "symbol",
    "base",
    "quote",
    "settle",
    "futures",
    "price_decimals",
    "quantity_decimals",
    "tick_size",
    "step_size",
    "min_quantity",
    "min_notional",
    "updateframe",
    "backtest",
    "only_ticker",
    "active",
)
_MARKET_COLUMNS = (
    "symbol",
    "base",
    "quote",
    "settle",
    "futures",
    "price_decimals",
    "quantity_decimals",
    "tick_size",
    "step_size",
    "min_quantity",
    "min_notional",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A symbol, and the venues that have it."""

    symbol: str
    base: str
    quote: str
    exchanges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SymbolChanges:
    """What a refresh from the venue did: symbols added, changed, and of these taken out of use."""

    added: int
    changed: int
    deactivated: int


async def venues(connection: Connection) -> list[Venue]:
    """The whole catalogue, by name."""
    return [_venue(row) for row in await connection.fetch(f"{_VENUE} ORDER BY name")]


async def venue(connection: Connection, cat_ex_id: int) -> Venue:
    """One venue.

    Raises:
        UnknownVenue: there is none.
    """
    row = await connection.fetchrow(f"{_VENUE} WHERE cat_ex_id = $1", cat_ex_id)
    if row is None:
        raise UnknownVenue
    return _venue(row)


async def venue_by_name(connection: Connection, name: str) -> Venue:
    """One venue by its name, whatever its case.

    Raises:
        UnknownVenue: there is none.
    """
    row = await connection.fetchrow(f"{_VENUE} WHERE name = lower($1)", name)
    if row is None:
        raise UnknownVenue
    return _venue(row)


async def put_venue(connection: Connection, new: Venue) -> int:
    """Add a venue, or bring the one of that name to these values except ``active``; returns its id."""
    found = await connection.fetchval(
        "INSERT INTO cat_exchanges (name, ccxt_id, title, active, paper, params) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (name) DO UPDATE SET ccxt_id = excluded.ccxt_id, title = excluded.title,"
        " paper = excluded.paper, params = excluded.params RETURNING cat_ex_id",
        new.name,
        new.ccxt_id,
        new.title,
        new.active,
        new.paper,
        orjson.dumps(new.params).decode(),
    )
    return int(found)


async def switch_venue(connection: Connection, cat_ex_id: int, *, active: bool) -> Venue:
    """Switch a venue on or off.

    Raises:
        UnknownVenue: there is none with this id.
    """
    await connection.execute("UPDATE cat_exchanges SET active = $2 WHERE cat_ex_id = $1", cat_ex_id, active)
    return await venue(connection, cat_ex_id)


async def active_symbols(connection: Connection) -> list[tuple[Venue, list[Symbol]]]:
    """What is to be collected: active venues that have active symbols, with these."""
    rows = await connection.fetch(f"{_SYMBOL} WHERE s.active AND e.active ORDER BY s.cat_ex_id, s.symbol")
    found: dict[int, list[Symbol]] = {}
    for row in rows:
        found.setdefault(row["cat_ex_id"], []).append(_symbol(row))
    return [(each, found[each.cat_ex_id]) for each in await venues(connection) if each.cat_ex_id in found]


async def symbol(connection: Connection, symbol_id: int) -> Symbol:
    """One symbol.

    Raises:
        UnknownSymbol: there is none.
    """
    row = await connection.fetchrow(f"{_SYMBOL} WHERE s.symbol_id = $1", symbol_id)
    if row is None:
        raise UnknownSymbol
    return _symbol(row)


async def symbols_of(
    connection: Connection, cat_ex_id: int, *, active: bool | None = None, after: str = "", limit: int | None = None
) -> list[Symbol]:
    """A venue's symbols by name, those after the name ``after``."""
    rows = await connection.fetch(
        f"{_SYMBOL} WHERE s.cat_ex_id = $1 AND ($2::boolean IS NULL OR s.active = $2) AND s.symbol > $3"
        ' COLLATE "C" ORDER BY s.symbol COLLATE "C" LIMIT $4',
        cat_ex_id,
        active,
        after,
        limit,
    )
    return [_symbol(row) for row in rows]


async def search_symbols(
    connection: Connection, text: str, *, after: tuple[str, int] = ("", 0), limit: int = 50
) -> list[Symbol]:
    """Symbols whose name contains ``text``, whatever its case, after the symbol and id ``after``."""
    pattern = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    rows = await connection.fetch(
        f"{_SYMBOL} WHERE s.symbol ILIKE '%' || $1 || '%' AND (s.symbol COLLATE \"C\", s.symbol_id) > ($2, $3)"
        ' ORDER BY s.symbol COLLATE "C", s.symbol_id LIMIT $4',
        pattern,
        *after,
        limit,
    )
    return [_symbol(row) for row in rows]


async def symbols_named(connection: Connection, name: str) -> list[Symbol]:
    """The symbol ``name`` at every venue that has it, by venue."""
    return [_symbol(row) for row in await connection.fetch(f"{_SYMBOL} WHERE s.symbol = $1 ORDER BY e.name", name)]


async def pairs(connection: Connection, *, after: str = "", limit: int = 50) -> list[Pair]:
    """What active venues trade, by name, those after the name ``after``."""
    rows = await connection.fetch(_PAIRS, after, limit)
    return [Pair(row["symbol"], row["base"], row["quote"], tuple(row["exchanges"])) for row in rows]


async def add_symbol(connection: Connection, cat_ex_id: int, values: Mapping[str, Any]) -> Symbol:
    """Add a symbol to a venue.

    Args:
        values: some of ``WRITABLE``; the rest takes its default.

    Raises:
        UnknownVenue: there is no such venue.
        Conflict: the venue has this symbol already.
    """
    import asyncpg

    columns = ["cat_ex_id", *_known(values)]
    marks = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    try:
        symbol_id = await connection.fetchval(
            f"INSERT INTO symbols ({', '.join(columns)}) VALUES ({marks}) RETURNING symbol_id",  # noqa: S608 - _known
            cat_ex_id,
            *values.values(),
        )
    except asyncpg.UniqueViolationError as error:
        raise Conflict("This exchange has this symbol already.", symbol=values["symbol"]) from error
    except asyncpg.ForeignKeyViolationError as error:
        raise UnknownVenue from error
    return await symbol(connection, int(symbol_id))


async def change_symbol(connection: Connection, symbol_id: int, values: Mapping[str, Any]) -> Symbol:
    """Change some columns of a symbol.

    Raises:
        UnknownSymbol: there is none.
        Conflict: the venue has another symbol of the new name.
    """
    import asyncpg

    if values:
        changes = ", ".join(f"{column} = ${place}" for place, column in enumerate(_known(values), start=2))
        try:
            await connection.execute(
                f"UPDATE symbols SET {changes}, updated_at = now() WHERE symbol_id = $1",  # noqa: S608 - _known
                symbol_id,
                *values.values(),
            )
        except asyncpg.UniqueViolationError as error:
            raise Conflict("This exchange has this symbol already.", symbol=values["symbol"]) from error
    return await symbol(connection, symbol_id)


async def put_markets(connection: Connection, cat_ex_id: int, markets: Sequence[Market]) -> SymbolChanges:
    """Bring a venue's symbols to what the venue says of them; call it in a transaction.

    Precision and rules follow the venue. New symbols are added inactive, and one that the venue lists no more, or has
    closed, becomes inactive: what is collected is decided here, not there.
    """
    known = {each.symbol: each for each in await symbols_of(connection, cat_ex_id)}
    listed = {market.symbol: market for market in markets}
    new = [market for name, market in listed.items() if name not in known]
    await connection.executemany(
        f"INSERT INTO symbols (cat_ex_id, active, {', '.join(_MARKET_COLUMNS)})"  # noqa: S608 - a constant
        f" VALUES ($1, false, {', '.join(f'${place}' for place in range(2, 2 + len(_MARKET_COLUMNS)))})",
        [(cat_ex_id, *(getattr(market, column) for column in _MARKET_COLUMNS)) for market in new],
    )
    changed = gone = 0
    for name, present in known.items():
        market = listed.get(name)
        if market is None or not market.active:
            wanted: dict[str, Any] = {"active": False}
            gone += present.active
        else:
            wanted = {column: getattr(market, column) for column in _MARKET_COLUMNS}
        different = {column: value for column, value in wanted.items() if value not in (None, getattr(present, column))}
        if different:
            await change_symbol(connection, present.symbol_id, different)
            changed += 1
    return SymbolChanges(len(new), changed, gone)


def _known(values: Mapping[str, Any]) -> list[str]:
    """The names of ``values``, which become part of a statement and so must be of the list."""
    unknown = set(values) - set(WRITABLE)
    if unknown:
        raise ValueError(f"not columns of a symbol: {sorted(unknown)}")
    return list(values)


def _venue(row: Any) -> Venue:
    return Venue(
        row["cat_ex_id"],
        row["name"],
        row["ccxt_id"],
        row["title"],
        row["active"],
        row["paper"],
        orjson.loads(row["params"]),
    )


def _symbol(row: Any) -> Symbol:
    return Symbol(**dict(row))
