"""Present prices of a venue's symbols out of Valkey, believed for seconds; none where they cannot be had."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from fullon.kernel.clock import Clock
from fullon.kernel.errors import TimedOut, Unavailable
from fullon.market import cache

if TYPE_CHECKING:
    from redis.asyncio import Redis

BELIEVED_SECONDS = 2.0
_log = logging.getLogger("fullon.account")


class Prices:
    """Shared by all accounts of a process."""

    def __init__(self, valkey: Redis, clock: Clock) -> None:
        self._valkey = valkey
        self._clock = clock
        self._known: dict[str, tuple[float, Mapping[str, Decimal]]] = {}

    async def of(self, exchange: str) -> Mapping[str, Decimal]:
        """Price of the last trade by symbol; empty while the cache is away: a worth then stays open."""
        now = self._clock.monotonic()
        known = self._known.get(exchange)
        if known is not None and now - known[0] < BELIEVED_SECONDS:
            return known[1]
        try:
            found = {tick.symbol: tick.price for tick in await cache.ticks(self._valkey, exchange)}
        except (Unavailable, TimedOut) as error:
            _log.warning("no prices", extra={"exchange": exchange, "cause": repr(error)})
            return {}
        self._known[exchange] = (now, found)
        return found
