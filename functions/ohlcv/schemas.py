"""What the ohlcv domain answers with. Candles are documented here and written by :mod:`encoding`, not validated."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from fullon.kernel.timeframes import Timeframe
from fullon.runtime.pages import Page

MAXIMUM_CANDLES = 10_000

ExchangeName = Annotated[
    str, Path(description="Name in the catalogue, in any case.", examples=["paper"], max_length=64)
]
SymbolName = Annotated[
    str,
    Path(
        description="ccxt's unified name, as it is or percent-encoded: `BTC/USDT`, `BTC%2FUSD:BTC`.",
        examples=["BTC/USDT"],
        max_length=200,
    ),
]
TimeframeName = Annotated[
    str,
    Path(
        description="Length of a bar. Weeks start Monday 00:00 UTC, months on the first.",
        examples=["1h"],
        json_schema_extra={"enum": [timeframe.value for timeframe in Timeframe]},
    ),
]
CandleLimit = Annotated[int, Query(ge=1, le=MAXIMUM_CANDLES, description="How many candles at most.", examples=[50])]
Layout = Annotated[
    Literal["object", "array"],
    Query(
        alias="format",
        description="`array`: each item is `[epoch_ms, open, high, low, close, volume]`, and `final` beside the items"
        " says whether the last one is; three quarters of the size, made for charts.",
    ),
]
StartTime = Annotated[
    str,
    Query(description="First moment, RFC 3339 or epoch milliseconds; included.", examples=["2026-08-17T00:00:00Z"]),
]
EndTime = Annotated[
    str | None,
    Query(description="End, RFC 3339 or epoch milliseconds; not included.", examples=["2026-08-18T00:00:00Z"]),
]


class Candle(BaseModel):
    """One bar. Longer bars are made of the one-minute bars: first open, last close, highest, lowest, sum of volumes."""

    time: datetime = Field(description="Start of the bar.", examples=["2026-08-17T10:00:00Z"])
    open: float = Field(examples=[64210.5])
    high: float = Field(examples=[64333.0])
    low: float = Field(examples=[64187.1])
    close: float = Field(examples=[64301.2])
    volume: float = Field(description="In the base currency.", examples=[12.40512])
    final: bool = Field(description="False while the bar runs.", examples=[True])


class CandlePage(Page[Candle]):
    """Candles, oldest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "time": "2026-08-17T10:00:00Z",
                            "open": 64210.5,
                            "high": 64333.0,
                            "low": 64187.1,
                            "close": 64301.2,
                            "volume": 12.40512,
                            "final": True,
                        }
                    ],
                    "next_cursor": None,
                    "exchange": "paper",
                    "symbol": "BTC/USDT",
                    "timeframe": "1h",
                }
            ]
        }
    )

    exchange: str = Field(examples=["paper"])
    symbol: str = Field(examples=["BTC/USDT"])
    timeframe: str = Field(examples=["1h"])


class CandleArrays(BaseModel):
    """Candles, oldest first, as compact rows; the answer to ``format=array``."""

    items: list[tuple[int, float, float, float, float, float]] = Field(
        description="Epoch milliseconds, open, high, low, close, volume.",
        examples=[[[1786960800000, 64210.5, 64333.0, 64187.1, 64301.2, 12.40512]]],
    )
    next_cursor: str | None = None
    exchange: str = Field(examples=["paper"])
    symbol: str = Field(examples=["BTC/USDT"])
    timeframe: str = Field(examples=["1h"])
    final: bool = Field(description="False when the last row is a bar that still runs.")


class PublicTrade(BaseModel):
    """A trade anybody made at the venue."""

    id: str = Field(description="The venue's own.", examples=["1206419187"])
    time: str = Field(examples=["2026-08-17T10:00:00.138Z"])
    price: str = Field(examples=["64210.5"])
    amount: str = Field(description="In the base currency.", examples=["0.00100000"])
    side: Literal["buy", "sell"] | None = Field(description="Of the taker; null where the venue does not say.")


class TradePage(Page[PublicTrade]):
    """Public trades, oldest first."""

    exchange: str = Field(examples=["paper"])
    symbol: str = Field(examples=["BTC/USDT"])


class ExchangeSummary(BaseModel):
    """An exchange of the catalogue."""

    name: str = Field(examples=["paper"])
    title: str = Field(examples=["Paper venue"])
    active: bool = Field(description="Its data is collected.")
    paper: bool = Field(description="A venue without real money.")


class ExchangeInfo(ExchangeSummary):
    """An exchange and what there is of it."""

    ccxt_id: str = Field(examples=["binance"])
    symbols: int = Field(description="Symbols in the catalogue.", examples=[3])
    active_symbols: int = Field(description="Of these, collected ones.", examples=[3])
    timeframes: list[str] = Field(examples=[["1m", "1h", "1d"]])


class Gap(BaseModel):
    """Minutes without a candle between two that have one."""

    start_time: str = Field(description="First missing minute.", examples=["2026-08-17T10:03:00Z"])
    end_time: str = Field(description="First minute after the gap.", examples=["2026-08-17T10:05:00Z"])
    minutes: int = Field(examples=[2])


class SymbolStatus(BaseModel):
    """How fresh and how complete a symbol's candles are."""

    symbol: str = Field(examples=["BTC/USDT"])
    active: bool
    first_candle: str | None = Field(examples=["2026-08-03T00:00:00Z"])
    last_candle: str | None = Field(examples=["2026-08-17T10:00:00Z"])
    candles: int = Field(description="Stored minutes.", examples=[20160])
    missing_minutes: int = Field(description="Between the first and the last candle.", examples=[0])
    gap_count: int = Field(examples=[0])
    gaps: list[Gap] = Field(description="The latest twenty.")
    verified_until: str | None = Field(
        description="Before this, everything was read again from the venue after it had closed.",
        examples=["2026-08-17T10:00:00Z"],
    )
    age_ms: int | None = Field(description="Since the last candle closed, by this server's clock.", examples=[31250])
    fresh: bool = Field(description="The last candle closed less than three minutes ago.")


class ExchangeStatus(Page[SymbolStatus]):
    """Freshness and completeness of an exchange's candles, by symbol."""

    exchange: str = Field(examples=["paper"])
    as_of: str = Field(examples=["2026-08-17T10:01:31Z"])


class Check(BaseModel):
    """One question asked of the stored data."""

    name: Literal["active", "symbols", "candles", "fresh", "complete", "plausible", "roll_ups"]
    passed: bool
    detail: str = Field(examples=["All 3 active symbols have candles."])


class Validation(BaseModel):
    """Whether an exchange's data can be relied on: every check, over its active symbols and the last day."""

    exchange: str = Field(examples=["paper"])
    valid: bool = Field(description="All checks passed.")
    checks: list[Check]


class SymbolSummary(BaseModel):
    """A symbol of an exchange."""

    exchange: str = Field(examples=["paper"])
    symbol: str = Field(examples=["BTC/USDT"])
    base: str = Field(examples=["BTC"])
    quote: str = Field(examples=["USDT"])
    settle: str | None = Field(description="Of a derivative.", examples=[None])
    futures: bool
    active: bool = Field(description="Its data is collected.")


class SymbolInfo(SymbolSummary):
    """A symbol, its rules, and where its candles begin and end."""

    price_decimals: int | None = Field(examples=[2])
    quantity_decimals: int | None = Field(examples=[5])
    tick_size: str | None = Field(examples=["0.01"])
    step_size: str | None = Field(examples=["0.00001"])
    min_quantity: str | None = Field(examples=["0.00001"])
    min_notional: str | None = Field(examples=["5"])
    only_ticker: bool
    first_candle: str | None = Field(examples=["2026-08-03T00:00:00Z"])
    last_candle: str | None = Field(examples=["2026-08-17T10:00:00Z"])
    timeframes: list[str] = Field(examples=[["1m", "1h", "1d"]])


class Pair(BaseModel):
    """A symbol and who has it."""

    symbol: str = Field(examples=["BTC/USDT"])
    base: str = Field(examples=["BTC"])
    quote: str = Field(examples=["USDT"])
    exchanges: list[str] = Field(examples=[["paper"]])
