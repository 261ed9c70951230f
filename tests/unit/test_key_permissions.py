"""What venues say of a key, read as they document it."""

from __future__ import annotations

from typing import Any

import ccxt
import pytest

from fullon.venues.account import Permissions
from fullon.venues.key_permissions import TELLING

BINANCE = {"enableReading": True, "enableSpotAndMarginTrading": True, "enableWithdrawals": False}
BYBIT_NAMES = {"Spot": ["SpotTrade"], "Wallet": ["AccountTransfer", "Withdraw"], "Options": []}
COINBASE = {"can_view": True, "can_trade": False, "can_transfer": True, "portfolio_uuid": "x"}
BITFINEX = [["account", 1, 0], ["orders", 1, 1], ["wallets", 1, 0], ["withdraw", 0, 0], ["ui_withdraw", 0, 1]]


@pytest.mark.parametrize(
    ("venue", "answer", "expected"),
    [
        ("binance", BINANCE, Permissions(True, True, False)),
        ("binance", {**BINANCE, "enableWithdrawals": True, "enableReading": False}, Permissions(False, True, True)),
        ("bybit", {"result": {"readOnly": "0", "permissions": BYBIT_NAMES}}, Permissions(True, True, True)),
        ("bybit", {"result": {"readOnly": "1", "permissions": BYBIT_NAMES}}, Permissions(True, False, False)),
        ("okx", {"data": [{"perm": "read_only,trade"}]}, Permissions(True, True, False)),
        ("okx", {"data": [{"perm": "read_only,withdraw"}]}, Permissions(True, False, True)),
        ("coinbase", COINBASE, Permissions(True, False, True)),
        ("bitfinex", BITFINEX, Permissions(True, True, True)),
        ("bitfinex", BITFINEX[:-1], Permissions(True, True, False)),
    ],
)
def test_permissions_are_read(venue: str, answer: Any, expected: Permissions) -> None:
    assert TELLING[venue][1](answer) == expected


@pytest.mark.parametrize("venue", TELLING)
def test_ccxt_has_the_method_that_is_asked(venue: str) -> None:
    assert callable(getattr(getattr(ccxt, venue)(), TELLING[venue][0]))
