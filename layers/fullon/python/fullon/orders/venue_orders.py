"""What venues say of orders, brought together with the orders that are kept.

An order of a venue is ours when the venue's id or the client order id says so: a client order id is written down before
anything is sent, so one that is not known here was not made here. Such an order is entered as *external* and stays its
own; it is never taken for one of ours, whatever else they have in common.

What is filled never becomes less, and what has ended stays so, in whatever order the news comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from fullon import outbox
from fullon.kernel.clock import Clock
from fullon.orders import fill_data, fill_store, ledger, order_store, states
from fullon.orders.errors import OrderKnown
from fullon.orders.model import Fill, NewOrder, Order, OrderStatus, OrderType, Origin, Side
from fullon.venues.account import Account
from fullon.venues.account_data import VenueOrder

if TYPE_CHECKING:
    from uuid import UUID

    from fullon.orders.fill_store import Connection

ACTOR = "account"
FILLS_CHANNEL = "fills"

_LOCK = f"""
SELECT {order_store.COLUMNS} FROM orders
WHERE ex_id = $1 AND NOT dry_run AND (client_order_id = ANY($4)
    OR (symbol, venue_order_id) IN (SELECT * FROM unnest($2::text[], $3::text[])))
ORDER BY order_id FOR UPDATE
"""  # noqa: S608 - a constant list of columns
_FILLED = (
    "SELECT coalesce(sum(volume), 0), coalesce(sum(price * volume), 0) FROM fills WHERE uid = $1 AND order_id = $2"
)


class Stated(Protocol):
    """What a venue says of an order, or of a trade of one, that tells which."""

    @property
    def symbol(self) -> str: ...

    @property
    def venue_order_id(self) -> str | None: ...

    @property
    def client_order_id(self) -> str | None: ...


async def lock(connection: Connection, ex_id: UUID, stated: Sequence[Stated]) -> list[Order]:
    """The orders of an account that ``stated`` may be of; nobody else changes them until the transaction ends."""
    rows = await connection.fetch(
        _LOCK,
        ex_id,
        [each.symbol for each in stated],
        [each.venue_order_id for each in stated],
        [each.client_order_id for each in stated if each.client_order_id is not None],
    )
    return [order_store.of_row(row) for row in rows]


def which(orders: Iterable[Order], stated: Stated) -> Order | None:
    """The order among ``orders`` that ``stated`` is of.

    The venue's id decides. A client order id alone is no proof where a venue lets it be used twice: it counts until the
    order is known by an id of the venue.
    """
    theirs = [order for order in orders if order.symbol == stated.symbol]
    if stated.venue_order_id is not None:
        for order in theirs:
            if order.venue_order_id == stated.venue_order_id:
                return order
    if stated.client_order_id is not None:
        for order in theirs:
            if order.client_order_id == stated.client_order_id and order.venue_order_id is None:
                return order
    return None


async def see(connection: Connection, clock: Clock, account: Account, stated: VenueOrder, symbol_id: int) -> Order:
    """Take note of an order as its venue states it; one that was not made here is entered as external.

    Args:
        connection: in a transaction.
        symbol_id: of its symbol in the catalogue.
    """
    order = which(await lock(connection, account.ex_id, [stated]), stated)
    if order is None:
        try:
            order = await _enter(connection, clock, account, stated, symbol_id, stated.client_order_id)
        except OrderKnown:
            order = which(await lock(connection, account.ex_id, [stated]), stated)
            if order is None:  # its client order id is that of another order
                order = await _enter(connection, clock, account, stated, symbol_id, None)
    return await settle(connection, clock, order, venue_order_id=stated.venue_order_id, stated=stated)


async def settle(
    connection: Connection,
    clock: Clock,
    order: Order,
    *,
    venue_order_id: str | None = None,
    stated: VenueOrder | None = None,
    actor: str = ACTOR,
) -> Order:
    """Bring an order to what its fills and its venue say; fills that were known before it are its own from now on.

    Args:
        connection: in a transaction.
        order: as it is, locked.
        venue_order_id: what the venue knows it by, if that is news.
    """
    known_as = order.venue_order_id or venue_order_id
    if known_as is not None:
        await _adopt(connection, clock, order, known_as)
    row = await connection.fetchrow(_FILLED, order.uid, order.order_id)
    assert row is not None
    counted = [(order.filled, order.cost), (row[0], round(row[1], 18))]
    if stated is not None and stated.cost is not None:
        counted.append((stated.filled, stated.cost))
    filled, cost = max(counted)
    to = _state(order, filled, stated)
    if (to, filled, cost, known_as) == (order.status, order.filled, order.cost, order.venue_order_id):
        return order
    if order.status is OrderStatus.NEW and to is not OrderStatus.NEW:
        # Given up as absent, and there after all: it must not be sent again.
        order = await order_store.move(
            connection, clock, order, OrderStatus.SUBMITTED, actor=actor, message="Found at the venue after all."
        )
    return await order_store.move(
        connection,
        clock,
        order,
        to,
        actor=actor,
        reason=_REASONS.get(to) if to is not order.status else None,
        venue_order_id=known_as,
        filled=filled,
        cost=cost,
        look_after=order.look_after if to is order.status else None,
    )


async def announce(connection: Connection, clock: Clock, fills: Iterable[Fill]) -> None:
    """Tell subscribers of fills."""
    for fill in fills:
        await outbox.put(connection, clock, fill.uid, FILLS_CHANNEL, str(fill.fill_id), fill_data.data_of(fill))


async def _adopt(connection: Connection, clock: Clock, order: Order, venue_order_id: str) -> None:
    rows = await connection.fetch(
        f"SELECT {fill_store.COLUMNS} FROM fills"  # noqa: S608 - a constant list of columns
        " WHERE uid = $1 AND ex_id = $2 AND symbol = $3 AND venue_order_id = $4 AND order_id IS NULL",
        order.uid,
        order.ex_id,
        order.symbol,
        venue_order_id,
    )
    if not rows:
        return
    await ledger.adopt(
        connection,
        order.uid,
        order.ex_id,
        order.symbol,
        venue_order_id,
        order_id=order.order_id,
        bot_id=order.bot_id,
    )
    found = [fill_store.of_row(row) for row in rows]
    await announce(connection, clock, [replace(fill, order_id=order.order_id, bot_id=order.bot_id) for fill in found])


_REASONS = {OrderStatus.REJECTED: "The venue rejected it.", OrderStatus.EXPIRED: "It expired at the venue."}
_ENDINGS = {
    "canceled": OrderStatus.CANCELED,
    "rejected": OrderStatus.REJECTED,
    "expired": OrderStatus.EXPIRED,
    "filled": OrderStatus.FILLED,
}


def _state(order: Order, filled: Decimal, stated: VenueOrder | None) -> OrderStatus:
    """The state that follows; one that is not reachable any more is old news."""
    if order.status.has_ended:
        return order.status
    if stated is None:
        return states.reached(filled, order.volume) if filled else order.status
    wanted = _ENDINGS.get(stated.state) or states.reached(filled, order.volume)
    if wanted is OrderStatus.REJECTED and filled:
        wanted = OrderStatus.CANCELED
    present = OrderStatus.SUBMITTED if order.status is OrderStatus.NEW else order.status
    return wanted if wanted is present or wanted in states.WAYS[present] else order.status


async def _enter(
    connection: Connection,
    clock: Clock,
    account: Account,
    stated: VenueOrder,
    symbol_id: int,
    client_order_id: str | None,
) -> Order:
    return await order_store.add(
        connection,
        clock,
        NewOrder(
            uid=account.uid,
            ex_id=account.ex_id,
            symbol_id=symbol_id,
            symbol=stated.symbol,
            side=Side(stated.side),
            order_type=_kind(stated),
            volume=stated.volume,
            price=stated.price if _kind(stated).has_price else None,
            stop_price=stated.stop_price if _kind(stated).has_stop else None,
            purpose="external",
            origin=Origin.EXTERNAL,
            status=_ENDINGS.get(stated.state) or states.reached(stated.filled, stated.volume),
            client_order_id=client_order_id or f"venue:{stated.symbol}:{stated.venue_order_id}"[:64],
            venue_order_id=stated.venue_order_id,
            filled=stated.filled,
            cost=stated.cost or Decimal(0),
        ),
        actor=ACTOR,
        message="Placed elsewhere, found at the venue.",
    )


def _kind(stated: VenueOrder) -> OrderType:
    """The nearest of our types: a limit without a price, or a stop without one, is stated as what it does."""
    kind = OrderType(stated.kind)
    if kind.has_stop and stated.stop_price is None:
        kind = OrderType.LIMIT if kind is OrderType.STOP_LIMIT else OrderType.MARKET
    if kind.has_price and stated.price is None:
        kind = OrderType.STOP if kind is OrderType.STOP_LIMIT else OrderType.MARKET
    return kind
