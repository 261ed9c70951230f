"""ccxt's structures about an account as our values; what a venue left out that cannot be done without makes it None."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fullon.kernel.clock import from_milliseconds
from fullon.venues.account_data import Kind, State, VenueBalance, VenueFill, VenueOrder, VenuePosition
from fullon.venues.ccxt_values import decimal

Raw = Mapping[str, Any]

_STATES: Mapping[str, State] = {
    "open": "open",
    "canceling": "open",
    "canceled": "canceled",
    "cancelled": "canceled",
    "rejected": "rejected",
    "expired": "expired",
    "expired_in_match": "expired",
}
_NOTHING = Decimal(0)


def balances(raw: Raw) -> list[VenueBalance]:
    """Currencies there is something of."""
    free, used, total = (raw.get(name) or {} for name in ("free", "used", "total"))
    found = []
    for currency in sorted(total):
        held = decimal(used.get(currency)) or _NOTHING
        at_hand = decimal(free.get(currency))
        if at_hand is None:
            at_hand = (decimal(total[currency]) or _NOTHING) - held
        if held or at_hand:
            found.append(VenueBalance(currency, at_hand, held))
    return found


def order(raw: Raw) -> VenueOrder | None:
    """An order."""
    venue_order_id, symbol, side = raw.get("id"), raw.get("symbol"), raw.get("side")
    filled = decimal(raw.get("filled")) or _NOTHING
    volume = decimal(raw.get("amount")) or filled
    if venue_order_id is None or symbol is None or side not in ("buy", "sell") or volume <= 0:
        return None
    price, stop_price = _positive(raw.get("price")), _positive(raw.get("triggerPrice") or raw.get("stopPrice"))
    kind = _kind(str(raw.get("type") or ""), stop_price)
    name = raw.get("clientOrderId")
    return VenueOrder(
        symbol=str(symbol),
        venue_order_id=str(venue_order_id),
        client_order_id=str(name) if name else None,
        side=side,
        kind=kind,
        volume=volume,
        price=price if kind in ("limit", "stop_limit") else None,
        stop_price=stop_price if kind in ("stop", "stop_limit") else None,
        state=_state(str(raw.get("status") or "open").lower(), filled, volume),
        filled=filled,
        cost=decimal(raw.get("cost")),
        at=_moment(raw.get("timestamp")),
    )


def fill(raw: Raw) -> VenueFill | None:
    """A trade of the account."""
    price, volume = _positive(raw.get("price")), _positive(raw.get("amount"))
    trade_id, symbol, side, at = raw.get("id"), raw.get("symbol"), raw.get("side"), _moment(raw.get("timestamp"))
    if price is None or volume is None or trade_id is None or symbol is None or at is None:
        return None
    if side not in ("buy", "sell"):
        return None
    fee, currency = _fee(raw)
    venue_order_id, maker = raw.get("order"), raw.get("takerOrMaker")
    return VenueFill(
        symbol=str(symbol),
        venue_trade_id=str(trade_id),
        venue_order_id=None if venue_order_id is None else str(venue_order_id),
        client_order_id=_client_order_id(raw),
        side=side,
        price=price,
        volume=volume,
        fee=fee,
        fee_currency=currency or str(symbol).partition("/")[2].partition(":")[0],
        maker=None if maker is None else maker == "maker",
        at=at,
    )


def position(raw: Raw) -> VenuePosition | None:
    """An open position; its quantity is in contracts times their size."""
    contracts, symbol = decimal(raw.get("contracts")), raw.get("symbol")
    entry = _positive(raw.get("entryPrice"))
    if not contracts or symbol is None or entry is None:
        return None
    volume = abs(contracts) * (decimal(raw.get("contractSize")) or Decimal(1))
    return VenuePosition(
        symbol=str(symbol),
        volume=-volume if raw.get("side") == "short" else volume,
        entry_price=entry,
        mark=_positive(raw.get("markPrice")),
        unrealized=decimal(raw.get("unrealizedPnl")),
        opened_at=_moment(raw.get("timestamp")),
    )


def _state(status: str, filled: Decimal, volume: Decimal) -> State:
    if status == "closed":
        return "filled" if filled >= volume else "canceled"
    found = _STATES.get(status, "open")
    return "partially_filled" if found == "open" and filled else found


def _kind(said: str, stop_price: Decimal | None) -> Kind:
    words = said.lower().replace("-", "_")
    waits = stop_price is not None or "stop" in words or "take_profit" in words
    if "limit" in words or words == "post_only":
        return "stop_limit" if waits else "limit"
    return "stop" if waits else "market"


def _fee(raw: Raw) -> tuple[Decimal, str | None]:
    """What was paid; of several fees those in the currency of the first."""
    fees = [each for each in (raw.get("fees") or [raw.get("fee")]) if each and each.get("currency")]
    if not fees:
        return _NOTHING, None
    currency = str(fees[0]["currency"])
    return sum(
        (decimal(each.get("cost")) or _NOTHING for each in fees if each["currency"] == currency), _NOTHING
    ), currency


def _client_order_id(raw: Raw) -> str | None:
    """Where the venue says it with the trade; Binance's user stream does (``c`` of an ``executionReport``)."""
    information = raw.get("info")
    said = raw.get("clientOrderId")
    if not said and isinstance(information, Mapping) and information.get("e") == "executionReport":
        said = information.get("c")
    return str(said) if said else None


def _positive(value: object) -> Decimal | None:
    number = decimal(value)
    return number if number is not None and number > 0 else None


def _moment(value: object) -> Any:
    return None if value is None else from_milliseconds(int(str(value)))
