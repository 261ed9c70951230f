"""What can be made to go wrong, for tests: switched on by ``POST /control`` where the venue was started with it.

The body is a JSON object with any of:

- ``{"down": 5}``: for so many seconds every connection is aborted, old and new; 0 ends it.
- ``{"streams_silent": true}``: sockets stay open and nothing is sent on them, neither data, answers, pings nor pongs.
- ``{"delay_ms": 250}``: every answer and message is so much later.
- ``{"clock_offset_ms": -1500}``: the time the venue states is off by so much; the market is not.
- ``{"disconnect": true}``: every socket is dropped at once, without a close frame.
- ``{"burst": {"ticks_per_second": 25000, "seconds": 3}}``: so many more ``bookTicker`` messages, round robin over the
  symbols that are subscribed to; 0 seconds ends it.
- ``{"requests": [{"effect": "lose_reply", "method": "POST", "path": "/api/v3/order"}]}``: requests that go wrong, see
  :mod:`local.paper.request_faults`.
- ``duplicate_client_ids``, ``visibility_delay_ms`` and ``user_streams``: see :mod:`local.paper.trading.faults`.

The answer is the state after the change, as ``GET /control`` shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fullon.kernel.errors import Invalid
from local.paper.request_faults import RequestFaults, read_rules
from local.paper.trading.faults import TradingFaults

_LONGEST_SECONDS = 3600.0
_LARGEST_DELAY_MS = 60_000
_LARGEST_OFFSET_MS = 86_400_000
_HIGHEST_RATE = 200_000


@dataclass(frozen=True)
class Burst:
    """``bookTicker`` messages asked for: how many a second, and until when on the monotonic scale."""

    ticks_per_second: int
    until: float


class Faults:
    """The faults in force.

    Args:
        monotonic: wall seconds on a scale that never goes back.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._down_until = 0.0
        self.streams_silent = False
        self.delay_ms = 0
        self.clock_offset_ms = 0
        self.burst: Burst | None = None
        self.burst_sent = 0
        self.requests = RequestFaults()
        self.trading = TradingFaults(monotonic)

    @property
    def down(self) -> bool:
        """Whether the venue is to abort everything now."""
        return self._monotonic() < self._down_until

    def state(self) -> dict[str, object]:
        """The faults in force, as the control endpoint shows them."""
        now = self._monotonic()
        burst = self.burst if self.burst is not None and self.burst.until > now else None
        return {
            "down": max(0.0, round(self._down_until - now, 3)),
            "streams_silent": self.streams_silent,
            "delay_ms": self.delay_ms,
            "clock_offset_ms": self.clock_offset_ms,
            "burst": {"ticks_per_second": burst.ticks_per_second, "seconds": round(burst.until - now, 3)}
            if burst
            else None,
            "burst_sent": self.burst_sent,
            "requests": self.requests.state(),
            **self.trading.state(),
        }

    def apply(self, change: object) -> bool:
        """Put a body of the control endpoint into force: all of it or, where it raises, nothing.

        Returns:
            Whether every socket is to be dropped now.

        Raises:
            Invalid: not an object, an unknown name, or a value out of range.
        """
        if not isinstance(change, dict):
            raise Invalid("The body must be a JSON object.")
        effects = [self._effect(name, value) for name, value in change.items()]
        for effect in effects:
            effect()
        return bool(change.get("disconnect") or change.get("down"))

    def _effect(self, name: str, value: object) -> Callable[[], None]:
        match name:
            case "down":
                seconds = _number(name, value, 0, _LONGEST_SECONDS)
                return lambda: setattr(self, "_down_until", self._monotonic() + seconds)
            case "streams_silent" | "disconnect" if not isinstance(value, bool):
                raise Invalid(f"{name} must be true or false.")
            case "streams_silent":
                return lambda: setattr(self, "streams_silent", value)
            case "disconnect":
                return lambda: None
            case "delay_ms":
                delay = int(_number(name, value, 0, _LARGEST_DELAY_MS))
                return lambda: setattr(self, "delay_ms", delay)
            case "clock_offset_ms":
                offset = int(_number(name, value, -_LARGEST_OFFSET_MS, _LARGEST_OFFSET_MS))
                return lambda: setattr(self, "clock_offset_ms", offset)
            case "burst":
                return self._set_burst(value)
            case "requests":
                rules = read_rules(value)
                return lambda: setattr(self.requests, "rules", rules)
        if (effect := self.trading.effect(name, value)) is not None:
            return effect
        raise Invalid(f"{name} is not a fault.")

    def _set_burst(self, value: object) -> Callable[[], None]:
        if not isinstance(value, dict) or set(value) != {"ticks_per_second", "seconds"}:
            raise Invalid("burst must be an object with ticks_per_second and seconds.")
        rate = int(_number("ticks_per_second", value["ticks_per_second"], 1, _HIGHEST_RATE))
        seconds = _number("seconds", value["seconds"], 0, _LONGEST_SECONDS)
        return lambda: setattr(self, "burst", Burst(rate, self._monotonic() + seconds))


def _number(name: str, value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise Invalid(f"{name} must be a number from {least:g} to {most:g}.")
    return value
