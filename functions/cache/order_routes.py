"""Orders of the caller, and the queues that orders and trades stand in, as the cache has them."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from fullon.kernel.clock import from_milliseconds, parse_time, rfc3339
from fullon.market import cache
from fullon.market.errors import NotCached
from fullon.market.keys import TRADES_STREAM_LENGTH
from fullon.orders import order_cache
from fullon.runtime.http import Caller, Stores
from fullon.runtime.problems import responses
from functions.cache.ages import MILLISECOND, age
from functions.cache.schemas import OrderQueue, OrderState, TradesQueue

router = APIRouter(prefix="/api/v1/cache")


@router.get(
    "/orders/queue/size",
    operation_id="get_order_queue",
    summary="How many of one's orders wait",
    responses=responses(401, 403, 404, 504),
)
async def order_queue(stores: Stores, caller: Caller) -> OrderQueue:
    """Orders in the states new, submitted and unknown; `as_of` is when an order of the caller last changed."""
    now = stores.clock.now()
    found = await order_cache.waiting(stores.valkey, caller.user_id)
    if found is None:
        raise NotCached("There are no orders of yours in the cache.")
    return OrderQueue(
        size=found.size,
        oldest_at=found.since and rfc3339(found.since),
        oldest_age_ms=None if found.since is None else max(0, (now - found.since) // MILLISECOND),
        **age(found.as_of, now),
    )


@router.get(
    "/orders/{order_id}/status",
    operation_id="get_order_state",
    summary="The latest state of an order",
    responses=responses(401, 403, 404, 504),
)
async def order_state(stores: Stores, caller: Caller, order_id: UUID) -> OrderState:
    """Of an order of the caller that is alive, or ended within a day. Others are in the orm domain."""
    found = await order_cache.state(stores.valkey, caller.user_id, order_id)
    if found is None:
        raise NotCached("There is no such order in the cache.")
    values = {name: found[name] for name in OrderState.model_fields if name in found}
    return OrderState(**values, **age(parse_time(found["updated_at"]), stores.clock.now()))


@router.get(
    "/trades/queue/status",
    operation_id="get_trades_queue",
    summary="The stream of public trades",
    responses=responses(401, 403, 404, 504),
)
async def trades_queue(stores: Stores, caller: Caller) -> TradesQueue:
    """How much of it is kept, and how far it is read."""
    found = await cache.trades_queue(stores.valkey)
    if found is None:
        raise NotCached("There are no trades in the cache.")
    last = from_milliseconds(found.last)
    return TradesQueue(
        length=found.length,
        capacity=TRADES_STREAM_LENGTH,
        first_at=rfc3339(from_milliseconds(found.first)),
        last_at=rfc3339(last),
        read_at=None if found.read is None else rfc3339(from_milliseconds(found.read)),
        behind_ms=None if found.read is None else max(0, found.last - found.read),
        **age(last, stores.clock.now()),
    )
