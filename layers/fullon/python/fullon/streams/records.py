"""Present records of a user, for snapshots of the channels whose changes come through the outbox; from PostgreSQL.

What changes while a snapshot is read comes after it as an update, and may be in it already.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from fullon.bots.bot_data import data_of
from fullon.bots.model import Bot
from fullon.orders import fill_data, fill_store, order_data, order_store
from fullon.orders.model import ALIVE
from fullon.streams.model import BOTS, FILLS, ORDERS, Topics

if TYPE_CHECKING:
    from fullon.streams.store import Connection

#: How many of the newest a snapshot holds.
MOST_ORDERS = 500
MOST_FILLS = 50
MOST_BOTS = 1_000

_ORDERS = f"""
SELECT {order_store.COLUMNS} FROM orders
WHERE uid = $1 AND ($2::uuid IS NULL OR ex_id = $2 OR bot_id = $2) AND status = ANY($3::text[])
ORDER BY created_at DESC, order_id DESC LIMIT $4
"""  # noqa: S608 - a constant list of columns
_FILLS = f"""
SELECT {fill_store.COLUMNS} FROM fills WHERE uid = $1 AND ($2::uuid IS NULL OR ex_id = $2 OR bot_id = $2)
ORDER BY at DESC, fill_id DESC LIMIT $3
"""  # noqa: S608 - a constant list of columns
_BOTS = """
SELECT bot_id, uid, name, active, dry_run, note, created_at, updated_at, active_since FROM bots
WHERE uid = $1 AND ($2::uuid IS NULL OR bot_id = $2) ORDER BY bot_id LIMIT $3
"""


async def latest(connection: Connection, topics: Topics) -> dict[str, list[Any]]:
    """The present records of a key, oldest first: alive orders, the newest fills, all bots; none of other channels."""
    [key] = topics.keys
    reader = _READERS.get(topics.channel.name)
    return {key: [] if reader is None else await reader(connection, topics)}


async def _orders(connection: Connection, topics: Topics) -> list[Any]:
    alive = [status.value for status in ALIVE]
    rows = await connection.fetch(_ORDERS, topics.owner, topics.part, alive, MOST_ORDERS)
    return [order_data.data_of(order_store.of_row(row)) for row in reversed(rows)]


async def _fills(connection: Connection, topics: Topics) -> list[Any]:
    rows = await connection.fetch(_FILLS, topics.owner, topics.part, MOST_FILLS)
    return [fill_data.data_of(fill_store.of_row(row)) for row in reversed(rows)]


async def _bots(connection: Connection, topics: Topics) -> list[Any]:
    rows = await connection.fetch(_BOTS, topics.owner, topics.part, MOST_BOTS)
    return [data_of(Bot(**dict(row))) for row in rows]


_READERS: Mapping[str, Callable[[Connection, Topics], Awaitable[list[Any]]]] = {
    ORDERS.name: _orders,
    FILLS.name: _fills,
    BOTS.name: _bots,
}
