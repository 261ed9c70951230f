"""How many requests a user, and each of their API keys, may make: counted in Valkey, in one round trip.

Each budget is a bucket of as many requests as the settings allow in a minute, filled evenly: it may be spent at once,
and then goes on at its rate (the generic cell rate algorithm: one number per bucket, the time at which it is full
again). Reads and writes have budgets of their own. A request with an API key is taken from the key's bucket and from
the user's, or from neither. The clock is Valkey's, so all processes agree.

Without Valkey every request is let through: a limit protects the platform from too much, and must not be what stops it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from fullon.identity.model import Identity, Kind
from fullon.kernel.errors import LimitExceeded, Unavailable
from fullon.kernel.retry import Troubles

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from fullon.kernel.clock import Clock
    from fullon.runtime.settings import Settings

WINDOW_MILLISECONDS = 60_000
ANSWER_SECONDS = 0.25
"""Longer than this a request does not wait for the count."""
RETRY_SECONDS = 2.0
"""So long Valkey is not asked again after it did not answer."""

#: KEYS: buckets of one user (one slot). ARGV: the window in ms, then the limit of each bucket.
#: Gives whether it is allowed, and limit, what remains, seconds until full and seconds to wait, of the tightest bucket.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local window = tonumber(ARGV[1])
local wait, limit, left, reset = 0, 0, nil, 0
local full = {}
for i, key in ipairs(KEYS) do
  local allowed = tonumber(ARGV[i + 1])
  local step = window / allowed
  local at = math.max(tonumber(redis.call('GET', key) or now), now)
  local remaining = math.floor((now + window - at - step) / step + 0.0001)
  full[i] = at + step
  if remaining < 0 then wait = math.max(wait, at + step - window - now) end
  if left == nil or remaining < left then
    left, limit, reset = remaining, allowed, at - now
    if remaining >= 0 then reset = reset + step end
  end
end
if left >= 0 then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, string.format('%.3f', full[i]), 'PX', math.ceil(full[i] - now))
  end
end
return {left >= 0 and 1 or 0, limit, math.max(left, 0), math.ceil(reset / 1000), math.ceil(wait / 1000)}
"""

_SHA = hashlib.sha1(_TAKE.encode(), usedforsecurity=False).hexdigest()
_log = logging.getLogger("fullon.rate_limits")


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left after a request.

    Attributes:
        limit: requests in a minute.
        remaining: that may follow at once.
        reset: seconds until all of it is there again.
    """

    limit: int
    remaining: int
    reset: int


class TooManyRequests(LimitExceeded):
    """The budget of the user or the key is spent."""

    default_code = "too_many_requests"


class RateLimits:
    """The budgets of all users, as one process sees them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._outage = Troubles(_log).outage("budgets in Valkey")
        self._ask_again_at: float | None = None

    async def take(self, valkey: Redis, settings: Settings, caller: Identity, *, writes: bool) -> Budget | None:
        """Take one request from the caller's budgets.

        Returns:
            What is left, or None where nothing is limited or nobody counts.

        Raises:
            TooManyRequests: nothing is left; nothing was taken.
        """
        buckets = _buckets(settings, caller, writes=writes)
        if not buckets or (self._ask_again_at is not None and self._clock.monotonic() < self._ask_again_at):
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                allowed, limit, remaining, reset, wait = await _run(valkey, buckets)
        except _lost() as error:
            self._fail(error)
            return None
        self._ask_again_at = None
        self._outage.passed()
        if not allowed:
            seconds = max(1, wait)
            raise TooManyRequests(
                f"Too many {'changes' if writes else 'requests'}; try again in {seconds} seconds.",
                retry_after=seconds,
                limit=limit,
            )
        return Budget(limit, remaining, reset)

    def _fail(self, cause: Exception) -> None:
        error = Unavailable("The cache cannot be reached; requests are not counted.", code="cache_down")
        error.__cause__ = cause
        self._outage.failed(error)
        self._ask_again_at = self._clock.monotonic() + RETRY_SECONDS


async def _run(valkey: Redis, buckets: dict[str, int]) -> list[int]:
    from redis.exceptions import NoScriptError

    arguments: list[Any] = [*buckets, WINDOW_MILLISECONDS, *buckets.values()]
    try:
        return cast("list[int]", await valkey.evalsha(_SHA, len(buckets), *arguments))
    except NoScriptError:  # the first time since Valkey was started
        return cast("list[int]", await valkey.eval(_TAKE, len(buckets), *arguments))


def _buckets(settings: Settings, caller: Identity, *, writes: bool) -> dict[str, int]:
    """Key of Valkey → requests in a minute, of what is limited."""
    kind = "writes" if writes else "reads"
    place = f"limit:{{{caller.user_id}}}"
    found = {f"{place}:{kind}": settings.rate_limit_user_writes if writes else settings.rate_limit_user_reads}
    if caller.kind is Kind.API_KEY:
        limit = settings.rate_limit_key_writes if writes else settings.rate_limit_key_reads
        found[f"{place}:{kind}:{caller.session}"] = limit
    return {key: limit for key, limit in found.items() if limit}


def _lost() -> tuple[type[Exception], ...]:
    """Imported late: a function without stores needs no client."""
    from redis.exceptions import RedisError

    return (RedisError, OSError, asyncio.TimeoutError)
