"""Requests that are made to go wrong, one by one or by seed: ``{"requests": [rule, …]}`` of ``POST /control``.

A rule is an object; the list replaces the one in force, ``[]`` ends them all. A request suffers the first rule that
matches it and is due:

- ``effect``, needed: ``lose_request`` (the connection is cut before anything is done), ``lose_reply`` (it is done and
  the connection cut), ``fail_before`` and ``fail_after`` (answered 5xx, not done or done), ``delay_before`` and
  ``delay_after`` (done later, or answered later).
- which requests: ``method``, ``path`` (``/api/v3/order``; also for the same request over the WebSocket API), ``key``
  (API key), ``where`` (an object of parameters and their exact values). What is not named matches everything.
- when: ``skip`` so many matches first, at most ``times``, of the others a ``share`` from 0 to 1 decided by ``seed``.
- ``milliseconds`` of a delay; ``status`` and ``code`` of a failure (503 and -1008 before, 504 and -1007 after).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fullon.kernel.errors import Invalid
from local.paper.errors import VenueError

EFFECTS = ("lose_request", "lose_reply", "fail_before", "fail_after", "delay_before", "delay_after")
_LONGEST_MS = 600_000
_SENTENCES = {
    -1001: "Internal error; unable to process your request. Please try again.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
}
_TEXTS = ("effect", "method", "path", "key")
_NUMBERS = {"skip": 1_000_000, "times": 1_000_000, "seed": 1 << 62, "milliseconds": _LONGEST_MS, "status": 599}


@dataclass
class RequestFault:
    """A rule, and how often it has matched and struck."""

    effect: str
    method: str | None = None
    path: str | None = None
    key: str | None = None
    where: dict[str, str] = field(default_factory=dict)
    skip: int = 0
    times: int | None = None
    share: float = 1.0
    seed: int = 1
    milliseconds: int = 0
    status: int | None = None
    code: int | None = None
    matched: int = 0
    struck: int = 0

    def __post_init__(self) -> None:
        self._draws = random.Random(self.seed)  # noqa: S311 - a repeatable fault, not a secret

    def strikes(self, method: str, path: str, key: str | None, parameters: Mapping[str, str]) -> bool:
        """Whether it is due for this request; counts it."""
        for wanted, is_so in ((self.method, method), (self.path, path), (self.key, key)):
            if wanted is not None and wanted != is_so:
                return False
        if any(parameters.get(name) != value for name, value in self.where.items()):
            return False
        self.matched += 1
        if self.matched <= self.skip or self._draws.random() >= self.share:
            return False
        if self.times is not None and self.struck >= self.times:
            return False
        self.struck += 1
        return True

    def failure(self) -> VenueError:
        """What a request that fails is answered."""
        after = self.effect == "fail_after"
        code = self.code if self.code is not None else -1007 if after else -1008
        return VenueError(code, _SENTENCES.get(code, "Service unavailable."), self.status or (504 if after else 503))

    def state(self) -> dict[str, object]:
        """The rule as it was given, and its counts."""
        return {
            name: getattr(self, name) for name in self.__dataclass_fields__ if getattr(self, name) not in (None, {})
        }


class RequestFaults:
    """The rules in force."""

    def __init__(self) -> None:
        self.rules: list[RequestFault] = []

    def take(self, method: str, path: str, key: str | None, parameters: Mapping[str, str]) -> RequestFault | None:
        """The rule this request suffers."""
        return next((rule for rule in self.rules if rule.strikes(method, path, key, parameters)), None)

    def state(self) -> list[dict[str, object]]:
        return [rule.state() for rule in self.rules]


def read_rules(value: object) -> list[RequestFault]:
    """The rules of a control body; raises Invalid where one cannot be."""
    if not isinstance(value, list):
        raise Invalid("requests must be a list of rules.")
    return [_rule(each) for each in value]


def _rule(value: object) -> RequestFault:
    allowed = set(RequestFault.__dataclass_fields__) - {"matched", "struck"}
    if not isinstance(value, dict) or not set(value) <= allowed:
        raise Invalid(f"A rule is an object of {', '.join(sorted(allowed))}.")
    if value.get("effect") not in EFFECTS:
        raise Invalid(f"effect must be one of {', '.join(EFFECTS)}.")
    for name in _TEXTS:
        if name in value and not isinstance(value[name], str):
            raise Invalid(f"{name} must be a text.")
    for name, most in _NUMBERS.items():
        if name in value and not _whole(value[name], 500 if name == "status" else 0, most):
            raise Invalid(f"{name} must be a whole number up to {most}.")
    if "code" in value and not _whole(value["code"], -9999, -1):
        raise Invalid("code must be one of Binance's negative codes.")
    share: Any = value.get("share", 1.0)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise Invalid("share must be a number from 0 to 1.")
    where = value.get("where", {})
    if not isinstance(where, dict) or not all(isinstance(each, str) for each in where.values()):
        raise Invalid("where must be an object of texts.")
    return RequestFault(**value)


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
