"""The venue's rate limit: request weight by the minute, 429 above it, 418 for who goes on."""

from __future__ import annotations

from fullon.kernel.clock import Clock, to_milliseconds
from local.paper.errors import VenueError

DEFAULT_LIMIT = 6000
#: Refused requests in a minute after which an address is banned.
PATIENCE = 10
FIRST_BAN_SECONDS = 120
LONGEST_BAN_SECONDS = 3 * 24 * 3600


class WeightLimit:
    """What each address has used in this minute of the wall clock.

    Args:
        clock: the wall clock.
        limit: weight an address may use in a minute.
        patience: requests that may be answered 429 in a minute before the address is banned.
        ban: seconds of an address's first ban; every further one is twice as long, up to three days.
    """

    def __init__(
        self, clock: Clock, limit: int = DEFAULT_LIMIT, patience: int = PATIENCE, ban: int = FIRST_BAN_SECONDS
    ) -> None:
        self._clock = clock
        self.limit = limit
        self._patience = patience
        self._ban = ban
        self._minute = 0
        self._used: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._banned_until: dict[str, int] = {}
        self._bans: dict[str, int] = {}

    def spend(self, address: str, weight: int) -> int:
        """Count a request and say what the address has used in this minute.

        Raises:
            VenueError: 429 with ``Retry-After`` to the end of the minute, or 418 to the end of the ban.
        """
        now = to_milliseconds(self._clock.now())
        if now // 60_000 != self._minute:
            self._minute = now // 60_000
            self._used.clear()
            self._refused.clear()
        until = self._banned_until.get(address, 0)
        if until > now:
            raise self._banned(until, now)
        used = self._used[address] = self._used.get(address, 0) + weight
        if used <= self.limit:
            return used
        refused = self._refused[address] = self._refused.get(address, 0) + 1
        if refused > self._patience:
            raise self._banned(self._begin_ban(address, now), now)
        raise VenueError(
            -1003,
            f"Too much request weight used; current limit is {self.limit} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API.",
            429,
            {"Retry-After": str(60 - now // 1000 % 60), "X-MBX-USED-WEIGHT-1M": str(used)},
        )

    def _begin_ban(self, address: str, now: int) -> int:
        bans = self._bans[address] = self._bans.get(address, 0) + 1
        seconds = min(self._ban * 2 ** (bans - 1), LONGEST_BAN_SECONDS)
        self._banned_until[address] = now + seconds * 1000
        return self._banned_until[address]

    def _banned(self, until: int, now: int) -> VenueError:
        return VenueError(
            -1003,
            f"Way too much request weight used; IP banned until {until}. "
            "Please use WebSocket Streams for live updates to avoid bans.",
            418,
            {"Retry-After": str(-(-(until - now) // 1000))},
        )
