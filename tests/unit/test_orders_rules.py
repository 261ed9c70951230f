"""Refusals of orders: which rule, and what would be allowed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fullon.orders import rules
from fullon.orders.model import OrderType, Side
from fullon.orders.rules import BreaksRule, Limits, Rule

D = Decimal
BTC = Limits("BTC", "USDT", D("0.01"), D("0.00001"), D("0.0001"), D("5"))


def check(limits: Limits = BTC, **changes: Any) -> None:
    order: dict[str, Any] = {
        "order_type": OrderType.LIMIT,
        "side": Side.BUY,
        "volume": D("0.001"),
        "price": D("60000"),
        "stop_price": None,
        "market_price": D("60010"),
        **changes,
    }
    rules.check_symbol(limits, **order)


def refused(limits: Limits = BTC, **changes: Any) -> BreaksRule:
    with pytest.raises(BreaksRule) as caught:
        check(limits, **changes)
    return caught.value


def test_an_order_within_all_rules_passes() -> None:
    check()
    check(order_type=OrderType.MARKET, price=None)
    check(order_type=OrderType.STOP_LIMIT, stop_price=D("59000"))


def test_a_quantity_off_the_step_names_the_nearest_below() -> None:
    error = refused(volume=D("0.000128"))

    assert error.rule is Rule.QUANTITY_STEP
    assert error.facts["nearest"] == "0.00012"
    assert set(error.fields) == {"volume"}


@pytest.mark.parametrize(("side", "nearest"), [(Side.BUY, "60000"), (Side.SELL, "60000.01")])
def test_a_price_off_the_tick_names_the_nearest_away_from_the_market(side: Side, nearest: str) -> None:
    error = refused(price=D("60000.003"), side=side)

    assert error.rule is Rule.PRICE_TICK
    assert error.facts["nearest"] == nearest


def test_a_stop_price_is_held_to_the_tick_too() -> None:
    assert set(refused(order_type=OrderType.STOP, price=None, stop_price=D("1.001")).fields) == {"stop_price"}


def test_too_small_a_quantity_and_too_small_a_worth_are_told_apart() -> None:
    assert refused(volume=D("0.00009")).rule is Rule.MINIMUM_QUANTITY
    error = refused(volume=D("0.0001"), price=D("40000"))
    assert error.rule is Rule.MINIMUM_NOTIONAL
    assert error.facts["smallest"] == "0.00013"


def test_what_a_market_order_is_worth_is_known_by_the_market() -> None:
    assert refused(order_type=OrderType.MARKET, price=None, market_price=D("40000"), volume=D("0.0001")).rule is (
        Rule.MINIMUM_NOTIONAL
    )
    assert refused(order_type=OrderType.MARKET, price=None, market_price=None).rule is Rule.PRICE_UNKNOWN


def test_a_symbol_without_metadata_holds_the_order() -> None:
    assert refused(replace(BTC, step_size=None)).rule is Rule.METADATA
    assert refused(replace(BTC, tick_size=None)).rule is Rule.METADATA


@given(price=st.decimals("0.01", "1000000", places=2), quantity=st.decimals("0", "10", places=5))
def test_the_smallest_quantity_named_passes_and_one_step_less_does_not(price: Decimal, quantity: Decimal) -> None:
    smallest = rules.smallest_quantity(BTC, price)

    check(volume=smallest, price=price)
    less = smallest - D("0.00001")
    assume(less > 0)
    assert refused(volume=less, price=price).rule in {Rule.MINIMUM_QUANTITY, Rule.MINIMUM_NOTIONAL}
    if quantity >= smallest:
        check(volume=quantity, price=price)


def balance(free: str, **changes: Any) -> None:
    order: dict[str, Any] = {
        "order_type": OrderType.LIMIT,
        "side": Side.BUY,
        "volume": D("0.01"),
        "price": D("60000"),
        "market_price": D("60000"),
        **changes,
    }
    rules.check_balance(BTC, D(free), **order)


def test_a_buy_takes_quote_and_a_sell_takes_base() -> None:
    balance("600")
    balance("0.01", side=Side.SELL)
    with pytest.raises(BreaksRule, match=r"takes 600 USDT and 599.99 USDT is free"):
        balance("599.99")
    with pytest.raises(BreaksRule, match=r"takes 0.01 BTC and 0.009 BTC is free"):
        balance("0.009", side=Side.SELL)


def test_a_market_buy_leaves_room_for_the_price_to_move() -> None:
    with pytest.raises(BreaksRule):
        balance("600", order_type=OrderType.MARKET, price=None)
    balance("601.2", order_type=OrderType.MARKET, price=None)


@given(free=st.decimals("0", "10000", places=2))
def test_the_largest_quantity_named_is_covered(free: Decimal) -> None:
    try:
        balance(str(free), volume=D("1"))
    except BreaksRule as error:
        largest = D(str(error.facts["largest"]))
        assert largest * D("60000") <= free
        assert (largest + D("0.00001")) * D("60000") > free
    else:
        assert free >= D("60000")
