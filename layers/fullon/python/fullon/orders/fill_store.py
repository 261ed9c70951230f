"""Fills in PostgreSQL. Reading names the owner; writing is the ledger's, which keeps lots and trades in step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fullon.orders.errors import TradeNotFound
from fullon.orders.model import Fill, FillSource, Side
from fullon.orders.selection import Selection

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

_NAMES = tuple(field.name for field in fields(Fill))
COLUMNS = ", ".join(_NAMES)
#: The order in which fills of an account in a symbol count: time, then the venue's own numbering, whatever came first.
IN_ORDER = 'at, length(venue_trade_id), venue_trade_id COLLATE "C"'

_TYPES = {
    "fill_id": "uuid", "uid": "uuid", "ex_id": "uuid", "order_id": "uuid", "bot_id": "uuid", "symbol_id": "integer",
    "symbol": "text", "side": "text", "source": "text", "venue_trade_id": "text", "venue_order_id": "text",
    "price": "numeric", "volume": "numeric", "fee": "numeric", "fee_currency": "text", "fee_quote": "numeric",
    "maker": "boolean", "at": "timestamptz",
}  # fmt: skip
_INSERT = f"""
INSERT INTO fills ({COLUMNS}, recorded_at)
SELECT *, ${len(_NAMES) + 1}::timestamptz
FROM unnest({", ".join(f"${number}::{_TYPES[name]}[]" for number, name in enumerate(_NAMES, 1))})
ON CONFLICT ON CONSTRAINT fills_venue_trade_unique DO NOTHING RETURNING fill_id
"""  # noqa: S608 - constant lists of columns
_UPDATE = """
UPDATE fills SET side = $2, price = $3, volume = $4, fee = $5, fee_currency = $6, fee_quote = $7, at = $8
WHERE fill_id = $1
"""


def order(fill: Fill) -> tuple[datetime, int, str]:
    """:data:`IN_ORDER` as a key of a sort."""
    return fill.at, len(fill.venue_trade_id), fill.venue_trade_id


def of_row(row: Any) -> Fill:
    """The fill of a row that has :data:`COLUMNS`."""
    values = {name: row[name] for name in _NAMES}
    return Fill(**{**values, "side": Side(row["side"]), "source": FillSource(row["source"])})


async def insert(connection: Connection, recorded_at: datetime, fills: Sequence[Fill]) -> list[Fill]:
    """Enter those of ``fills`` that are not known by their venue's id, and say which they are."""
    columns = [[getattr(fill, name) for fill in fills] for name in _NAMES]
    new = {row["fill_id"] for row in await connection.fetch(_INSERT, *columns, recorded_at)}
    found = []
    for fill in fills:
        if fill.fill_id in new:
            new.discard(fill.fill_id)
            found.append(fill)
    return found


async def update(connection: Connection, fill: Fill) -> None:
    """Write what may be changed about a fill that was entered by hand."""
    await connection.execute(
        _UPDATE,
        fill.fill_id,
        fill.side.value,
        fill.price,
        fill.volume,
        fill.fee,
        fill.fee_currency,
        fill.fee_quote,
        fill.at,
    )


async def get(connection: Connection, uid: UUID, fill_id: UUID) -> Fill:
    """A fill of ``uid``.

    Raises:
        TradeNotFound: they have none with this id.
    """
    row = await connection.fetchrow(f"SELECT {COLUMNS} FROM fills WHERE uid = $1 AND fill_id = $2", uid, fill_id)  # noqa: S608 - constant
    if row is None:
        raise TradeNotFound
    return of_row(row)


async def listing(
    connection: Connection, selection: Selection, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Fill]:
    """Fills of a selection, newest first; ``before`` is the last of the page before."""
    where, values = selection.of_fills()
    if before is not None:
        where += f" AND (at, fill_id) < (${len(values) + 1}, ${len(values) + 2})"
        values += before
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM fills WHERE {where} ORDER BY at DESC, fill_id DESC LIMIT ${len(values) + 1}",  # noqa: S608 - constants
        *values,
        limit,
    )
    return [of_row(row) for row in rows]


def symbols_of(fills: Iterable[Fill]) -> list[int]:
    """The symbols that fills are of, each once."""
    return sorted({fill.symbol_id for fill in fills})
