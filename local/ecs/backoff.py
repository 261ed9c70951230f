"""When a crashed daemon gets its next try: at once, then after 1, 2, 4, 8 s; after five an hour, not at all."""

from __future__ import annotations

import random
from dataclasses import dataclass

from local.ecs.model import Service


@dataclass(frozen=True)
class Backoff:
    """The rule.

    Attributes:
        first: seconds before the second try; doubles each time.
        jitter: share of the delay that chance may take away, so that daemons do not come back in step.
        most: restarts within ``window`` seconds; after them the service stays down.
    """

    first: float = 1.0
    jitter: float = 0.2
    most: int = 5
    window: float = 3600.0

    def recent(self, service: Service, now: float) -> list[float]:
        """The restarts that still count."""
        return [moment for moment in service.restarts if now - moment < self.window]

    def delay(self, restarts: int, chance: random.Random) -> float | None:
        """Seconds to wait after a crash when there were ``restarts`` lately; None for no more tries."""
        if restarts >= self.most:
            return None
        if restarts == 0:
            return 0.0
        return float(self.first * 2 ** (restarts - 1) * (1 - self.jitter * chance.random()))
