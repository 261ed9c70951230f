"""First in, first out, by hand and against a calculation that shares nothing with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullon.orders.lots import Closed, Lots
from fullon.orders.model import Fill, FillSource, Side

D = Decimal
START = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNT, OWNER = uuid4(), uuid4()


def fill(number: int, side: Side, volume: str | Decimal, price: str | Decimal, fee: str | Decimal | None = "0") -> Fill:
    return Fill(
        fill_id=UUID(int=number),
        uid=OWNER,
        ex_id=ACCOUNT,
        order_id=None,
        bot_id=None,
        symbol_id=1,
        symbol="BTC/USDT",
        side=side,
        source=FillSource.VENUE,
        venue_trade_id=str(number),
        venue_order_id=None,
        price=D(price),
        volume=D(volume),
        fee=D(0),
        fee_currency="USDT",
        fee_quote=None if fee is None else D(fee),
        maker=None,
        at=START + timedelta(minutes=number),
    )


def buy(number: int, volume: str, price: str, fee: str | None = "0") -> Fill:
    return fill(number, Side.BUY, volume, price, fee)


def sell(number: int, volume: str, price: str, fee: str | None = "0") -> Fill:
    return fill(number, Side.SELL, volume, price, fee)


def taken(*fills: Fill) -> tuple[Lots, list[Closed]]:
    lots = Lots()
    return lots, [closed for each in fills for closed in lots.take(each)]


def test_a_sale_closes_the_oldest_purchase_first() -> None:
    lots, closed = taken(buy(1, "1", "100"), buy(2, "1", "200"), sell(3, "1.5", "300"))

    assert [(each.entry_price, each.volume, each.pnl) for each in closed] == [
        (D(100), D(1), D(200)),
        (D(200), D("0.5"), D("50.0")),
    ]
    assert lots.volume == D("0.5")
    assert lots.entry_price == D(200)


def test_fees_of_both_sides_are_shared_by_quantity() -> None:
    lots, closed = taken(buy(1, "4", "100", "8"), sell(2, "1", "110", "1"), sell(3, "3", "110", "3"))

    assert [(each.entry_fee, each.exit_fee, each.pnl) for each in closed] == [(D(2), D(1), D(7)), (D(6), D(3), D(21))]
    assert lots.held == ()


def test_a_sale_beyond_what_is_held_turns_the_position_short() -> None:
    lots, closed = taken(buy(1, "1", "100"), sell(2, "3", "90", "3"), buy(3, "2", "80", "1"))

    assert [(each.direction, each.volume, each.pnl) for each in closed] == [
        (1, D(1), D(-11)),
        (-1, D(2), D("17")),
    ]
    assert lots.volume == 0
    assert lots.entry_price is None


def test_the_return_is_over_what_was_put_in() -> None:
    _, [closed] = taken(buy(1, "2", "50", "1"), sell(2, "2", "60", "1"))

    assert closed.pnl == 18
    assert closed.roi == round(D(18) / D(101), 18)


def test_a_fee_of_unknown_worth_counts_as_none() -> None:
    _, [closed] = taken(buy(1, "1", "50", None), sell(2, "1", "60", None))

    assert closed.pnl == 10


@pytest.mark.parametrize("first", [Side.BUY, Side.SELL])
def test_closing_exactly_leaves_nothing(first: Side) -> None:
    second = Side.SELL if first is Side.BUY else Side.BUY
    lots, closed = taken(fill(1, first, "0.3", "10"), fill(2, first, "0.7", "20"), fill(3, second, "1.0", "30"))

    assert lots.held == ()
    assert sum(each.volume for each in closed) == 1


fills = st.lists(
    st.tuples(
        st.sampled_from(list(Side)),
        st.decimals("0.001", "50", places=3),
        st.decimals("0.01", "1000", places=2),
        st.decimals("0", "3", places=4),
    ),
    max_size=25,
).map(lambda rows: [fill(number, *row) for number, row in enumerate(rows, start=1)])


@given(fills)
def test_profit_and_position_are_those_of_a_calculation_by_single_units(every: Sequence[Fill]) -> None:
    lots, closed = taken(*every)

    assert lots.volume == sum(each.volume * each.side.sign for each in every)
    gross = sum((Fraction(each.pnl + each.entry_fee + each.exit_fee) for each in closed), Fraction(0))
    assert gross == by_units(every)


def by_units(every: Sequence[Fill]) -> Fraction:
    """Gross profit, first in first out, over intervals of the cumulative bought and sold quantity.

    The nth unit bought is matched with the nth unit sold, whichever came first: that is what a queue of lots does.
    """
    sides: dict[Side, list[tuple[Fraction, Fraction, Fraction]]] = {}
    for side in Side:
        end, spans = Fraction(0), []
        for each in every:
            if each.side is side:
                spans.append((end, end + Fraction(each.volume), Fraction(each.price)))
                end = spans[-1][1]
        sides[side] = spans
    return sum(
        (
            max(Fraction(0), min(until, sold_until) - max(since, sold_since)) * (sold - bought)
            for since, until, bought in sides[Side.BUY]
            for sold_since, sold_until, sold in sides[Side.SELL]
        ),
        Fraction(0),
    )


@given(fills)
def test_no_fee_and_no_quantity_is_lost_or_counted_twice(every: Sequence[Fill]) -> None:
    lots, closed = taken(*every)

    paid = sum((each.fee_quote or D(0) for each in every), D(0))
    shared = sum((each.entry_fee + each.exit_fee for each in closed), D(0)) + sum((lot.fee for lot in lots.held), D(0))
    assert shared == paid
    handled = 2 * sum((each.volume for each in closed), D(0)) + sum((lot.volume for lot in lots.held), D(0))
    assert handled == sum((each.volume for each in every), D(0))


@given(fills, st.integers(0, 25))
def test_going_on_from_what_was_kept_is_the_same_as_going_through(every: Sequence[Fill], cut: int) -> None:
    whole, closed = taken(*every)

    first = Lots()
    before = [each for one in every[:cut] for each in first.take(one)]
    second = Lots(first.held)
    after = [each for one in every[cut:] for each in second.take(one)]

    assert (before + after, second.held) == (closed, whole.held)
