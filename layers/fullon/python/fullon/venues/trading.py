"""Placing and cancelling orders at a venue. The port, its values and its errors.

Implementation: :mod:`fullon.venues.ccxt_trading`. What an account has and does is read through
:mod:`fullon.venues.account_data`, whose values are the answers here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from fullon.kernel.errors import Invalid, TimedOut
from fullon.venues.account_data import Kind, Side, VenueFill, VenueOrder
from fullon.venues.errors import NotOffered

#: Where orders can be placed, by ccxt's names: venues that refuse a request which arrives later than it says.
PLACES = frozenset({"binance", "binanceus", "binanceusdm", "binancecoinm"})


def check_places(exchange: str, ccxt_id: str) -> None:
    """Refuse to order where an order could arrive after it was given up.

    Raises:
        NotOffered: that could happen there.
    """
    if ccxt_id not in PLACES:
        raise NotOffered(
            f"Orders cannot be placed at the exchange {exchange} yet; bots on paper can trade its symbols.",
            exchange=exchange,
        )


class Refused(Invalid):
    """The venue does not take the order; sending it again changes nothing. ``rule`` says what stands against it."""

    default_code = "order_refused"

    def __init__(self, detail: str, *, rule: str, exchange: str) -> None:
        super().__init__(detail, rule=rule, exchange=exchange)
        self.rule = rule


class Unknown(TimedOut):
    """The order was sent, and whether it is at the venue is not known. It is looked for, never sent again."""

    default_code = "order_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What is sent.

    Attributes:
        client_order_id: what the venue will know it by; never used before.
        sent_at: when its sending was written down, by our clock. The venue refuses it when it arrives later than the
            receive window after that, so a sender that was paused cannot send what others have given up.
    """

    symbol: str
    side: Side
    kind: Kind
    volume: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    client_order_id: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """An order as its venue states it, with those of its fills that are known with it."""

    order: VenueOrder
    fills: tuple[VenueFill, ...] = ()


class Trading(Protocol):
    """One account of a venue, for placing orders.

    No error holds a key or a signature. Reads and cancellations raise the errors of :mod:`fullon.venues.errors` and may
    be repeated; an answer that did not come is an error, never "there is none".
    """

    name: str

    async def turn(self, symbol: str, leverage: Decimal = Decimal(1)) -> None:
        """Wait until an order may be sent: the rate budget has room, and what the venue says of ``symbol`` is known.

        Args:
            leverage: above 1 it is set for ``symbol`` at the venue; 1 leaves what is set there.

        Raises:
            Refused: the venue has no such symbol, or not for us, or not with this leverage.
            VenueDown, VenueTimedOut, VenueLimit: not now.
        """

    async def place(self, placement: Placement) -> Found:
        """Send an order, once.

        Raises:
            Refused: it is not at the venue and never will be.
            Unknown: it may be at the venue.
            VenueDown, VenueClockDiffers, VenueLimit: it is not at the venue, by the venue's word or because nothing was
                sent; it may be tried later.
        """

    async def cancel(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Found | None:
        """End an order, and say what became of it; None when the venue does not know it."""

    async def find(self, symbol: str, client_order_id: str, venue_order_id: str | None = None) -> Found | None:
        """Look for an order among open orders, closed orders and fills: by the venue's id where that is known, else by
        its client id; None when it is nowhere."""

    async def close(self) -> None:
        """Close what is open."""
