"""From a row of the catalogue to an open port, or to one answer."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from fullon.kernel.clock import Clock
from fullon.venues.account import Examination, Keys
from fullon.venues.model import Market, Venue
from fullon.venues.port import MarketData

if TYPE_CHECKING:
    from fullon.venues.account_data import AccountData
    from fullon.venues.ccxt_account import CcxtAccount
    from fullon.venues.trading import Trading


def connect(venue: Venue, base_url: str | None, clock: Clock) -> MarketData:
    """The market data of ``venue``; nothing is sent until something is asked for.

    ccxt takes half a second to import, so it is imported here, by those who call.

    Args:
        base_url: address that takes the place of the venue's own, or None.

    Raises:
        Invalid: the row cannot be used; the sentence says why.
    """
    if venue.params.get("streams") == "binance":
        from fullon.venues.binance_streams import BinanceVenue as Implementation
    else:
        from fullon.venues.ccxt_venue import CcxtVenue as Implementation  # type: ignore[assignment]
    return Implementation(venue.name, venue.ccxt_id, venue.params, base_url, clock=clock)


def connect_account(venue: Venue, base_url: str | None, keys: Keys, clock: Clock, *, test: bool) -> CcxtAccount:
    """An account at ``venue``; nothing is sent until something is asked for, and whoever asks closes it.

    Args:
        base_url: address that takes the place of the venue's own, or None.
        test: at the venue's test network.

    Raises:
        Invalid: the row cannot be used, or the venue has no test network.
    """
    from fullon.venues.ccxt_account import CcxtAccount

    return CcxtAccount(venue.name, venue.ccxt_id, venue.params, base_url, keys, test=test, clock=clock)


def connect_account_data(venue: Venue, base_url: str | None, keys: Keys, clock: Clock, *, test: bool) -> AccountData:
    """An account at ``venue`` for reading what it has and does; as :func:`connect_account` otherwise.

    Raises:
        Invalid: the row cannot be used, or the venue has no test network.
    """
    from fullon.venues.ccxt_account_data import CcxtAccountData

    return CcxtAccountData(venue.name, venue.ccxt_id, venue.params, base_url, keys, test=test, clock=clock)


def connect_trading(venue: Venue, base_url: str | None, keys: Keys, clock: Clock, *, test: bool) -> Trading:
    """An account at ``venue`` for placing orders; nothing is sent until something is asked for.

    Args:
        base_url: address that takes the place of the venue's own, or None.
        test: at the venue's test network.

    Raises:
        NotOffered: orders cannot be placed there, or the venue has no test network.
        Invalid: the row cannot be used.
    """
    from fullon.venues.ccxt_trading import CcxtTrading

    return CcxtTrading(venue.name, venue.ccxt_id, venue.params, base_url, keys, test=test, clock=clock)


def taker_rate(venue: Venue) -> Decimal:
    """The share of a trade that ``venue`` takes from who takes, as it publishes it; 0.001 where it publishes none."""
    from fullon.venues.ccxt_venue import CcxtVenue

    return CcxtVenue.taker_rate(venue.ccxt_id) or Decimal("0.001")


async def examine_account(venue: Venue, base_url: str | None, keys: Keys, clock: Clock, *, test: bool) -> Examination:
    """What ``venue`` says of ``keys``; as :func:`connect_account`, and raises as ``CcxtAccount.examine``."""
    account = connect_account(venue, base_url, keys, clock, test=test)
    try:
        return await account.examine()
    finally:
        await account.close()


async def list_markets(venue: Venue, base_url: str | None, clock: Clock) -> list[Market]:
    """Everything that ``venue`` lists; as :func:`connect`."""
    data = connect(venue, base_url, clock)
    try:
        return await data.markets()
    finally:
        await data.close()
