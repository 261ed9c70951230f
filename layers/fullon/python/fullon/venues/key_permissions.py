"""What a key may do, in the words of each venue that tells it. Pure: from the venue's answer to our permissions.

Sources, read 2026-11: Binance "Get API Key Permission" (``GET /sapi/v1/account/apiRestrictions``), Bybit v5 "Get API
Key Information" (``GET /v5/user/query-api``), OKX v5 "Get account configuration" (``perm``), Bitfinex "Key
Permissions" (``auth/r/permissions``), Coinbase Advanced "Get API Key Permissions" (``can_transfer`` sends money out).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fullon.venues.account import Permissions

#: Of Bybit's permissions, those that place orders.
_BYBIT_TRADE = {"SpotTrade", "Order", "OptionsTrade", "DerivativesTrade"}


def binance(answer: Mapping[str, Any]) -> Permissions:
    trades = ("enableSpotAndMarginTrading", "enableFutures", "enableMargin")
    return Permissions(
        _is(answer.get("enableReading")),
        any(_is(answer.get(name)) for name in trades),
        _is(answer.get("enableWithdrawals")),
    )


def bybit(answer: Mapping[str, Any]) -> Permissions:
    result = answer["result"]
    granted = {name for names in result["permissions"].values() for name in names or ()}
    may_write = not _is(result.get("readOnly"))
    return Permissions(True, may_write and bool(granted & _BYBIT_TRADE), may_write and "Withdraw" in granted)


def okx(answer: Mapping[str, Any]) -> Permissions:
    granted = {name.strip() for name in str(answer["data"][0]["perm"]).split(",")}
    return Permissions(True, "trade" in granted, "withdraw" in granted)


def bitfinex(answer: list[list[Any]]) -> Permissions:
    granted = {str(scope): (_is(read), _is(write)) for scope, read, write, *_ in answer}
    withdraw = any(granted.get(scope, (False, False))[1] for scope in ("withdraw", "ui_withdraw"))
    return Permissions(granted["wallets"][0], granted["orders"][1], withdraw)


def coinbase(answer: Mapping[str, Any]) -> Permissions:
    return Permissions(_is(answer["can_view"]), _is(answer["can_trade"]), _is(answer["can_transfer"]))


#: ccxt class → its method that asks for it, and who reads the answer.
TELLING: Mapping[str, tuple[str, Callable[[Any], Permissions]]] = {
    "binance": ("sapi_get_account_apirestrictions", binance),
    "bybit": ("private_get_v5_user_query_api", bybit),
    "okx": ("private_get_account_config", okx),
    "bitfinex": ("private_post_auth_r_permissions", bitfinex),
    "coinbase": ("v3_private_get_brokerage_key_permissions", coinbase),
}


def _is(value: object) -> bool:
    """Venues write it as a truth value, a number, or as text."""
    return value in (True, 1) or str(value).lower() in {"true", "1"}
