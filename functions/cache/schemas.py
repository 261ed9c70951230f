"""What the cache domain answers with."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field

from fullon.fleet.model import ProcessStatus
from fullon.kernel.timeframes import Timeframe
from fullon.orders.model import OrderStatus, Side

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
        description="Length of a bar.",
        examples=["1h"],
        json_schema_extra={"enum": [timeframe.value for timeframe in Timeframe]},
    ),
]


class Aged(BaseModel):
    """Every answer of a cache says how old it is."""

    as_of: str = Field(
        description="When the newest part of it was so, by the clock of its source.",
        examples=["2026-08-17T10:00:00.250Z"],
    )
    age_ms: int = Field(description="How long ago that was, by this server's clock.", examples=[412])


class Tick(BaseModel):
    """The latest state of a symbol; null where the venue does not say."""

    symbol: str = Field(examples=["BTC/USDT"])
    exchange: str = Field(examples=["paper"])
    price: str = Field(description="Of the last trade.", examples=["64210.50"])
    bid: str | None = Field(examples=["64210.40"])
    ask: str | None = Field(examples=["64210.60"])
    last: str = Field(description="The price again.", examples=["64210.50"])
    volume: str | None = Field(description="Of 24 hours, in the base currency.", examples=["1824.55100"])
    change_24h: str | None = Field(description="Per cent.", examples=["-1.25"])
    time: str = Field(description="By the venue's clock.", examples=["2026-08-17T10:00:00.250Z"])


class TickerAnswer(Tick, Aged):
    """One ticker."""


class Tickers(Aged):
    """All tickers of an exchange, by symbol."""

    exchange: str = Field(examples=["paper"])
    items: list[Tick]
    next_cursor: None = Field(default=None, description="Always whole.")


class CachedBar(BaseModel):
    """A bar."""

    time: str = Field(examples=["2026-08-17T10:00:00Z"])
    open: float = Field(examples=[64210.5])
    high: float = Field(examples=[64333.0])
    low: float = Field(examples=[64187.1])
    close: float = Field(examples=[64301.2])
    volume: float = Field(examples=[12.40512])
    final: bool = Field(description="False while it runs.")


class CachedBars(Aged):
    """The present bar, and the final ones before it, oldest first."""

    exchange: str = Field(examples=["paper"])
    symbol: str = Field(examples=["BTC/USDT"])
    timeframe: str = Field(examples=["1h"])
    current: CachedBar | None = Field(description="The latest bar, running or just closed.")
    items: list[CachedBar] = Field(description="Up to 300 recent final bars.")
    next_cursor: None = Field(default=None, description="Older ones are in the ohlcv domain.")


class Process(BaseModel):
    """A running instance of a daemon, as it last said."""

    type: str = Field(description="The daemon.", examples=["ticker"])
    component: str = Field(description="The part of it that reports; the daemon itself.", examples=["ticker"])
    instance: str = Field(examples=["0199f1c28a527c5eb6f51c5b0f8b1a11"])
    status: ProcessStatus = Field(examples=["running"])
    message: str = Field(examples=[""])
    heartbeat: str = Field(description="When it last did its work.", examples=["2026-08-17T10:00:00.250Z"])
    heartbeat_age_ms: int = Field(examples=[1250])
    started: str = Field(examples=["2026-08-17T08:00:00Z"])
    version: str = Field(examples=["0.1.0"])
    host: str = Field(examples=["worker-1"])
    work: int = Field(description="Units of work since it started.", examples=[18244])
    stale: bool = Field(description="It missed three heartbeats.")


class Processes(Aged):
    """Every instance that is known, by daemon."""

    items: list[Process]
    next_cursor: None = Field(default=None, description="Always whole.")


class DaemonProcesses(BaseModel):
    """A daemon over all its instances."""

    type: str = Field(examples=["ticker"])
    healthy: bool = Field(description="Nothing of it is stale or in error.")
    instances: int = Field(description="That have not stopped.", examples=[1])
    status: ProcessStatus | None = Field(description="Of its freshest instance; null when none is known.")
    heartbeat_age_ms: int | None = Field(examples=[1250])
    message: str = Field(examples=[""])


class ProcessHealth(Aged):
    """Whether the daemons that run do their work. One that nobody started is not ill."""

    healthy: bool
    items: list[DaemonProcesses]
    next_cursor: None = Field(default=None, description="Always whole.")


class OrderState(Aged):
    """The latest state of an order of the caller."""

    order_id: str = Field(examples=["0199f1c2-f607-7b82-9394-af1b2c3d4e5f"])
    symbol: str = Field(examples=["BTC/USDT"])
    side: Side = Field(examples=["buy"])
    status: OrderStatus = Field(examples=["partially_filled"])
    reason: str | None = Field(description="Why it was rejected, expired or is unknown.", examples=[None])
    volume: str = Field(examples=["0.01"])
    filled: str = Field(examples=["0.004"])
    remaining: str = Field(examples=["0.006"])
    average: str | None = Field(description="Average price of its fills.", examples=["61250.5"])
    cost: str = Field(description="Price times quantity of its fills.", examples=["245.002"])
    cancel_requested_at: str | None = Field(examples=[None])
    version: int = Field(description="Grows with every change.", examples=[4])


class OrderQueue(Aged):
    """Orders of the caller that wait to be sent, or for the venue to say that it has them."""

    size: int = Field(examples=[1])
    oldest_at: str | None = Field(
        description="When the oldest of them was placed; null without any.", examples=["2026-08-17T09:59:59.800Z"]
    )
    oldest_age_ms: int | None = Field(examples=[612])


class TradesQueue(Aged):
    """The stream of public trades between the collectors and the subscribers. Reading it takes nothing from others."""

    length: int = Field(examples=[18244])
    capacity: int = Field(description="About so many are kept; older ones give way.", examples=[100000])
    first_at: str = Field(description="When the oldest batch in it was written.", examples=["2026-08-17T09:12:00.100Z"])
    last_at: str = Field(description="When the newest was.", examples=["2026-08-17T10:00:00.250Z"])
    read_at: str | None = Field(
        description="When the newest batch was written that the streamer has passed on; null while none runs.",
        examples=["2026-08-17T10:00:00.250Z"],
    )
    behind_ms: int | None = Field(description="How far that is behind the newest.", examples=[0])
