"""Orders in PostgreSQL. What a user asks for names the owner; what a daemon asks for names the account.

Every change goes through :func:`add`, :func:`move` or :func:`request_cancel`, which write the order, a line of its
history and its announcement together. A change is refused when the order is not as it was read, so of two writers one
reads again; and when a leader of a higher fence has written to it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from fullon import outbox
from fullon.kernel.clock import Clock
from fullon.kernel.ids import new_id
from fullon.orders import states
from fullon.orders.client_ids import client_order_id as id_of_attempt
from fullon.orders.errors import DuplicateReference, OlderFence, OrderKnown, OrderNotFound, StaleOrder
from fullon.orders.model import ALIVE, NewOrder, Order, OrderEvent, OrderStatus, OrderType, Origin, Side
from fullon.orders.order_data import data_of
from fullon.orders.selection import OrderSelection

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection

CHANNEL = "orders"

_NAMES = tuple(field.name for field in fields(Order))
COLUMNS = ", ".join(_NAMES)
_INSERT = f"""
INSERT INTO orders (order_id, uid, ex_id, bot_id, symbol_id, symbol, side, order_type, volume, price, stop_price,
    leverage, purpose, origin, dry_run, client_order_id, reference, venue_order_id, status, filled, cost, created_at,
    updated_at, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $22, $23)
RETURNING {COLUMNS}
"""  # noqa: S608 - a constant list of columns
_MOVE = f"""
UPDATE orders SET status = $3, updated_at = $4, ended_at = $5, reason = $6, look_after = $7,
    fence = coalesce($8, fence), venue_order_id = coalesce($9, venue_order_id), attempt = coalesce($10, attempt),
    client_order_id = coalesce($11, client_order_id), sent_at = coalesce($12, sent_at),
    filled = coalesce($13, filled), cost = coalesce($14, cost), version = version + 1
WHERE order_id = $1 AND version = $2 AND ($8::bigint IS NULL OR fence IS NULL OR fence <= $8)
RETURNING {COLUMNS}
"""  # noqa: S608 - a constant list of columns
_WAITING = """
SELECT DISTINCT ex_id FROM orders
WHERE status IN ('new', 'submitted', 'open', 'partially_filled', 'unknown')
    AND (status IN ('new', 'submitted', 'unknown') OR cancel_requested_at IS NOT NULL)
ORDER BY ex_id
"""


def of_row(row: Any) -> Order:
    """The order of a row that has :data:`COLUMNS`."""
    values = {name: row[name] for name in _NAMES}
    return Order(
        **{
            **values,
            "side": Side(row["side"]),
            "order_type": OrderType(row["order_type"]),
            "origin": Origin(row["origin"]),
            "status": OrderStatus(row["status"]),
        }
    )


async def add(
    connection: Connection, clock: Clock, intent: NewOrder, *, actor: str | None = None, message: str = ""
) -> Order:
    """Enter an order, the first line of its history and its announcement.

    Args:
        connection: in a transaction.
        actor: who does it; the owner when left out.

    Raises:
        DuplicateReference: the account has an order with this reference; it is named.
        OrderKnown: the account has an order with this client order id, or this id of the venue.
    """
    order_id, now = new_id(), clock.now()
    try:
        async with connection.transaction():
            row = await connection.fetchrow(
                _INSERT,
                order_id,
                intent.uid,
                intent.ex_id,
                intent.bot_id,
                intent.symbol_id,
                intent.symbol,
                intent.side.value,
                intent.order_type.value,
                intent.volume,
                intent.price,
                intent.stop_price,
                intent.leverage,
                intent.purpose,
                intent.origin.value,
                intent.dry_run,
                intent.client_order_id or id_of_attempt(intent.uid, intent.ex_id, order_id, 1),
                intent.reference,
                intent.venue_order_id,
                intent.status.value,
                intent.filled,
                intent.cost,
                now,
                now if intent.status.has_ended else None,
            )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "orders_reference_unique":
            raise OrderKnown from error
        assert intent.reference is not None
        first = await connection.fetchval(
            "SELECT order_id FROM orders WHERE uid = $1 AND ex_id = $2 AND reference = $3",
            intent.uid,
            intent.ex_id,
            intent.reference,
        )
        raise DuplicateReference(first, intent.reference) from error
    order = of_row(row)
    await _tell(connection, clock, order, actor or str(intent.uid), message)
    return order


async def get(connection: Connection, uid: UUID, order_id: UUID, *, lock: bool = False) -> Order:
    """An order of ``uid``.

    Raises:
        OrderNotFound: they have none with this id.
    """
    row = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM orders WHERE uid = $1 AND order_id = $2" + (" FOR UPDATE" if lock else ""),  # noqa: S608
        uid,
        order_id,
    )
    if row is None:
        raise OrderNotFound
    return of_row(row)


async def find(
    connection: Connection, uid: UUID, selection: OrderSelection, cursor: tuple[datetime, UUID] | None, limit: int
) -> list[Order]:
    """Orders of a selection, newest first; ``cursor`` is time and id of the last of the page before."""
    assert selection.uid == uid, "a selection is of the user who asks"
    where, values = selection.where()
    if cursor is not None:
        where += f" AND (created_at, order_id) < (${len(values) + 1}, ${len(values) + 2})"
        values += cursor
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM orders WHERE {where}"  # noqa: S608 - constants
        f" ORDER BY created_at DESC, order_id DESC LIMIT ${len(values) + 1}",
        *values,
        limit,
    )
    return [of_row(row) for row in rows]


async def events(connection: Connection, uid: UUID, order_id: UUID) -> list[OrderEvent]:
    """The history of an order of ``uid``, oldest first; nothing of an order that is not theirs."""
    rows = await connection.fetch(
        "SELECT e.event_id, e.order_id, e.at, e.status, e.actor, e.message FROM order_events e"
        " JOIN orders o USING (order_id) WHERE o.uid = $1 AND e.order_id = $2 ORDER BY e.event_id",
        uid,
        order_id,
    )
    return [OrderEvent(**{**dict(row), "status": OrderStatus(row["status"])}) for row in rows]


async def move(
    connection: Connection,
    clock: Clock,
    order: Order,
    to: OrderStatus,
    *,
    actor: str,
    reason: str | None = None,
    message: str = "",
    fence: int | None = None,
    venue_order_id: str | None = None,
    attempt: int | None = None,
    client_order_id: str | None = None,
    sent_at: datetime | None = None,
    look_after: datetime | None = None,
    filled: Decimal | None = None,
    cost: Decimal | None = None,
) -> Order:
    """Bring an order to a state, with what is known of it there, or change what is known of it in its state.

    Args:
        connection: in a transaction.
        order: as it was read.
        reason: one plain sentence; that of another state is not kept.
        message: for the history of the order.
        fence: of the leader that does it; kept with the order.
        look_after: when the venue is to be asked; that of another time is not kept.
        venue_order_id, attempt, client_order_id, sent_at, filled, cost: kept as they are when left out.

    Raises:
        IllegalTransition: there is no such way.
        StaleOrder: it has changed since it was read.
        OlderFence: a leader of a higher fence has written to it.
        OrderKnown: another order of the account has this client order id, or this id of the venue.
    """
    states.check(order.status, to)
    stays = to is order.status
    now = clock.now()
    try:
        async with connection.transaction():
            row = await connection.fetchrow(
                _MOVE,
                order.order_id,
                order.version,
                to.value,
                now,
                (order.ended_at if stays else now) if to.has_ended else None,
                order.reason if reason is None and stays else reason,
                look_after,
                fence,
                venue_order_id,
                attempt,
                client_order_id,
                sent_at,
                filled,
                cost,
            )
    except asyncpg.UniqueViolationError as error:
        raise OrderKnown from error
    if row is None:
        raise await _refusal(connection, order.order_id, fence)
    moved = of_row(row)
    await _tell(connection, clock, moved, actor, message)
    return moved


async def request_cancel(connection: Connection, clock: Clock, uid: UUID, order_id: UUID, actor: str) -> Order:
    """Ask for the end of an order of ``uid``: at once if nothing was sent, else its venue is asked to.

    Asking again changes nothing, nor does asking for a canceled order.

    Args:
        connection: in a transaction.

    Raises:
        OrderNotFound: they have none with this id.
        IllegalTransition: it ended otherwise.
    """
    order = await get(connection, uid, order_id, lock=True)
    if order.status is OrderStatus.CANCELED:
        return order
    if order.status.has_ended:
        raise states.IllegalTransition(order.status, OrderStatus.CANCELED)
    if order.cancel_requested_at is None:
        row = await connection.fetchrow(
            "UPDATE orders SET cancel_requested_at = $3, updated_at = $3, version = version + 1"  # noqa: S608 - constant
            f" WHERE uid = $1 AND order_id = $2 RETURNING {COLUMNS}",
            uid,
            order_id,
            clock.now(),
        )
        order = of_row(row)
        if order.status is not OrderStatus.NEW:
            await _tell(connection, clock, order, actor, "The end of the order was asked for.")
    if order.status is OrderStatus.NEW:
        return await move(
            connection, clock, order, OrderStatus.CANCELED, actor=actor, message="Canceled before it was sent."
        )
    return order


async def for_account(connection: Connection, ex_id: UUID, *, statuses: Collection[OrderStatus] = ALIVE) -> list[Order]:
    """Orders of an account in some states, oldest first."""
    rows = await connection.fetch(
        f"SELECT {COLUMNS} FROM orders WHERE ex_id = $1 AND status = ANY($2::text[]) ORDER BY created_at, order_id",  # noqa: S608
        ex_id,
        [status.value for status in statuses],
    )
    return [of_row(row) for row in rows]


async def at_venue(
    connection: Connection,
    ex_id: UUID,
    *,
    symbol: str | None = None,
    venue_order_id: str | None = None,
    client_order_id: str | None = None,
) -> Order | None:
    """The order of an account that its venue knows by ``client_order_id``, or in a symbol by ``venue_order_id``."""
    row = await connection.fetchrow(
        f"SELECT {COLUMNS} FROM orders WHERE ex_id = $1"  # noqa: S608 - constant
        " AND (client_order_id = $2 OR (symbol = $3 AND venue_order_id = $4)) ORDER BY created_at LIMIT 1",
        ex_id,
        client_order_id,
        symbol,
        venue_order_id,
    )
    return None if row is None else of_row(row)


async def waiting_accounts(connection: Connection) -> list[UUID]:
    """Accounts with orders that somebody must act on: to be sent, of unknown fate, or to be canceled."""
    return [row["ex_id"] for row in await connection.fetch(_WAITING)]


async def changed_at(connection: Connection, ex_id: UUID) -> datetime | None:
    """When the orders of an account that are not on paper last changed; None without any."""
    found: datetime | None = await connection.fetchval(
        "SELECT max(updated_at) FROM orders WHERE ex_id = $1 AND NOT dry_run", ex_id
    )
    return found


async def _refusal(
    connection: Connection, order_id: UUID, fence: int | None
) -> OlderFence | StaleOrder | OrderNotFound:
    row = await connection.fetchrow("SELECT fence FROM orders WHERE order_id = $1", order_id)
    if row is None:
        return OrderNotFound()
    if fence is not None and row["fence"] is not None and row["fence"] > fence:
        return OlderFence()
    return StaleOrder()


async def _tell(connection: Connection, clock: Clock, order: Order, actor: str, message: str) -> None:
    await connection.execute(
        "INSERT INTO order_events (order_id, at, status, actor, message) VALUES ($1, $2, $3, $4, $5)",
        order.order_id,
        order.updated_at,
        order.status.value,
        actor,
        message,
    )
    await outbox.put(connection, clock, order.uid, CHANNEL, str(order.order_id), data_of(order))
