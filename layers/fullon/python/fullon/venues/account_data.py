"""What an account has and does at its venue: balances, positions, orders, fills. The port, and the values behind it.

Implementation: :mod:`fullon.venues.ccxt_account_data`. Nothing here places or cancels an order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias

from fullon.venues.port import Stream

Side: TypeAlias = Literal["buy", "sell"]
Kind: TypeAlias = Literal["market", "limit", "stop", "stop_limit"]
State: TypeAlias = Literal["open", "partially_filled", "filled", "canceled", "rejected", "expired"]


@dataclass(frozen=True, slots=True)
class VenueBalance:
    """One currency of an account: free, and held by open orders."""

    currency: str
    free: Decimal
    used: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuePosition:
    """A position as the venue keeps it, of contracts; spot holdings are balances.

    Attributes:
        volume: in the base currency, negative when short.
    """

    symbol: str
    volume: Decimal
    entry_price: Decimal
    mark: Decimal | None
    unrealized: Decimal | None
    opened_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """An order as its venue states it.

    Attributes:
        client_order_id: what whoever placed it called it; None where the venue does not say.
        filled: how much of ``volume`` is.
        cost: what that cost in the quote currency; None where the venue does not say.
        at: when the venue accepted it.
    """

    symbol: str
    venue_order_id: str
    client_order_id: str | None
    side: Side
    kind: Kind
    volume: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    state: State
    filled: Decimal
    cost: Decimal | None
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFill:
    """A trade of an account as its venue reports it.

    Attributes:
        venue_trade_id: unique in its account and symbol.
        client_order_id: of its order, where the venue says it with the trade.
        fee: what was paid, in ``fee_currency``; negative where the venue paid.
        maker: None where the venue does not say.
    """

    symbol: str
    venue_trade_id: str
    venue_order_id: str | None
    client_order_id: str | None
    side: Side
    price: Decimal
    volume: Decimal
    fee: Decimal
    fee_currency: str
    maker: bool | None
    at: datetime


#: What a user stream says of balances: that they are no longer what they were.
BALANCES_CHANGED: Literal["balances"] = "balances"
#: What a user stream tells.
Event: TypeAlias = VenueOrder | VenueFill | Literal["balances"]


class AccountData(Protocol):
    """One account of a venue, for reading.

    Every method and iterator raises the errors of :mod:`fullon.venues.errors` and nothing of the library underneath; no
    error holds a key or a signature.
    """

    name: str

    @property
    def streams(self) -> bool:
        """Whether the venue tells what happens by itself."""

    async def clock_offset(self) -> int:
        """The venue's time less ours in milliseconds.

        Requests are signed with our time, and once the venue has refused that with the time that was last measured
        here. A venue that replays is not followed: its time runs away from whoever measured it.
        """

    async def balances(self) -> list[VenueBalance]:
        """Every currency there is something of."""

    async def positions(self) -> list[VenuePosition]:
        """Open positions of contracts; none where the venue has no contracts."""

    async def open_orders(self, symbols: Sequence[str]) -> list[VenueOrder]:
        """Every open order; ``symbols`` are looked at where the venue does not answer for all at once."""

    async def order(self, symbol: str, venue_order_id: str) -> VenueOrder | None:
        """One order, open or ended; None when the venue does not know it."""

    async def fills(self, symbol: str, after: str | None, since: datetime | None) -> list[VenueFill]:
        """One page of the account's trades in a symbol, oldest first: those after the id ``after`` where the venue
        pages by id, else those from ``since`` on, else the newest."""

    def stream(self) -> Stream[Event]:
        """What happens from now on, in batches. An empty batch says that the stream stands."""

    async def close(self) -> None:
        """Close what is open; a stream still running ends."""
