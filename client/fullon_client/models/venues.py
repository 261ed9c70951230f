"""Exchanges of the catalogue and their symbols."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from fullon_client.models.schema import record


@record("ExchangeAnswer")
class Exchange:
    """An exchange of the catalogue."""

    cat_ex_id: int
    name: str
    ccxt_id: str
    title: str
    active: bool
    paper: bool


@record("ExchangeIdAnswer")
class ExchangeId:
    """The number of an exchange."""

    cat_ex_id: int
    name: str


@record("ParamsAnswer")
class Params:
    """How an exchange is connected to."""

    cat_ex_id: int
    name: str
    params: Mapping[str, Any]


@record("SymbolAnswer")
class Symbol:
    """A symbol of an exchange. What the exchange does not state is null."""

    symbol_id: int
    cat_ex_id: int
    exchange: str
    symbol: str
    base: str
    quote: str
    settle: str | None
    futures: bool
    price_decimals: int | None
    quantity_decimals: int | None
    tick_size: Decimal | None
    step_size: Decimal | None
    min_quantity: Decimal | None
    min_notional: Decimal | None
    updateframe: str
    backtest: int
    only_ticker: bool
    active: bool
    created_at: datetime
    updated_at: datetime


@record("DecimalsAnswer")
class Decimals:
    """How exact prices and quantities of a symbol are at one exchange."""

    exchange: str
    cat_ex_id: int
    symbol: str
    price_decimals: int | None
    quantity_decimals: int | None
    tick_size: Decimal | None
    step_size: Decimal | None
    min_quantity: Decimal | None
    min_notional: Decimal | None


@record("SyncAnswer")
class Sync:
    """What a refresh from the exchange came to."""

    exchange: str
    listed: int
    added: int
    changed: int
    deactivated: int
