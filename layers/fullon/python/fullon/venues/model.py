"""Venues and symbols of the catalogue, and what a venue says it can do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

#: Published when the catalogue changed: collectors read it again at once instead of at their next look.
CATALOGUE_CHANNEL = "catalogue:changed"


@dataclass(frozen=True, slots=True)
class Venue:
    """A row of the catalogue.

    Attributes:
        name: how the platform calls it, lower case.
        ccxt_id: which ccxt class speaks to it.
        paper: a venue without real money.
        params: what its ccxt class is constructed with on top of the defaults (``urls``, ``options``), and our own
            switches: ``streams`` names the implementation of its streams (``ccxt`` or ``binance``).
    """

    cat_ex_id: int
    name: str
    ccxt_id: str
    title: str = ""
    active: bool = True
    paper: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Market:
    """What a venue says of one of its symbols; None where it says nothing."""

    symbol: str
    base: str
    quote: str
    settle: str | None = None
    futures: bool = False
    active: bool = True
    price_decimals: int | None = None
    quantity_decimals: int | None = None
    tick_size: Decimal | None = None
    step_size: Decimal | None = None
    min_quantity: Decimal | None = None
    min_notional: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol of the catalogue: what the venue says of it, and what we do with it.

    Attributes:
        symbol: ccxt's unified name, ``BTC/USDT`` or ``BTC/USD:BTC``.
        updateframe: shortest bar that is collected.
        backtest: days of history to load when none is stored.
        only_ticker: neither candles nor trades are collected.
    """

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


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a venue offers; what it lacks is made up for by polling, or from its trades.

    Attributes:
        candles: it lists one-minute candles; without them they are built from its trades.
        trades_by_id: its trades can be paged by their id, so that equal times lose none.
    """

    candles: bool
    trades: bool
    trades_by_id: bool
    ticker_streams: bool
    candle_streams: bool
    trade_streams: bool
