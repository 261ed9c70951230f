"""What the account daemon last said is free in an account, read for the check of a new order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from fullon.kernel.clock import from_milliseconds
from fullon.market.cache import bounded

if TYPE_CHECKING:
    from redis.asyncio import Redis


@dataclass(frozen=True, slots=True)
class Free:
    """Free amounts by currency; one that is not named has none.

    Attributes:
        as_of: when the venue was asked.
    """

    free: Mapping[str, Decimal]
    as_of: datetime


def key(ex_id: UUID) -> str:
    """Hash of an account: ``balances``, ``positions`` and ``as_of`` in epoch milliseconds."""
    return f"accounts:{{{ex_id}}}"


async def read(valkey: Redis, ex_id: UUID) -> Free | None:
    """The free amounts of an account; None where the cache has none.

    Raises:
        Unavailable, TimedOut: the cache cannot be read.
    """
    async with bounded():
        balances, as_of = await valkey.hmget(key(ex_id), ["balances", "as_of"])
    if balances is None or as_of is None:
        return None
    try:
        found = {each["currency"]: Decimal(each["free"]) for each in orjson.loads(balances)}
        return Free(found, from_milliseconds(int(as_of)))
    except (ValueError, KeyError, TypeError, InvalidOperation):
        return None  # written by another version; the venue decides
