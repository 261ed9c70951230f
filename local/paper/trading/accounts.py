"""Accounts, their keys and their balances as values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

DEFAULT_FEE = Decimal("0.001")
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Account:
    """Who owns balances. Fees are shares of what is received: 0.001 is a tenth of a percent."""

    id: int
    maker: Decimal = DEFAULT_FEE
    taker: Decimal = DEFAULT_FEE
    created: int = 0


@dataclass(frozen=True, slots=True)
class Key:
    """An API key and what it allows. Several keys may open one account."""

    key: str
    secret: str
    account: int
    read: bool = True
    trade: bool = True
    withdraw: bool = False
    enabled: bool = True
    created: int = 0

    def __repr__(self) -> str:
        return f"Key({self.key[:6]}…, account={self.account})"


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has of an asset: ``free`` to use, ``locked`` by open orders. Exact, never negative."""

    free: Decimal = ZERO
    locked: Decimal = ZERO

    def moved(self, free: Decimal, locked: Decimal) -> Balance:
        """The balance after both parts have changed by so much."""
        after = Balance(self.free + free, self.locked + locked)
        if after.free < 0 or after.locked < 0:
            raise ValueError("a balance is never negative")
        return after


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money put into an account or taken out of it by the control endpoint."""

    account: int
    asset: str
    amount: Decimal
    time: int
