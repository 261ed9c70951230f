"""When a call is sent again by itself, and how long after."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from fullon_client.calls import Call
from fullon_client.errors import ClientError, Problem, Unreachable

_IN_FLIGHT = "idempotency_in_flight"
_PASSING = frozenset({502, 503, 504})


@dataclass(frozen=True, slots=True)
class Retries:
    """Pauses grow from the first to the longest, each shortened at random so that clients do not come together.

    Attributes:
        attempts: in all; 1 never repeats.
        first_pause: seconds.
        longest_pause: seconds; where the platform asks for a longer one the caller hears of it instead.
    """

    attempts: int = 4
    first_pause: float = 0.25
    longest_pause: float = 15.0

    def pause(self, attempt: int, call: Call[Any], error: ClientError) -> float | None:
        """Seconds to wait after attempt number `attempt` (from 1) failed; None when it is not to be repeated."""
        if attempt >= self.attempts or call.repetition == "never" or not _may_pass(error):
            return None
        longest = min(self.first_pause * 2 ** (attempt - 1), self.longest_pause)
        wait = random.uniform(longest / 2, longest)  # noqa: S311 - spreads clients, guards nothing
        asked = error.retry_after if isinstance(error, Problem) else None
        if asked is None:
            return wait
        return None if asked > self.longest_pause else asked + wait


def _may_pass(error: ClientError) -> bool:
    if isinstance(error, Unreachable):
        return True
    return isinstance(error, Problem) and (
        error.status in _PASSING or error.status == 429 or (error.status == 409 and error.code == _IN_FLIGHT)
    )
