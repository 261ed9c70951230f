"""How many orders an account may place: in ten seconds and in a day of the wall clock."""

from __future__ import annotations

from fullon.kernel.clock import Clock, to_milliseconds
from local.paper.errors import VenueError

DEFAULT_LIMIT = 100
DAY_LIMIT = 200_000


class OrderLimit:
    """What each account has placed.

    Args:
        clock: the wall clock.
        limit: orders in ten seconds.
    """

    def __init__(self, clock: Clock, limit: int = DEFAULT_LIMIT) -> None:
        self._clock = clock
        self.limit = limit
        self._windows = (("10S", "10 SECOND", 10, limit), ("1D", "1 DAY", 86_400, max(limit, DAY_LIMIT)))
        self._counts: dict[tuple[int, str], tuple[int, int]] = {}

    def spend(self, account: int) -> dict[str, str]:
        """Count an order; the headers that say how many there are.

        Raises:
            VenueError: 429 with ``Retry-After`` to the end of the window.
        """
        now = to_milliseconds(self._clock.now()) // 1000
        headers = {}
        for name, words, seconds, limit in self._windows:
            count = self._count(account, name, now // seconds) + 1
            if count > limit:
                raise VenueError(
                    -1015,
                    f"Too many new orders; current limit is {limit} orders per {words}.",
                    429,
                    {"Retry-After": str(seconds - now % seconds)},
                )
            headers[f"X-MBX-ORDER-COUNT-{name}"] = str(count)
        for name, _, seconds, _ in self._windows:
            window = now // seconds
            self._counts[account, name] = (window, self._count(account, name, window) + 1)
        return headers

    def usage(self, account: int) -> list[dict[str, object]]:
        """The limits and what is used of them, as the venue lists it."""
        now = to_milliseconds(self._clock.now()) // 1000
        return [
            {
                "rateLimitType": "ORDERS",
                "interval": words.partition(" ")[2],
                "intervalNum": int(words.partition(" ")[0]),
                "limit": limit,
                "count": self._count(account, name, now // seconds),
            }
            for name, words, seconds, limit in self._windows
        ]

    def _count(self, account: int, name: str, window: int) -> int:
        counted, count = self._counts.get((account, name), (window, 0))
        return count if counted == window else 0
