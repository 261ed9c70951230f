"""What a dry run's order gets of a book, and when. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from fullon.orders.dry_run import dry_fill, fill_price, is_triggered
from fullon.orders.model import Order, OrderStatus, OrderType, Origin, Side
from fullon.venues.quotes import Tick

D = Decimal
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_tick(price: str = "100", bid: str | None = "99", ask: str | None = "101") -> Tick:
    return Tick("paper", "BTC/USDT", D(price), bid and D(bid), ask and D(ask), None, None, 0)  # type: ignore[arg-type]


def an_order(side: Side = Side.BUY, **values: Any) -> Order:
    plain: dict[str, Any] = {
        "order_id": UUID(int=1), "uid": UUID(int=2), "ex_id": UUID(int=3), "bot_id": None, "symbol_id": 1,
        "symbol": "BTC/USDT", "side": side, "order_type": OrderType.MARKET, "volume": D("0.5"), "price": None,
        "stop_price": None, "leverage": D(1), "purpose": "manual", "origin": Origin.PLATFORM, "dry_run": True,
        "client_order_id": "x", "reference": None, "venue_order_id": None, "status": OrderStatus.NEW, "reason": None,
        "cancel_requested_at": None, "filled": D(0), "cost": D(0), "attempt": 0, "fence": None, "sent_at": None,
        "look_after": None, "created_at": NOW, "updated_at": NOW, "ended_at": None, "version": 1,
    }  # fmt: skip
    return Order(**{**plain, **values})


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "101"), (Side.SELL, "99")])
def test_a_market_order_gets_the_other_side(side: Side, price: str) -> None:
    assert fill_price(an_order(side), a_tick()) == D(price)


def test_without_a_book_the_last_trade_counts() -> None:
    assert fill_price(an_order(), a_tick(bid=None, ask=None)) == D(100)


@pytest.mark.parametrize(
    ("side", "limit", "resting", "price"),
    [
        (Side.BUY, "102", None, "101"),
        (Side.BUY, "101", NOW, "101"),
        (Side.BUY, "102", NOW, "102"),
        (Side.BUY, "100.99", None, None),
        (Side.SELL, "98", None, "99"),
        (Side.SELL, "98", NOW, "98"),
        (Side.SELL, "99.01", NOW, None),
    ],
)
def test_a_limit_order_never_gets_a_worse_price(
    side: Side, limit: str, resting: datetime | None, price: str | None
) -> None:
    order = an_order(side, order_type=OrderType.LIMIT, price=D(limit), sent_at=resting)

    assert fill_price(order, a_tick()) == (price and D(price))


@pytest.mark.parametrize(
    ("side", "stop", "triggered"),
    [(Side.BUY, "100", True), (Side.BUY, "100.01", False), (Side.SELL, "100", True), (Side.SELL, "99.99", False)],
)
def test_a_stop_waits_for_the_last_trade(side: Side, stop: str, triggered: bool) -> None:
    order = an_order(side, order_type=OrderType.STOP, stop_price=D(stop))

    assert is_triggered(order, a_tick()) is triggered
    assert is_triggered(an_order(side, order_type=OrderType.STOP, stop_price=D(stop), sent_at=NOW), a_tick())


def test_a_dry_fill_is_the_whole_order_once_with_the_takers_fee() -> None:
    fill = dry_fill(an_order(), D(101), D("0.001"), NOW, "USDT")

    assert (fill.volume, fill.cost, fill.fee, fill.fee_currency) == (D("0.5"), D("50.5"), D("0.0505"), "USDT")
    assert fill.venue_trade_id == f"dry-{UUID(int=1)}"
