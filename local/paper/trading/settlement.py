"""What orders and fills do to balances. Every number is exact; only a commission is rounded, down to eight decimals."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

from local.paper.market import Symbol
from local.paper.trading.accounts import ZERO, Account
from local.paper.trading.orders import Order, Side

_COMMISSION_STEP = Decimal("0.00000001")


class Movement(NamedTuple):
    """A change of one balance."""

    asset: str
    free: Decimal
    locked: Decimal


def coins(symbol: Symbol, steps: int) -> Decimal:
    """A quantity of base currency."""
    return Decimal(steps).scaleb(-symbol.quantity_decimals)


def money(symbol: Symbol, amount: int) -> Decimal:
    """An amount of quote currency, from ticks times steps."""
    return Decimal(amount).scaleb(-symbol.price_decimals - symbol.quantity_decimals)


def reserved(symbol: Symbol, order: Order) -> tuple[str, Decimal]:
    """The asset and how much of it an open order holds back."""
    if order.side is Side.SELL:
        return symbol.base, coins(symbol, order.remaining)
    return symbol.quote, money(symbol, order.remaining * order.reserve_price)


def hold(symbol: Symbol, order: Order) -> Movement:
    """Locking the funds of a new order."""
    asset, amount = reserved(symbol, order)
    return Movement(asset, -amount, amount)


def release(symbol: Symbol, order: Order) -> Movement:
    """Giving back what an order has not used."""
    asset, amount = reserved(symbol, order)
    return Movement(asset, amount, -amount)


def commission(symbol: Symbol, account: Account, side: Side, price: int, quantity: int, *, maker: bool) -> Decimal:
    """The fee of a fill, in the asset that is received."""
    received = coins(symbol, quantity) if side is Side.BUY else money(symbol, price * quantity)
    return (received * (account.maker if maker else account.taker)).quantize(_COMMISSION_STEP, ROUND_DOWN)


def settle(symbol: Symbol, order: Order, price: int, quantity: int, fee: Decimal) -> Iterator[Movement]:
    """What a fill of ``order``, as it stood before, does to the two balances; the base currency first."""
    bought, paid = coins(symbol, quantity), money(symbol, price * quantity)
    if order.side is Side.BUY:
        locked = money(symbol, order.reserve_price * quantity) if order.held else ZERO
        yield Movement(symbol.base, bought - fee, ZERO)
        yield Movement(symbol.quote, locked - paid, -locked)
    else:
        locked = bought if order.held else ZERO
        yield Movement(symbol.base, locked - bought, -locked)
        yield Movement(symbol.quote, paid - fee, ZERO)
