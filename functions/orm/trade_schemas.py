"""Requests and answers about fills and closed trades."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from fullon.orders.ledger import is_by_hand
from fullon.orders.model import Fill, FillSource, Side
from fullon.orders.views import Executed, Totals, Trade, currency_of
from fullon.runtime.fields import Moment
from functions.orm.bot_schemas import ACCOUNT_ID, BOT_ID, OwnedRequest, Request
from functions.orm.venue_schemas import Coin, Exact, Positive, SymbolName

TradeSide = Literal["long", "short"]

#: Products of price and quantity beyond it would not fit where profits are kept.
LARGEST_WORTH = Decimal(10) ** 18
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)

TRADES_BASIS = "Closed trades: fills matched first in first out per account and symbol, after the fees of both sides."
MODES_BASIS = "Sums are by quote currency, real trades and those on paper apart."

_FILL: JsonDict = {
    "trade_id": "0199f1c2-e5f6-7a71-8283-9e0f1a2b3c4d",
    "uid": "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11",
    "ex_id": ACCOUNT_ID,
    "bot_id": BOT_ID,
    "order_id": None,
    "symbol": "BTC/USDT",
    "side": "buy",
    "price": "61250.5",
    "volume": "0.01",
    "cost": "612.505",
    "fee": "0.612505",
    "fee_currency": "USDT",
    "fee_quote": "0.612505",
    "source": "manual",
    "dry_run": False,
    "editable": True,
    "venue_trade_id": "manual:0199f1c2-e5f6-7a71-8283-9e0f1a2b3c4d",
    "venue_order_id": None,
    "maker": None,
    "time": "2026-08-17T10:00:00Z",
}
_TRADE: JsonDict = {
    "trade_id": "8d3f0f2e-4c1b-5f6a-9d0c-3f0c2a6f7a11",
    "ex_id": ACCOUNT_ID,
    "bot_id": BOT_ID,
    "symbol": "BTC/USDT",
    "currency": "USDT",
    "dry_run": False,
    "side": "long",
    "volume": "0.01",
    "entry_price": "61250.5",
    "exit_price": "62000",
    "entry_fee": "0.612505",
    "exit_fee": "0.62",
    "pnl": "6.262495",
    "roi": "0.010214",
    "opened_at": "2026-08-17T10:00:00Z",
    "closed_at": "2026-08-17T12:00:00Z",
    "entry_fill": "0199f1c2-e5f6-7a71-8283-9e0f1a2b3c4d",
    "exit_fill": "0199f1c2-e5f6-7a71-8283-9e0f1a2b3c4e",
}
FIGURES: JsonDict = {
    "currency": "USDT",
    "dry_run": False,
    "trades": 12,
    "wins": 8,
    "losses": 4,
    "pnl": "31.5",
    "gross_profit": "60.1",
    "gross_loss": "28.6",
    "fees": "2.4",
    "win_rate": 0.6667,
    "profit_factor": 2.1,
    "expectancy": "2.625",
    "best": "14.2",
    "worst": "-11.3",
    "first_closed_at": "2026-08-01T08:00:00Z",
    "last_closed_at": "2026-08-17T12:00:00Z",
}
WINDOW: JsonDict = {"start_time": "2026-08-01T00:00:00Z", "end_time": None}
_EXECUTED: JsonDict = {
    "currency": "USDT",
    "dry_run": False,
    "fills": 24,
    "turnover": "14700.12",
    "fees": "2.4",
    "fees_unknown": 0,
    "first_at": "2026-08-01T07:00:00Z",
    "last_at": "2026-08-17T12:00:00Z",
}


class Answer(BaseModel):
    """Built from a record of the product."""

    model_config = ConfigDict(from_attributes=True)


class Window(BaseModel):
    """What time a figure is of; null is open."""

    start_time: Moment | None = Field(description="First moment, included.")
    end_time: Moment | None = Field(description="End, not included.")


class FillAnswer(Answer):
    """A fill: an execution of an account, reported by its venue, simulated, or entered by hand."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FILL]})

    trade_id: UUID
    uid: UUID
    ex_id: UUID
    bot_id: UUID | None
    order_id: UUID | None
    symbol: str
    side: Side
    price: Exact
    volume: Exact
    cost: Exact = Field(description="Price times quantity, in the quote currency.")
    fee: Exact = Field(description="In fee_currency; negative where the venue paid.")
    fee_currency: str
    fee_quote: Exact | None = Field(description="The fee in the quote currency at that time; null where unknown.")
    source: FillSource
    dry_run: bool
    editable: bool = Field(description="Entered by hand; others are immutable.")
    venue_trade_id: str
    venue_order_id: str | None
    maker: bool | None
    time: Moment

    @classmethod
    def of(cls, fill: Fill) -> Self:
        """The answer for ``fill``."""
        values = {name: getattr(fill, name) for name in cls.model_fields if hasattr(fill, name)}
        return cls(
            **values,
            trade_id=fill.fill_id,
            dry_run=fill.source is FillSource.DRY,
            editable=is_by_hand(fill),
            time=fill.at,
        )


class TradeAnswer(Answer):
    """A closed trade: a lot, or a part of one, with what closed it. Amounts are in the quote currency."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TRADE]})

    trade_id: UUID
    ex_id: UUID
    bot_id: UUID | None = Field(description="The bot whose fill opened it.")
    symbol: str
    currency: str
    dry_run: bool
    side: TradeSide
    volume: Exact
    entry_price: Exact
    exit_price: Exact
    entry_fee: Exact
    exit_fee: Exact
    pnl: Exact = Field(description="After both fees.")
    roi: Exact = Field(description="Profit over what the lot had cost with its fee, as a fraction.")
    opened_at: Moment
    closed_at: Moment
    entry_fill: UUID
    exit_fill: UUID

    @classmethod
    def of(cls, trade: Trade) -> Self:
        """The answer for ``trade``."""
        values = {name: getattr(trade, name) for name in cls.model_fields if hasattr(trade, name)}
        return cls(**values, currency=currency_of(trade.symbol))


def _past(value: datetime) -> datetime:
    if value < EARLIEST:
        raise ValueError("the time must not be before 1970")
    return value


Time = Annotated[AwareDatetime, AfterValidator(_past)]
Fee = Annotated[Exact, Field(gt=-LARGEST_WORTH, lt=LARGEST_WORTH, description="In fee_currency; negative if paid out.")]


class NewTrade(OwnedRequest):
    """A fill to be entered by hand."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ex_id": ACCOUNT_ID,
                    "symbol": "BTC/USDT",
                    "side": "buy",
                    "price": "61250.5",
                    "volume": "0.01",
                    "fee": "0.612505",
                    "time": "2026-08-17T10:00:00Z",
                }
            ]
        }
    )

    ex_id: UUID = Field(validation_alias=AliasChoices("ex_id", "exchange_id"))
    bot_id: UUID | None = None
    symbol: SymbolName
    side: Side
    price: Positive
    volume: Positive = Field(validation_alias=AliasChoices("volume", "amount", "quantity"))
    fee: Fee = Decimal(0)
    fee_currency: Coin | None = Field(default=None, description="The quote currency when left out.")
    time: Time | None = Field(default=None, description="Now when left out.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_worth(self.price, self.volume, self.fee)
        return self


class NewBotTrade(NewTrade):
    """A fill of a bot to be entered by hand."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "bot_id": BOT_ID,
                    "ex_id": ACCOUNT_ID,
                    "symbol": "BTC/USDT",
                    "side": "sell",
                    "price": "62000",
                    "volume": "0.01",
                }
            ]
        }
    )

    bot_id: UUID


class TradeChange(Request):
    """What may be changed about a fill that was entered by hand; fields that are left out stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"price": "61250.75"}]})

    side: Side = Side.BUY
    price: Positive = Decimal(1)
    volume: Positive = Field(default=Decimal(1), validation_alias=AliasChoices("volume", "amount", "quantity"))
    fee: Fee = Decimal(0)
    fee_currency: Coin = "USDT"
    time: Time = EARLIEST


def check_worth(price: Decimal, volume: Decimal, fee: Decimal) -> None:
    """Let amounts pass whose profits can be kept.

    Raises:
        ValueError: they are too large together.
    """
    if price * volume >= LARGEST_WORTH or abs(fee * price) >= LARGEST_WORTH:
        raise ValueError("price times volume, or times fee, is too large")


class Figures(BaseModel):
    """What closed trades of one quote currency amount to."""

    model_config = ConfigDict(json_schema_extra={"examples": [FIGURES]})

    currency: str
    dry_run: bool
    trades: int
    wins: int
    losses: int = Field(description="A trade that came out even is neither won nor lost.")
    pnl: Exact
    gross_profit: Exact
    gross_loss: Exact = Field(description="Positive.")
    fees: Exact = Field(description="Of both sides; already taken off the profit.")
    win_rate: float | None = Field(description="Won trades over all; null without a trade.")
    profit_factor: float | None = Field(description="Sum of profits over sum of losses; null without a loss.")
    expectancy: Exact | None = Field(description="Average profit of a trade; null without one.")
    best: Exact | None
    worst: Exact | None
    first_closed_at: Moment | None
    last_closed_at: Moment | None

    @classmethod
    def of(cls, currency: str, totals: Totals, *, dry_run: bool) -> Self:
        """The answer for sums."""
        return cls(**figures(totals), currency=currency, dry_run=dry_run)


def figures(totals: Totals) -> dict[str, object]:
    """Fields of :class:`Figures` that follow from sums."""
    found = totals.figures
    values = {name: getattr(found, name) for name in Figures.model_fields if hasattr(found, name)}
    return {**values, "fees": totals.fees, "first_closed_at": totals.first, "last_closed_at": totals.last}


class SymbolFigures(Figures):
    """What closed trades of a symbol amount to."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**FIGURES, "symbol": "BTC/USDT"}]})

    symbol: str


class SymbolPerformance(BaseModel):
    """Figures by symbol, real trades and those on paper apart."""

    window: Window
    basis: str = Field(examples=[f"{TRADES_BASIS} {MODES_BASIS}"])
    items: list[SymbolFigures]


class ExecutedAnswer(BaseModel):
    """Sums of fills of one quote currency."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXECUTED]})

    currency: str
    dry_run: bool
    fills: int
    turnover: Exact = Field(description="Price times quantity.")
    fees: Exact = Field(description="Of the fills whose fee's worth is known.")
    fees_unknown: int = Field(description="Fills whose fee's worth in the quote currency is not known.")
    first_at: Moment
    last_at: Moment


def executed(found: list[Executed]) -> list[ExecutedAnswer]:
    """Sums by symbol, added up by quote currency."""
    sums: dict[tuple[bool, str], ExecutedAnswer] = {}
    for each in found:
        key = each.dry_run, currency_of(each.symbol)
        so_far = sums.get(key)
        sums[key] = ExecutedAnswer(
            currency=key[1],
            dry_run=each.dry_run,
            fills=each.fills + (so_far.fills if so_far else 0),
            turnover=each.turnover + (so_far.turnover if so_far else 0),
            fees=each.fees + (so_far.fees if so_far else 0),
            fees_unknown=each.fees_unknown + (so_far.fees_unknown if so_far else 0),
            first_at=min(each.first, so_far.first_at) if so_far else each.first,
            last_at=max(each.last, so_far.last_at) if so_far else each.last,
        )
    return [sums[key] for key in sorted(sums)]


class Stats(BaseModel):
    """Figures of a selection of trades."""

    window: Window
    basis: str = Field(examples=[f"{TRADES_BASIS} {MODES_BASIS}"])
    figures: list[Figures]


class Summary(Stats):
    """Fills, closed trades and what is open."""

    executed: list[ExecutedAnswer]
    open_positions: int = Field(
        description="Accounts and symbols of which something is held or owed now.", examples=[2]
    )
