"""The symbols of the venue: precision, trading rules as filters, and numbers as Binance writes them.

Inside the venue a price is a whole number of ticks, a quantity a whole number of steps and an amount of quote currency
their product, so that every sum is exact. They become text here, with at least the eight decimals Binance shows; an
amount shows more where tick times step is finer than that, rather than being rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from fullon.kernel.errors import Invalid

SHOWN_DECIMALS = 8
_ORDER_TYPES = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"]


@dataclass(frozen=True)
class Symbol:
    """One market.

    Args:
        base: the coin traded.
        quote: the coin it is priced in.
        price_decimals: decimals of the tick: 2 is a tick of 0.01.
        quantity_decimals: decimals of the step.
        maximum_price, maximum_quantity, market_quantity, minimum_notional: limits of the filters, as text.
    """

    base: str
    quote: str
    price_decimals: int
    quantity_decimals: int
    maximum_price: str
    maximum_quantity: str
    market_quantity: str
    minimum_notional: str = "5"

    @cached_property
    def id(self) -> str:
        """Binance's name, ``BTCUSDT``."""
        return self.base + self.quote

    def ticks(self, text: str) -> int:
        """A price in ticks; raises Invalid where it is finer than the tick."""
        return _units(text, self.price_decimals, "price")

    def steps(self, text: str) -> int:
        """A quantity in steps; raises Invalid where it is finer than the step."""
        return _units(text, self.quantity_decimals, "quantity")

    def price(self, ticks: int) -> str:
        return _text(ticks, self.price_decimals)

    def quantity(self, steps: int) -> str:
        return _text(steps, self.quantity_decimals)

    def amount(self, units: int) -> str:
        """An amount of quote currency in ticks times steps."""
        return _text(units, self.price_decimals + self.quantity_decimals)

    def average(self, amount: int, quantity: int) -> str:
        """The price at which ``quantity`` steps cost ``amount``, rounded down to the decimals shown."""
        return _text(amount * 10 ** (SHOWN_DECIMALS - self.price_decimals) // (quantity or 1), SHOWN_DECIMALS)

    def information(self) -> dict[str, Any]:
        """The symbol as ``exchangeInfo`` lists it."""
        return {
            "symbol": self.id,
            "status": "TRADING",
            "baseAsset": self.base,
            "baseAssetPrecision": 8,
            "quoteAsset": self.quote,
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "baseCommissionPrecision": 8,
            "quoteCommissionPrecision": 8,
            "orderTypes": _ORDER_TYPES,
            "icebergAllowed": True,
            "ocoAllowed": False,
            "otoAllowed": False,
            "quoteOrderQtyMarketAllowed": True,
            "allowTrailingStop": False,
            "cancelReplaceAllowed": True,
            "amendAllowed": False,
            "isSpotTradingAllowed": True,
            "isMarginTradingAllowed": False,
            "filters": self._filters(),
            "permissions": [],
            "permissionSets": [["SPOT"]],
            "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
            "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
        }

    def _filters(self) -> list[dict[str, Any]]:
        return [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": self.price(1),
                "maxPrice": _shown(self.maximum_price),
                "tickSize": self.price(1),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": self.quantity(1),
                "maxQty": _shown(self.maximum_quantity),
                "stepSize": self.quantity(1),
            },
            {"filterType": "ICEBERG_PARTS", "limit": 10},
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": _shown("0"),
                "maxQty": _shown(self.market_quantity),
                "stepSize": _shown("0"),
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": "5",
                "bidMultiplierDown": "0.2",
                "askMultiplierUp": "5",
                "askMultiplierDown": "0.2",
                "avgPriceMins": 5,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": _shown(self.minimum_notional),
                "applyMinToMarket": True,
                "maxNotional": _shown("9000000"),
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
        ]


#: Recorded volumes have eight decimals, so the step of BTC is one satoshi: the prints of a minute sum to it exactly.
BTC_USDT = Symbol("BTC", "USDT", 2, 8, "1000000", "9000", "120.5")
ETH_USDT = Symbol("ETH", "USDT", 2, 4, "1000000", "9000", "2100.4")
SOL_USDT = Symbol("SOL", "USDT", 2, 3, "100000", "90000", "18000.25")
SYMBOLS = (BTC_USDT, ETH_USDT, SOL_USDT)


def _units(text: str, decimals: int, name: str) -> int:
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > decimals or not (whole + fraction).isdecimal():
        raise Invalid(f"{text!r} is not a {name} with at most {decimals} decimals.")
    return int(whole + fraction.ljust(decimals, "0"))


def _text(units: int, decimals: int) -> str:
    digits = str(abs(units)).rjust(decimals + 1, "0")
    sign = "-" if units < 0 else ""
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:].ljust(SHOWN_DECIMALS, '0')}"


def _shown(text: str) -> str:
    return f"{Decimal(text):.{SHOWN_DECIMALS}f}"
