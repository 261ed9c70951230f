"""What the cache answers about exchange accounts."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from functions.cache.schemas import Aged

_ACCOUNT = "0199f1c2-9b61-7d0f-8a2e-5f0d3c1b2a99"


class CachedBalance(BaseModel):
    """One currency of an account."""

    currency: str = Field(examples=["USDT"])
    free: str = Field(description="At hand.", examples=["9874.25"])
    used: str = Field(description="Held by open orders.", examples=["125.75"])
    total: str = Field(examples=["10000"])


class CachedPosition(BaseModel):
    """What is held of a symbol: contracts as the venue says, everything else by the account's fills."""

    symbol: str = Field(examples=["BTC/USDT"])
    side: Literal["long", "short"]
    volume: str = Field(description="Of the base currency.", examples=["0.25"])
    entry_price: str = Field(description="Average price of what is held.", examples=["61250.5"])
    fees: str = Field(description="Paid for what is held, in the quote currency.", examples=["15.31"])
    mark: str | None = Field(description="Price when it was looked at; null where none was known.", examples=["62000"])
    unrealized: str | None = Field(
        description="Profit if closed at that price, before the fee of closing.", examples=["187.375"]
    )
    opened_at: str = Field(examples=["2026-08-17T10:00:00Z"])


class _OfAccount(Aged):
    ex_id: UUID = Field(examples=[_ACCOUNT])
    exchange: str = Field(examples=["paper"])
    name: str = Field(description="The owner's name for the account.", examples=["main"])


class AccountBalances(_OfAccount):
    """An account's balances, as of when its venue was last asked."""

    balances: list[CachedBalance] = Field(description="Currencies there is something of.")


class AccountPositions(_OfAccount):
    """An account's positions, as of when its venue was last asked."""

    positions: list[CachedPosition] = Field(description="By symbol.")


class UserBalances(Aged):
    """Accounts of a user that the cache knows; `as_of` is that of the oldest of them."""

    user_id: UUID
    items: list[AccountBalances]
    next_cursor: None = Field(default=None, description="Always whole.")


class UserPositions(Aged):
    """Accounts of a user that the cache knows; `as_of` is that of the oldest of them."""

    user_id: UUID
    items: list[AccountPositions]
    next_cursor: None = Field(default=None, description="Always whole.")
