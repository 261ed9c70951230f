"""What can be made to go wrong with trading: late visibility, client order ids, user streams.

Names and values of ``POST /control``:

- ``{"duplicate_client_ids": "open"}``: a client order id is refused where an open order of the account has it on the
  symbol (Binance's own rule, the default), where any order ever had it (``"always"``), or ``"never"``.
- ``{"visibility_delay_ms": 800}``: an accepted order and its fills are missing from queries for so long; it lives
  meanwhile, its events are sent, and it can be canceled.
- ``{"user_streams": {"silent": true, "duplicate": 0.3, "reorder": 0.3, "seed": 1}}``: user streams stay open and say
  nothing; shares of events, which the seed decides, are sent twice or change places with the next one. What is not
  named is switched off; ``null`` switches all off.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from fullon.kernel.errors import Invalid

DUPLICATE_RULES = ("open", "always", "never")
_LONGEST_MS = 600_000


@dataclass(frozen=True)
class StreamFaults:
    """How user streams misbehave; ``duplicate`` and ``reorder`` are shares of events."""

    silent: bool = False
    duplicate: float = 0.0
    reorder: float = 0.0
    seed: int = 1


class TradingFaults:
    """The faults in force.

    Args:
        monotonic: wall seconds on a scale that never goes back.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.duplicate_client_ids = "open"
        self.visibility_delay_ms = 0
        self.streams = StreamFaults()
        self._draws = random.Random(1)  # noqa: S311 - a repeatable fault, not a secret
        self._accepted: dict[int, float] = {}

    def accepted(self, order_id: int) -> None:
        """An order has been accepted just now."""
        if self.visibility_delay_ms:
            self._accepted[order_id] = self._monotonic()

    def visible(self, order_id: int) -> bool:
        """Whether queries show the order."""
        accepted = self._accepted.get(order_id)
        if accepted is None:
            return True
        if self._monotonic() - accepted < self.visibility_delay_ms / 1000:
            return False
        del self._accepted[order_id]
        return True

    def draw(self, share: float) -> bool:
        """Whether the next event is one of a share."""
        return share > 0 and self._draws.random() < share

    def state(self) -> dict[str, object]:
        """The faults in force, as the control endpoint shows them."""
        return {
            "duplicate_client_ids": self.duplicate_client_ids,
            "visibility_delay_ms": self.visibility_delay_ms,
            "user_streams": {
                "silent": self.streams.silent,
                "duplicate": self.streams.duplicate,
                "reorder": self.streams.reorder,
                "seed": self.streams.seed,
            },
        }

    def effect(self, name: str, value: object) -> Callable[[], None] | None:
        """What puts a value into force; None for a name that is not of trading.

        Raises:
            Invalid: the value cannot be.
        """
        match name:
            case "duplicate_client_ids":
                if value not in DUPLICATE_RULES:
                    raise Invalid(f"duplicate_client_ids must be one of {', '.join(DUPLICATE_RULES)}.")
                return lambda: setattr(self, "duplicate_client_ids", value)
            case "visibility_delay_ms":
                if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LONGEST_MS:
                    raise Invalid(f"visibility_delay_ms must be a whole number from 0 to {_LONGEST_MS}.")
                return lambda: setattr(self, "visibility_delay_ms", value)
            case "user_streams":
                streams = _streams(value)
                return lambda: self._set_streams(streams)
        return None

    def _set_streams(self, streams: StreamFaults) -> None:
        self.streams = streams
        self._draws.seed(streams.seed)


def _streams(value: object) -> StreamFaults:
    if value is None:
        return StreamFaults()
    if not isinstance(value, dict) or not set(value) <= set(StreamFaults.__dataclass_fields__):
        raise Invalid("user_streams must be null or an object of silent, duplicate, reorder and seed.")
    silent, seed = value.get("silent", False), value.get("seed", 1)
    if not isinstance(silent, bool) or isinstance(seed, bool) or not isinstance(seed, int):
        raise Invalid("user_streams: silent must be true or false, seed a whole number.")
    duplicate, reorder = value.get("duplicate", 0.0), value.get("reorder", 0.0)
    for share in (duplicate, reorder):
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise Invalid("user_streams: duplicate and reorder must be numbers from 0 to 1.")
    return StreamFaults(silent, duplicate, reorder, seed)
