"""The latest state of orders in Valkey, and the word that there is something to do.

Keys of a user share a slot, and somebody else's order is under keys that one cannot name. Each order has an expiry of
its own. An older state never replaces a newer one, whoever writes first. All of it can be rebuilt from PostgreSQL.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from fullon.kernel.clock import from_milliseconds, parse_time, to_milliseconds
from fullon.kernel.errors import TimedOut, Unavailable
from fullon.market.cache import bounded
from fullon.orders.model import ENDED, Order, OrderStatus
from fullon.orders.order_data import data_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

#: Published: the account that has an order to be sent or canceled, as text. Whoever misses it looks every second.
NEW_CHANNEL = "orders:new"
#: How long an order that may still change is kept after its last change, and one that has ended.
ALIVE_FOR = timedelta(days=30)
ENDED_FOR = timedelta(days=1)
#: An answer does not wait longer than this for the cache to take a change.
ANSWER_SECONDS = 0.5

#: In which an order waits for the execution daemon.
_WAITING = frozenset({OrderStatus.NEW, OrderStatus.SUBMITTED, OrderStatus.UNKNOWN})
#: KEYS: the order, the user's waiting orders, their last change. ARGV: version, record, how long it is kept (ms),
#: order id, whether it waits, since when (ms), when it changed (ms), how long the others are kept (ms).
_KEEP = """
local known = redis.call('GET', KEYS[1])
if known and cjson.decode(known)['version'] > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if ARGV[5] == '1' then redis.call('ZADD', KEYS[2], ARGV[6], ARGV[4]) else redis.call('ZREM', KEYS[2], ARGV[4]) end
redis.call('PEXPIRE', KEYS[2], ARGV[8])
local last = tonumber(redis.call('GET', KEYS[3]) or 0)
redis.call('SET', KEYS[3], math.max(last, tonumber(ARGV[7])), 'PX', ARGV[8])
return 1
"""
_log = logging.getLogger("fullon.orders")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A user's orders that wait for the execution daemon.

    Attributes:
        since: when the oldest of them was made; None without any.
        as_of: when an order of the user last changed.
    """

    size: int
    since: datetime | None
    as_of: datetime


async def announce(valkey: Redis, order: Order) -> None:
    """After the change of an order is committed: its state into the cache, and the word to whoever executes.

    Fails silently but for a line in the log: the daemons find it in PostgreSQL.
    """
    try:
        async with bounded(ANSWER_SECONDS):
            await valkey.publish(NEW_CHANNEL, str(order.ex_id))
            await keep(valkey, [data_of(order)])
    except (Unavailable, TimedOut) as error:
        _log.warning("order not announced", extra={"order_id": str(order.order_id), "cause": repr(error.__cause__)})


async def keep(valkey: Redis, orders: Sequence[Mapping[str, Any]]) -> None:
    """Keep states of orders, as :func:`fullon.orders.order_data.data_of` writes them."""
    if not orders:
        return
    async with valkey.pipeline(transaction=False) as batch:
        for order in orders:
            has_ended = order["status"] in ENDED
            batch.eval(
                _KEEP,
                3,
                *_keys(order["uid"], order["order_id"]),
                order["version"],
                orjson.dumps(order),
                _milliseconds(ENDED_FOR if has_ended else ALIVE_FOR),
                order["order_id"],
                int(order["status"] in _WAITING),
                to_milliseconds(parse_time(order["created_at"])),
                to_milliseconds(parse_time(order["updated_at"])),
                _milliseconds(ALIVE_FOR),
            )
        await batch.execute()


async def state(valkey: Redis, uid: UUID, order_id: UUID) -> Mapping[str, Any] | None:
    """The latest state of an order of ``uid``; None where the cache has none.

    Raises:
        Unavailable, TimedOut: the cache cannot be read.
    """
    async with bounded():
        record = await valkey.get(_keys(uid, order_id)[0])
    found: Mapping[str, Any] | None = None if record is None else orjson.loads(record)
    return found


async def waiting(valkey: Redis, uid: UUID) -> Waiting | None:
    """How many orders of ``uid`` wait; None where the cache knows of no order of theirs.

    Raises:
        Unavailable, TimedOut: the cache cannot be read.
    """
    _, queue, changed = _keys(uid, uid)
    async with bounded(), valkey.pipeline(transaction=True) as batch:
        batch.zcard(queue)
        batch.zrange(queue, 0, 0, withscores=True)
        batch.get(changed)
        size, oldest, last = await batch.execute()
    if last is None:
        return None
    return Waiting(size, from_milliseconds(int(oldest[0][1])) if oldest else None, from_milliseconds(int(float(last))))


def _keys(uid: UUID | str, order_id: UUID | str) -> tuple[str, str, str]:
    return f"order:{{{uid}}}:{order_id}", f"orders:{{{uid}}}:waiting", f"orders:{{{uid}}}:changed"


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
