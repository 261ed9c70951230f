"""Requests and answers about exchanges and symbols."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.config import JsonDict

from fullon.kernel.errors import Invalid
from fullon.kernel.money import parse_decimal, shortest
from fullon.kernel.timeframes import Timeframe
from fullon.runtime.fields import Moment
from fullon.venues.model import Symbol, Venue


def _read(value: object) -> object:
    if isinstance(value, float | bool):
        raise ValueError('must be a text such as "0.01": a JSON number may lose digits')  # noqa: TRY004 - for pydantic
    if isinstance(value, str | int):
        try:
            return parse_decimal(str(value))
        except Invalid as error:
            raise ValueError(error.detail) from error
    return value


def _write(value: Decimal) -> str:
    return shortest(value)


#: An exact decimal, as text in JSON.
Exact = Annotated[
    Decimal,
    BeforeValidator(_read),
    PlainSerializer(_write, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "examples": ["0.01"]}),
]
Positive = Annotated[Exact, Field(gt=0)]
NotNegative = Annotated[Exact, Field(ge=0)]
Places = Annotated[int, Field(ge=0, le=18, examples=[2])]
#: As ccxt writes it: ``BTC/USDT``, ``BTC/USD:BTC``.
SymbolName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\s\x00-\x1f\x7f]+$", examples=["BTC/USDT"])]
Coin = Annotated[str, Field(min_length=1, max_length=30, pattern=r"^[^\s/:\x00-\x1f\x7f]+$", examples=["BTC"])]

_CCXT_NAME = re.compile(r"(?P<base>[^/:]{1,30})/(?P<quote>[^/:]{1,30})(:(?P<settle>[^/:-]{1,30})(-[^/:]+)?)?")

_EXCHANGE: JsonDict = {
    "cat_ex_id": 1,
    "name": "paper",
    "ccxt_id": "binance",
    "title": "Paper venue",
    "active": True,
    "paper": True,
}
_RULES: JsonDict = {
    "price_decimals": 2,
    "quantity_decimals": 8,
    "tick_size": "0.01",
    "step_size": "0.00000001",
    "min_quantity": "0.00000001",
    "min_notional": "5",
}
_SYMBOL: JsonDict = {
    "symbol_id": 1,
    "cat_ex_id": 1,
    "exchange": "paper",
    "symbol": "BTC/USDT",
    "base": "BTC",
    "quote": "USDT",
    "settle": None,
    "futures": False,
    **_RULES,
    "updateframe": "1m",
    "backtest": 30,
    "only_ticker": False,
    "active": True,
    "created_at": "2026-08-17T00:00:00Z",
    "updated_at": "2026-08-17T00:00:00Z",
}


class ExchangeAnswer(BaseModel):
    """An exchange of the catalogue."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXCHANGE]})

    cat_ex_id: int
    name: str
    ccxt_id: str = Field(description="The class of ccxt that speaks to it.")
    title: str
    active: bool = Field(description="Its active symbols are collected.")
    paper: bool = Field(description="No real money is traded there.")

    @classmethod
    def of(cls, venue: Venue) -> Self:
        """The answer for ``venue``."""
        return cls.model_validate(venue)


class ExchangeChange(BaseModel):
    """What admins may change about an exchange of the catalogue."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"active": True}]})

    active: bool


class ExchangeIdAnswer(BaseModel):
    """The number of an exchange."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"cat_ex_id": 1, "name": "paper"}]})

    cat_ex_id: int
    name: str


class ParamsAnswer(BaseModel):
    """How an exchange is connected to."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"cat_ex_id": 1, "name": "paper", "params": {"options": {}}}]}
    )

    cat_ex_id: int
    name: str
    params: dict[str, Any] = Field(
        description="What its ccxt class is constructed with; {http} and {ws} stand for an address from the settings."
    )


class SymbolAnswer(BaseModel):
    """A symbol of an exchange. What the exchange does not state is null."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_SYMBOL]})

    symbol_id: int
    cat_ex_id: int
    exchange: str
    symbol: str
    base: str
    quote: str
    settle: str | None = Field(description="The coin that futures are settled in.")
    futures: bool
    price_decimals: int | None
    quantity_decimals: int | None
    tick_size: Exact | None
    step_size: Exact | None
    min_quantity: Exact | None
    min_notional: Exact | None
    updateframe: str = Field(description="Shortest bar that is collected.")
    backtest: int = Field(description="Days of history that are loaded when none is stored.")
    only_ticker: bool = Field(description="Neither candles nor trades are collected.")
    active: bool
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, symbol: Symbol) -> Self:
        """The answer for ``symbol``."""
        return cls.model_validate(symbol)


class DecimalsAnswer(BaseModel):
    """How exact prices and quantities of a symbol are at one exchange."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={"examples": [{"exchange": "paper", "cat_ex_id": 1, "symbol": "BTC/USDT", **_RULES}]},
    )

    exchange: str
    cat_ex_id: int
    symbol: str
    price_decimals: int | None
    quantity_decimals: int | None
    tick_size: Exact | None
    step_size: Exact | None
    min_quantity: Exact | None
    min_notional: Exact | None

    @classmethod
    def of(cls, symbol: Symbol) -> Self:
        """The answer for ``symbol``."""
        return cls.model_validate(symbol)


class SyncAnswer(BaseModel):
    """What a refresh from the exchange came to."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"exchange": "paper", "listed": 3, "added": 0, "changed": 1, "deactivated": 0}]}
    )

    exchange: str
    listed: int = Field(description="Symbols that the exchange lists now.")
    added: int = Field(description="New ones; they wait, inactive, to be switched on.")
    changed: int
    deactivated: int = Field(description="No longer traded there.")


class _SymbolFields(BaseModel):
    model_config = ConfigDict(extra="forbid")

    settle: Coin | None = None
    futures: bool = False
    price_decimals: Places | None = None
    quantity_decimals: Places | None = None
    tick_size: Positive | None = None
    step_size: Positive | None = None
    min_quantity: NotNegative | None = None
    min_notional: NotNegative | None = None
    updateframe: Timeframe = Timeframe.M1
    backtest: int = Field(default=30, ge=0, le=3650)
    only_ticker: bool = False
    active: bool = True

    def values(self) -> dict[str, Any]:
        """What was said, by column."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class NewSymbol(_SymbolFields):
    """A symbol as an admin enters one; base and quote follow from its name where they are left out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"cat_ex_id": 1, "symbol": "BTC/USDT", "price_decimals": 2, "tick_size": "0.01"}]
        }
    )

    cat_ex_id: int = Field(ge=1, lt=2**31)
    symbol: SymbolName
    base: Coin | None = Field(default=None, validation_alias=AliasChoices("base", "base_asset"))
    quote: Coin | None = Field(default=None, validation_alias=AliasChoices("quote", "quote_asset"))

    @model_validator(mode="after")
    def _name_coins(self) -> Self:
        coins = _coins(self.symbol)
        for field in ("base", "quote"):
            if not getattr(self, field):
                if coins[field] is None:
                    raise ValueError(f"{field} does not follow from this name; state it")
                setattr(self, field, coins[field])
        if self.settle is None and coins["settle"] is not None:
            self.settle = coins["settle"]
        return self

    def values(self) -> dict[str, Any]:
        """What was said, by column of the symbol."""
        return {name: value for name, value in super().values().items() if name != "cat_ex_id"}


class SymbolChange(_SymbolFields):
    """What admins may change about a symbol; fields that are left out stay, but coins follow a new name."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"active": True, "backtest": 90}]})

    symbol: SymbolName = "-"
    base: Coin = Field(default="-", validation_alias=AliasChoices("base", "base_asset"))
    quote: Coin = Field(default="-", validation_alias=AliasChoices("quote", "quote_asset"))

    @model_validator(mode="after")
    def _name_coins(self) -> Self:
        if "symbol" in self.model_fields_set:
            for field, coin in _coins(self.symbol).items():
                if field not in self.model_fields_set and (coin is not None or field == "settle"):
                    setattr(self, field, coin)
        return self


def _coins(symbol: str) -> dict[str, str | None]:
    """The coins that a name of ccxt's form says; None where it does not."""
    found = _CCXT_NAME.fullmatch(symbol)
    return found.groupdict() if found else dict.fromkeys(("base", "quote", "settle"))
