"""The legal ways of an order."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullon.orders import states
from fullon.orders.model import ALIVE, ENDED, OrderStatus
from fullon.orders.states import IllegalTransition

S = OrderStatus


def test_an_order_that_has_ended_stays_so() -> None:
    for ended in ENDED:
        for wanted in S:
            if wanted is ended:
                states.check(ended, wanted)
            else:
                with pytest.raises(IllegalTransition, match="it has ended"):
                    states.check(ended, wanted)


def test_every_living_order_can_end() -> None:
    reachable = {start: {start} for start in S}
    for _ in S:
        for start in S:
            reachable[start] |= {after for here in reachable[start] for after in states.WAYS[here]}

    for start in ALIVE:
        assert reachable[start] >= ENDED - ({S.REJECTED} if start is S.PARTIALLY_FILLED else set())
    assert set(states.WAYS) == set(S)


def test_an_order_at_the_venue_is_never_an_intent_again() -> None:
    for present in (S.OPEN, S.PARTIALLY_FILLED, *ENDED):
        for wanted in (S.NEW, S.SUBMITTED, S.UNKNOWN):
            with pytest.raises(IllegalTransition):
                states.check(present, wanted)


def test_an_intent_is_marked_before_it_is_sent() -> None:
    for wanted in (S.OPEN, S.PARTIALLY_FILLED, S.FILLED, S.UNKNOWN):
        with pytest.raises(IllegalTransition):
            states.check(S.NEW, wanted)
    states.check(S.NEW, S.SUBMITTED)


def test_nobody_says_by_hand_what_only_a_venue_can_know() -> None:
    states.check_by_hand(S.NEW, S.CANCELED)
    states.check_by_hand(S.UNKNOWN, S.REJECTED)
    for present, wanted in ((S.OPEN, S.FILLED), (S.OPEN, S.CANCELED), (S.SUBMITTED, S.FILLED), (S.UNKNOWN, S.FILLED)):
        with pytest.raises(IllegalTransition):
            states.check_by_hand(present, wanted)


@given(
    volume=st.decimals("0.00000001", "1000000", places=8),
    share=st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(1)]),
)
def test_the_state_follows_what_is_filled(volume: Decimal, share: Decimal) -> None:
    wanted = {Decimal(0): S.OPEN, Decimal("0.5"): S.PARTIALLY_FILLED, Decimal(1): S.FILLED}[share]

    assert states.reached(volume * share, volume) is wanted
