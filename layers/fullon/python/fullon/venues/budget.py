"""How fast an account may ask its venue: orders first, and nobody while the venue says: slower."""

from __future__ import annotations

import asyncio
from collections import deque

from fullon.kernel.clock import Clock


class Allowance:
    """Room for so many at once, which comes back at a steady rate.

    Within any stretch of time there are at most ``burst + rate * seconds``.

    Args:
        rate: how many come back in a second.
    """

    def __init__(self, clock: Clock, *, burst: float, rate: float) -> None:
        self._clock = clock
        self._burst = burst
        self._rate = rate
        self._left = burst
        self._seen = clock.monotonic()

    def wait(self, amount: float, keep: float = 0.0) -> float:
        """Seconds until ``amount`` can be taken so that ``keep`` is left; 0 now."""
        now = self._clock.monotonic()
        self._left = min(self._burst, self._left + (now - self._seen) * self._rate)
        self._seen = now
        return max(0.0, (amount + keep - self._left) / self._rate)

    def take(self, amount: float) -> None:
        """Take it."""
        self._left -= amount


class Budget:
    """The requests of one account. Whoever places or cancels goes first; who reads leaves them room.

    Binance allows 100 orders in ten seconds for each account and a weight of 6,000 a minute for each address; this
    stays below both.

    Args:
        orders: for placements alone.
        weight: for everything.
    """

    #: Weight that reads leave to order traffic.
    RESERVE = 100.0

    def __init__(self, clock: Clock, *, orders: Allowance | None = None, weight: Allowance | None = None) -> None:
        self._clock = clock
        self._orders = orders or Allowance(clock, burst=30, rate=6)
        self._weight = weight or Allowance(clock, burst=1_000, rate=40)
        self._until = 0.0
        self._urgent: deque[asyncio.Event] = deque()

    async def order(self) -> None:
        """Wait for the turn of a placement."""
        await self._urgently(orders=1)

    async def cancellation(self) -> None:
        """Wait for the turn of a cancellation."""
        await self._urgently(orders=0)

    async def read(self, weight: float) -> None:
        """Wait for the turn of a read, which is when no order waits."""
        while True:
            if self._urgent:
                await self._urgent[-1].wait()
                continue
            wait = max(self._paused(), self._weight.wait(weight, self.RESERVE))
            if not wait:
                self._weight.take(weight)
                return
            await asyncio.sleep(wait)

    def back_off(self, seconds: float) -> None:
        """The venue says: slower. Nobody asks anything for so long."""
        self._until = max(self._until, self._clock.monotonic() + seconds)

    async def _urgently(self, *, orders: int) -> None:
        """In the order of arrival."""
        before = self._urgent[-1] if self._urgent else None
        done = asyncio.Event()
        self._urgent.append(done)
        try:
            if before is not None:
                await before.wait()
            while wait := max(self._paused(), self._orders.wait(orders), self._weight.wait(1)):  # noqa: ASYNC110 - for time
                await asyncio.sleep(wait)
            self._orders.take(orders)
            self._weight.take(1)
        finally:
            self._urgent.remove(done)
            done.set()

    def _paused(self) -> float:
        return max(0.0, self._until - self._clock.monotonic())
