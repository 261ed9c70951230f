"""Orders of dry runs: filled in full at the book as the ticker knows it, and never sent anywhere.

A market order gets the other side's best price. A limit order gets it too if it is as good when the order comes in,
else its own price as soon as the book touches it. A stop waits until the last trade reaches its price, and is a market
or a limit order from then on; ``sent_at`` is the moment from which an order meets the book. The fee is the venue's
published taker rate, in the quote currency.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fullon.kernel.clock import Clock
from fullon.kernel.ids import new_id
from fullon.kernel.retry import PASSING, Troubles, insist
from fullon.orders import ledger, order_store, venue_orders
from fullon.orders.errors import OrderNotFound, StaleOrder
from fullon.orders.leader import Leader
from fullon.orders.model import Fill, FillSource, Order, OrderStatus, Side
from fullon.orders.states import IllegalTransition
from fullon.venues.quotes import Tick

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection

#: Between two looks at the book while orders wait for it.
LOOK_SECONDS = 1.0
_ALIVE = f"""
SELECT {order_store.COLUMNS}, exchange FROM orders
JOIN (SELECT ex_id AS account, c.name AS exchange FROM exchanges JOIN cat_exchanges c USING (cat_ex_id)) accounts
    ON account = ex_id
WHERE dry_run AND status IN ('new', 'submitted', 'open', 'partially_filled', 'unknown')
ORDER BY created_at, order_id
"""  # noqa: S608 - a constant list of columns


def touch(side: Side, tick: Tick) -> Decimal:
    """The price at which the book takes an order: the best of the other side, else that of the last trade."""
    return (tick.ask if side is Side.BUY else tick.bid) or tick.price


def is_triggered(order: Order, tick: Tick) -> bool:
    """Whether an order meets the book: at once, or for a stop when the last trade has reached its price."""
    if order.stop_price is None or order.sent_at is not None:
        return True
    return tick.price >= order.stop_price if order.side is Side.BUY else tick.price <= order.stop_price


def fill_price(order: Order, tick: Tick) -> Decimal | None:
    """What an order that meets the book gets; None while the book does not touch it."""
    best = touch(order.side, tick)
    if order.price is None:
        return best
    if (best > order.price) if order.side is Side.BUY else (best < order.price):
        return None
    return best if order.sent_at is None else order.price


class DryRun:
    """Fills the orders of dry runs of all accounts.

    Args:
        connection: opens one to the platform database.
        tick: the latest of a venue's symbol.
        rate: a venue's taker rate.
        rung: set when there may be an order.
        progress: told of each order that was acted on.
    """

    def __init__(
        self,
        connection: Callable[[], AbstractAsyncContextManager[Connection]],
        leader: Leader,
        clock: Clock,
        tick: Callable[[str, str], Awaitable[Tick | None]],
        rate: Callable[[str], Awaitable[Decimal]],
        rung: asyncio.Event,
        troubles: Troubles,
        progress: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._leader = leader
        self._clock = clock
        self._tick = tick
        self._rate = rate
        self._rung = rung
        self._progress = progress
        self._outage = troubles.outage("the book for dry runs")

    async def run(self) -> None:
        """Work until cancelled.

        Raises:
            LeaseLost: another leads.
        """
        while True:
            self._rung.clear()
            for row in await insist(self._alive, self._outage):
                try:
                    await self._act(order_store.of_row(row), row["exchange"])
                except (StaleOrder, IllegalTransition, OrderNotFound):
                    continue  # it has changed since it was read
                except PASSING as error:
                    self._outage.failed(error)
                    break
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._rung.wait()
            except TimeoutError:
                continue

    async def _alive(self) -> list[Any]:
        async with self._connection() as connection:
            return list(await connection.fetch(_ALIVE))

    async def _act(self, order: Order, exchange: str) -> None:
        if order.cancel_requested_at is not None:
            await self._leader.change(order, OrderStatus.CANCELED)
            self._progress()
            return
        tick = await self._tick(exchange, order.symbol)
        if tick is None:
            return  # nothing is known of the book: the order waits
        now = self._clock.now()
        met = now if is_triggered(order, tick) else None
        price = fill_price(order, tick) if met else None
        if order.status is not OrderStatus.NEW and price is None and (met is None or order.sent_at is not None):
            return
        rate = await self._rate(exchange)
        async with self._leader.writing() as connection:
            if order.status is OrderStatus.NEW:
                order = await self._leader.move(connection, order, OrderStatus.SUBMITTED, attempt=1)
            if price is None:
                await self._leader.move(connection, order, OrderStatus.OPEN, sent_at=met)
            else:
                await self._fill(connection, order, price, rate, now)
        self._progress()

    async def _fill(self, connection: Connection, order: Order, price: Decimal, rate: Decimal, now: datetime) -> None:
        fill = dry_fill(order, price, rate, now, await _quote_of(connection, order))
        new = await ledger.record(connection, now, [fill])
        await self._leader.move(
            connection,
            order,
            OrderStatus.FILLED,
            filled=order.volume,
            cost=round(fill.cost, 18),
            sent_at=order.sent_at or now,
            message="Filled at the book, as a dry run.",
        )
        await venue_orders.announce(connection, self._clock, new)


def dry_fill(order: Order, price: Decimal, rate: Decimal, at: datetime, quote: str) -> Fill:
    """All of an order at ``price``; known by the order's id, so that it happens once."""
    return Fill(
        fill_id=new_id(),
        uid=order.uid,
        ex_id=order.ex_id,
        order_id=order.order_id,
        bot_id=order.bot_id,
        symbol_id=order.symbol_id,
        symbol=order.symbol,
        side=order.side,
        source=FillSource.DRY,
        venue_trade_id=f"dry-{order.order_id}",
        venue_order_id=None,
        price=price,
        volume=order.volume,
        fee=round(price * order.volume * rate, 18),
        fee_currency=quote,
        fee_quote=None,
        maker=False,
        at=at,
    )


async def _quote_of(connection: Connection, order: Order) -> str:
    quote: str = await connection.fetchval("SELECT quote FROM symbols WHERE symbol_id = $1", order.symbol_id)
    return quote
