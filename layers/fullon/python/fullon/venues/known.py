"""The venues that every installation knows from its first migration on, all switched off.

An admin switches one on, syncs its symbols and switches on those that are wanted. Any other venue of ccxt works as
these do; they are merely entered already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fullon.venues import store
from fullon.venues.model import Venue

if TYPE_CHECKING:
    from fullon.venues.store import Connection

_SPOT_ONLY = {"options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}}
#: name → ccxt's class, title, how it is connected to.
KNOWN: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "binance": ("binance", "Binance", {**_SPOT_ONLY, "streams": "binance"}),
    "bitfinex": ("bitfinex", "Bitfinex", {}),
    "bitstamp": ("bitstamp", "Bitstamp", {}),
    "bybit": ("bybit", "Bybit", {"options": {"defaultType": "spot"}}),
    "coinbase": ("coinbase", "Coinbase", {}),
    "kraken": ("kraken", "Kraken", {}),
    "kucoin": ("kucoin", "KuCoin", {}),
    "okx": ("okx", "OKX", {"options": {"defaultType": "spot"}}),
}


async def put_known(connection: Connection) -> int:
    """Enter those that are missing and say how many; what is there stays as it is."""
    present = {venue.name for venue in await store.venues(connection)}
    missing = sorted(KNOWN.keys() - present)
    for name in missing:
        ccxt_id, title, params = KNOWN[name]
        await store.put_venue(connection, Venue(0, name, ccxt_id, title, active=False, params=params))
    return len(missing)
