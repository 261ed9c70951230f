"""How one order reaches its venue: written down as submitted, sent once, and the answer kept.

Whatever happens between two of these steps, the row says what may have happened: a ``submitted`` order may be at the
venue, a ``new`` one is not. :mod:`fullon.orders.recovery` finds out the rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

from fullon.kernel.clock import Clock
from fullon.kernel.retry import PASSING, Outage, insist
from fullon.orders import fill_intake, venue_orders
from fullon.orders.client_ids import client_order_id
from fullon.orders.figures import SILENT, Figures
from fullon.orders.leader import Leader
from fullon.orders.model import Order, OrderStatus
from fullon.venues.account import Account
from fullon.venues.errors import VenueDown
from fullon.venues.trading import Found, Placement, Refused, Trading, Unknown

#: Between the two looks that prove that a venue does not have an order: longer than an order can be under way (the
#: receive window) and an accepted one can stay out of sight, together.
GRACE_SECONDS = 20.0


@dataclass(frozen=True)
class Post:
    """Where orders of one account are handled.

    Attributes:
        database: told of failures of the database, while an answer waits to be written.
        grace: seconds between two looks for an order.
    """

    account: Account
    trading: Trading
    leader: Leader
    clock: Clock
    database: Outage
    grace: float = GRACE_SECONDS
    figures: Figures = field(default=SILENT)

    async def send(self, order: Order) -> Order | None:
        """Send an order that is ``new``; returns it if its fate is unknown then.

        Raises:
            Conflict: it is not as it was read any more; nothing was sent.
            Unavailable, LimitExceeded: nothing has reached the venue; the order is ``new`` again.
            LeaseLost: another leads; it finds out what became of the order.
        """
        try:
            await self.trading.turn(order.symbol, order.leverage)
        except Refused as refusal:
            await self.reject(order, refusal.detail, refusal.rule)
            return None
        order = await self._submit(order)
        self.figures.sent()
        try:
            placed = await self.trading.place(_placement(order))
        except Refused as refusal:
            said, rule = refusal.detail, refusal.rule
            await self._surely(lambda: self.reject(order, said, rule))
        except Unknown as error:
            said = error.detail
            return await self._surely(lambda: self.leader.change(order, OrderStatus.UNKNOWN, reason=said))
        except PASSING as error:
            said = error.detail
            await self._surely(lambda: self.leader.change(order, OrderStatus.NEW, message=said))
            raise
        else:
            taken = (self.clock.now() - order.created_at).total_seconds() * 1000
            self.figures.acknowledged(taken)
            await self._surely(lambda: self.record(order, placed))
        return None

    async def cancel(self, order: Order) -> None:
        """End an order at the venue.

        Raises:
            VenueDown, VenueTimedOut, VenueLimit: not now; asking again is safe.
        """
        found = await self.trading.cancel(order.symbol, order.client_order_id, order.venue_order_id)
        if found is None:
            raise VenueDown(
                f"The exchange {self.trading.name} does not show an order that it has taken.",
                exchange=self.trading.name,
            )
        await self._surely(lambda: self.record(order, found))

    async def record(self, order: Order, found: Found) -> None:
        """Keep what the venue says of an order; twice is as good as once."""
        async with self.leader.writing() as connection:
            await fill_intake.take(connection, self.clock, self.account, found.fills)
            await venue_orders.see(connection, self.clock, self.account, found.order, order.symbol_id)

    async def reject(self, order: Order, reason: str, rule: str) -> None:
        """The order will never be at the venue."""
        self.figures.refused()
        await self.leader.change(order, OrderStatus.REJECTED, reason=reason, message=f"Rule: {rule}.")

    async def _submit(self, order: Order) -> Order:
        """From here on the order may be at the venue, under an id that is written down."""
        attempt = order.attempt + 1
        async with self.leader.writing() as connection:
            return await self.leader.move(
                connection,
                order,
                OrderStatus.SUBMITTED,
                attempt=attempt,
                client_order_id=client_order_id(order.uid, order.ex_id, order.order_id, attempt),
                sent_at=self.clock.now(),
            )

    async def _surely(self, write: Callable[[], Awaitable[Order | None]]) -> Order | None:
        """Write what the venue has said, as soon as the database takes it."""
        return await insist(write, self.database)


def _placement(order: Order) -> Placement:
    assert order.sent_at is not None, "written with the state"
    return Placement(
        symbol=order.symbol,
        side=cast("Any", order.side.value),
        kind=cast("Any", order.order_type.value),
        volume=order.volume,
        price=order.price,
        stop_price=order.stop_price,
        client_order_id=order.client_order_id,
        sent_at=order.sent_at,
    )
