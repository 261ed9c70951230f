"""Fills that a venue reports, taken in once each, however often and by whichever way they are learned.

A fill belongs to the order of its account that the venue knows by the fill's order id; else to the one whose client
order id it carries, as long as that order is not yet known at the venue by another id. Every other fill was not caused
by an order of ours, or is known before its order is: it is stored without one, and goes to its order as soon as that is
seen (:mod:`fullon.orders.venue_orders`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fullon.kernel.clock import Clock
from fullon.kernel.ids import new_id
from fullon.orders import ledger, venue_orders
from fullon.orders.model import Fill, FillSource, Order, Side
from fullon.venues.account import Account
from fullon.venues.account_data import VenueFill

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection


async def take(connection: Connection, clock: Clock, account: Account, fills: Sequence[VenueFill]) -> list[Fill]:
    """Take in fills of an account, in any order; those that are known already change nothing.

    Their orders get what is filled, what it cost, and the state that follows from it. Lots and trades are kept, and
    subscribers are told, in the same transaction.

    Args:
        connection: in a transaction.

    Returns:
        The new ones, as they are stored.
    """
    assert connection.is_in_transaction(), "fills, orders and lots are written together"
    if not fills:
        return []
    symbols = await symbol_ids(connection, account, {fill.symbol for fill in fills})
    orders = await venue_orders.lock(connection, account.ex_id, fills)
    theirs = list(_matched(orders, fills))
    new = await ledger.record(
        connection, clock.now(), [_fill(account, symbols[fill.symbol], fill, order) for fill, order in theirs]
    )
    as_locked = {order.order_id: order for order in orders}
    touched = {order.order_id: fill.venue_order_id for fill, order in theirs if order is not None}
    for order_id, venue_order_id in touched.items():
        await venue_orders.settle(connection, clock, as_locked[order_id], venue_order_id=venue_order_id)
    await venue_orders.announce(connection, clock, new)
    return new


async def symbol_ids(connection: Connection, account: Account, names: Iterable[str]) -> dict[str, int]:
    """The symbols' ids in the catalogue of the account's venue; one that is not there is entered, not in use."""
    wanted = sorted(set(names))
    find = "SELECT symbol, symbol_id FROM symbols WHERE cat_ex_id = $1 AND symbol = ANY($2)"
    found = {row["symbol"]: row["symbol_id"] for row in await connection.fetch(find, account.cat_ex_id, wanted)}
    missing = [name for name in wanted if name not in found]
    for name in missing:
        base, _, rest = name.partition("/")
        await connection.execute(
            "INSERT INTO symbols (cat_ex_id, symbol, base, quote, active) VALUES ($1, $2, $3, $4, false)"
            " ON CONFLICT (cat_ex_id, symbol) DO NOTHING",
            account.cat_ex_id,
            name,
            base,
            rest.partition(":")[0],
        )
    if missing:
        found |= {row["symbol"]: row["symbol_id"] for row in await connection.fetch(find, account.cat_ex_id, missing)}
    return found


def _matched(orders: Iterable[Order], fills: Sequence[VenueFill]) -> Iterator[tuple[VenueFill, Order | None]]:
    """Each fill with its order; the first one that names an id of the venue decides by which the order is known."""
    known = {order.order_id: order for order in orders}
    for fill in fills:
        order = venue_orders.which(known.values(), fill)
        if order is not None and order.venue_order_id is None:
            known[order.order_id] = replace(order, venue_order_id=fill.venue_order_id)
        yield fill, order


def _fill(account: Account, symbol_id: int, fill: VenueFill, order: Order | None) -> Fill:
    return Fill(
        fill_id=new_id(),
        uid=account.uid,
        ex_id=account.ex_id,
        order_id=None if order is None else order.order_id,
        bot_id=None if order is None else order.bot_id,
        symbol_id=symbol_id,
        symbol=fill.symbol,
        side=Side(fill.side),
        venue_trade_id=fill.venue_trade_id,
        venue_order_id=fill.venue_order_id,
        price=fill.price,
        volume=fill.volume,
        fee=fill.fee,
        fee_currency=fill.fee_currency,
        maker=fill.maker,
        fee_quote=None,
        source=FillSource.VENUE,
        at=fill.at,
    )
