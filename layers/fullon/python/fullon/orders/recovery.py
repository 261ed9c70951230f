"""What became of an order whose sending ended without an answer: after a crash, a time-out, a lost connection alike.

It is looked for among the venue's open orders, closed orders and fills. Absent once says little: it may be under way,
or out of sight still. Absent again after the grace period, it is not there and cannot come any more, because the venue
refuses what arrives after its window. Only then it is ``new`` again, to be sent with another id unless its owner has
asked for its end.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from fullon.orders.execution import Post
from fullon.orders.model import Order, OrderStatus


def is_due(order: Order, now: datetime) -> bool:
    """Whether an order is to be looked for now."""
    if order.status is OrderStatus.SUBMITTED:
        return True
    return order.status is OrderStatus.UNKNOWN and (order.look_after is None or order.look_after <= now)


async def doubt(post: Post, order: Order) -> Order | None:
    """An order that was submitted by somebody who never wrote an answer; None when there is one by now."""
    return await post.leader.change(
        order, OrderStatus.UNKNOWN, reason="Its sending was interrupted; the exchange is asked for it."
    )


async def look(post: Post, order: Order) -> None:
    """Look for an order of unknown fate.

    Raises:
        VenueDown, VenueTimedOut, VenueLimit: the venue does not answer; nothing is known more than before.
        Forbidden, Invalid: it does not answer us.
    """
    began = post.clock.now()
    found = await post.trading.find(order.symbol, order.client_order_id, order.venue_order_id)
    if found is not None:
        await post.record(order, found)
    elif order.look_after is None:
        await post.leader.change(
            order,
            OrderStatus.UNKNOWN,
            look_after=post.clock.now() + timedelta(seconds=post.grace),
            message=f"The exchange does not show it; it is asked again after {post.grace:g} s.",
        )
    elif began < order.look_after:
        return
    else:
        await post.leader.change(
            order, OrderStatus.NEW, message="The exchange does not have it, asked twice; it is sent with another id."
        )
