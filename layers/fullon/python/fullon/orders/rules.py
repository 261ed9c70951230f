"""What a symbol and a balance allow, checked before anything is sent. Pure.

Every refusal names the rule, the limit, and the smallest or nearest valid amount, so that a person can mend it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from enum import StrEnum

from fullon.kernel.errors import Invalid
from fullon.kernel.money import round_down, shortest
from fullon.orders.model import OrderType, Side

#: Free balance that a market buy must leave for the price to move until it is filled.
MARKET_MARGIN = Decimal("0.002")


class Rule(StrEnum):
    """What an order can break."""

    QUANTITY_STEP = "quantity_step"
    PRICE_TICK = "price_tick"
    MINIMUM_QUANTITY = "minimum_quantity"
    MINIMUM_NOTIONAL = "minimum_notional"
    BALANCE = "balance"
    METADATA = "metadata"
    PRICE_UNKNOWN = "price_unknown"


class BreaksRule(Invalid):
    """An order breaks a rule of its symbol or exceeds a balance.

    Its facts ``smallest``, ``nearest`` or ``largest`` are an amount that does not.
    """

    default_code = "order_rule"

    def __init__(self, rule: Rule, field: str, detail: str, **facts: str) -> None:
        super().__init__(detail, fields={field: detail}, rule=rule.value, **facts)
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Limits:
    """What the venue says of a symbol; None is not known."""

    base: str
    quote: str
    tick_size: Decimal | None
    step_size: Decimal | None
    min_quantity: Decimal | None
    min_notional: Decimal | None


def smallest_quantity(limits: Limits, price: Decimal) -> Decimal:
    """The smallest quantity that the symbol allows at a price."""
    step = limits.step_size or Decimal(1).scaleb(-18)
    least = max(limits.min_quantity or Decimal(0), step)
    if limits.min_notional:
        least = max(least, limits.min_notional / price)
    return (least / step).to_integral_value(rounding=ROUND_CEILING) * step


def passive_price(side: Side, price: Decimal, tick: Decimal) -> Decimal:
    """The nearest price on the tick that is not nearer to the market: down for a buy, up for a sell."""
    rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
    return (price / tick).to_integral_value(rounding=rounding) * tick


def check_symbol(
    limits: Limits,
    *,
    order_type: OrderType,
    side: Side,
    volume: Decimal,
    price: Decimal | None,
    stop_price: Decimal | None,
    market_price: Decimal | None,
) -> None:
    """Check an order against its symbol.

    Args:
        market_price: what a market order is likely to get; None where nothing is known.

    Raises:
        BreaksRule: the first rule broken, in the order of :class:`Rule`.
    """
    if limits.step_size is None or limits.tick_size is None:
        raise BreaksRule(
            Rule.METADATA, "symbol", "The venue's precision of this symbol is not known yet; synchronise its symbols."
        )
    if volume % limits.step_size:
        nearest = round_down(volume, limits.step_size)
        raise BreaksRule(
            Rule.QUANTITY_STEP,
            "volume",
            f"The quantity must be a multiple of {shortest(limits.step_size)} {limits.base}.",
            step=shortest(limits.step_size),
            nearest=shortest(nearest),
        )
    for field, value in (("price", price), ("stop_price", stop_price)):
        if value is not None and value % limits.tick_size:
            raise BreaksRule(
                Rule.PRICE_TICK,
                field,
                f"The {field.replace('_', ' ')} must be a multiple of {shortest(limits.tick_size)} {limits.quote}.",
                tick=shortest(limits.tick_size),
                nearest=shortest(passive_price(side, value, limits.tick_size)),
            )
    reference = price or stop_price or market_price
    if reference is None:
        raise BreaksRule(Rule.PRICE_UNKNOWN, "symbol", "There is no price of this symbol at present; start the ticker.")
    smallest = smallest_quantity(limits, reference)
    if limits.min_quantity is not None and volume < limits.min_quantity:
        raise BreaksRule(
            Rule.MINIMUM_QUANTITY,
            "volume",
            f"The quantity must be at least {shortest(limits.min_quantity)} {limits.base}.",
            minimum=shortest(limits.min_quantity),
            smallest=shortest(smallest),
        )
    if limits.min_notional is not None and volume * reference < limits.min_notional:
        raise BreaksRule(
            Rule.MINIMUM_NOTIONAL,
            "volume",
            f"The order must be worth at least {shortest(limits.min_notional)} {limits.quote}; at "
            f"{shortest(reference)} that is {shortest(smallest)} {limits.base}.",
            minimum=shortest(limits.min_notional),
            price=shortest(reference),
            smallest=shortest(smallest),
        )


def needed(
    limits: Limits, *, order_type: OrderType, side: Side, volume: Decimal, price: Decimal | None, market_price: Decimal
) -> tuple[str, Decimal]:
    """Which currency a spot order takes from the account, and how much of it."""
    if side is Side.SELL:
        return limits.base, volume
    margin = Decimal(1) if order_type.has_price else 1 + MARKET_MARGIN
    return limits.quote, volume * (price or market_price) * margin


def check_balance(
    limits: Limits,
    free: Decimal,
    *,
    order_type: OrderType,
    side: Side,
    volume: Decimal,
    price: Decimal | None,
    market_price: Decimal,
) -> None:
    """Check a spot order against the free balance of the currency it takes.

    Raises:
        BreaksRule: it takes more than is free; ``largest`` is what the balance covers.
    """
    currency, amount = needed(
        limits, order_type=order_type, side=side, volume=volume, price=price, market_price=market_price
    )
    if amount <= free:
        return
    step = limits.step_size or Decimal(1).scaleb(-18)
    largest = free if side is Side.SELL else free * volume / amount
    largest = (largest / step).to_integral_value(rounding=ROUND_DOWN) * step
    raise BreaksRule(
        Rule.BALANCE,
        "volume",
        f"The order takes {shortest(amount)} {currency} and {shortest(free)} {currency} is free.",
        currency=currency,
        needed=shortest(amount),
        free=shortest(free),
        largest=shortest(max(largest, Decimal(0))),
    )
