"""Candles, public trades, tickers and what is known about their completeness."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from fullon_client.models.schema import record


@record("Candle")
class Candle:
    """One bar. Longer bars are made of the one-minute bars: first open, last close, highest, lowest, sum of volumes."""

    time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    final: bool


@record("PublicTrade")
class PublicTrade:
    """A trade anybody made at the venue."""

    id: str
    time: datetime
    price: Decimal
    amount: Decimal
    side: str | None


@record("Tick")
class Tick:
    """The latest state of a symbol; null where the venue does not say."""

    symbol: str
    exchange: str
    price: Decimal
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal
    volume: Decimal | None
    change_24h: Decimal | None
    time: datetime


@record("TickerAnswer")
class Ticker:
    """One ticker."""

    as_of: datetime
    age_ms: int
    symbol: str
    exchange: str
    price: Decimal
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal
    volume: Decimal | None
    change_24h: Decimal | None
    time: datetime


@record("Tickers")
class Tickers:
    """All tickers of an exchange, by symbol."""

    as_of: datetime
    age_ms: int
    exchange: str
    items: tuple[Tick, ...]


@record("CachedBar")
class CachedBar:
    """A bar."""

    time: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float
    final: bool


@record("CachedBars")
class CachedBars:
    """The present bar, and the final ones before it, oldest first."""

    as_of: datetime
    age_ms: int
    exchange: str
    symbol: str
    timeframe: str
    current: CachedBar | None
    items: tuple[CachedBar, ...]


@record("ExchangeSummary")
class ExchangeSummary:
    """An exchange of the catalogue."""

    name: str
    title: str
    active: bool
    paper: bool


@record("ExchangeInfo")
class ExchangeInfo:
    """An exchange and what there is of it."""

    name: str
    title: str
    active: bool
    paper: bool
    ccxt_id: str
    symbols: int
    active_symbols: int
    timeframes: tuple[str, ...]


@record("SymbolSummary")
class SymbolSummary:
    """A symbol of an exchange."""

    exchange: str
    symbol: str
    base: str
    quote: str
    settle: str | None
    futures: bool
    active: bool


@record("SymbolInfo")
class SymbolInfo:
    """A symbol, its rules, and where its candles begin and end."""

    exchange: str
    symbol: str
    base: str
    quote: str
    settle: str | None
    futures: bool
    active: bool
    price_decimals: int | None
    quantity_decimals: int | None
    tick_size: Decimal | None
    step_size: Decimal | None
    min_quantity: Decimal | None
    min_notional: Decimal | None
    only_ticker: bool
    first_candle: datetime | None
    last_candle: datetime | None
    timeframes: tuple[str, ...]


@record("Pair")
class Pair:
    """A symbol and who has it."""

    symbol: str
    base: str
    quote: str
    exchanges: tuple[str, ...]


@record("Gap")
class CandleGap:
    """Minutes without a candle between two that have one."""

    start_time: datetime
    end_time: datetime
    minutes: int


@record("SymbolStatus")
class SymbolStatus:
    """How fresh and how complete a symbol's candles are."""

    symbol: str
    active: bool
    first_candle: datetime | None
    last_candle: datetime | None
    candles: int
    missing_minutes: int
    gap_count: int
    gaps: tuple[CandleGap, ...]
    verified_until: datetime | None
    age_ms: int | None
    fresh: bool


@record("Check")
class Check:
    """One question asked of the stored data."""

    name: str
    passed: bool
    detail: str


@record("Validation")
class Validation:
    """Whether an exchange's data can be relied on: every check, over its active symbols and the last day."""

    exchange: str
    valid: bool
    checks: tuple[Check, ...]
