"""The legal ways of an order between its states. Pure.

``new`` is a durable intent. ``submitted`` is written before the order is sent, so whoever finds one without an answer
knows that it may be at the venue. ``unknown`` is an order whose sending ended without an answer; it leaves that state
only by what the venue says of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from fullon.kernel.errors import Conflict
from fullon.orders.model import ENDED, OrderStatus

_S = OrderStatus
_AT_VENUE = frozenset({_S.OPEN, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED})

WAYS: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    _S.NEW: frozenset({_S.SUBMITTED, _S.CANCELED, _S.REJECTED, _S.EXPIRED}),
    _S.SUBMITTED: _AT_VENUE | {_S.REJECTED, _S.UNKNOWN, _S.NEW},
    _S.UNKNOWN: _AT_VENUE | {_S.REJECTED, _S.NEW},
    _S.OPEN: frozenset({_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED, _S.REJECTED}),
    _S.PARTIALLY_FILLED: frozenset({_S.FILLED, _S.CANCELED, _S.EXPIRED}),
    _S.FILLED: frozenset(),
    _S.CANCELED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.EXPIRED: frozenset(),
}
"""From each state to those that may follow it. ``submitted`` and ``unknown`` go back to ``new`` only when the venue has
said, after the grace period, that it does not know the order; the next attempt has a client order id of its own."""

#: What a person may set by hand: giving up what was never sent, or saying what became of an order the venue forgot.
BY_HAND: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    _S.NEW: frozenset({_S.CANCELED}),
    _S.UNKNOWN: frozenset({_S.CANCELED, _S.REJECTED, _S.EXPIRED}),
}


class IllegalTransition(Conflict):
    """An order cannot go from its state to the one asked for."""

    default_code = "illegal_transition"

    def __init__(self, present: OrderStatus, wanted: OrderStatus) -> None:
        ended = "; it has ended" if present in ENDED else ""
        super().__init__(
            f"An order that is {present.value} cannot become {wanted.value}{ended}.",
            present=present.value,
            wanted=wanted.value,
        )


def check(present: OrderStatus, wanted: OrderStatus) -> None:
    """Let a change of state pass; staying in a state is not one.

    Raises:
        IllegalTransition: there is no such way.
    """
    if wanted is not present and wanted not in WAYS[present]:
        raise IllegalTransition(present, wanted)


def check_by_hand(present: OrderStatus, wanted: OrderStatus) -> None:
    """As :func:`check`, for a change that a person asks for.

    Raises:
        IllegalTransition: there is no such way, or only the venue can say so.
    """
    if wanted not in BY_HAND.get(present, frozenset()):
        raise IllegalTransition(present, wanted)


def reached(filled: object, volume: object) -> OrderStatus:
    """The state of an order at the venue by how much of it is filled."""
    if not filled:
        return _S.OPEN
    return _S.FILLED if filled >= volume else _S.PARTIALLY_FILLED  # type: ignore[operator]
