"""Requests and answers about strategies and feeds."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from fullon.runtime.fields import Line, Moment, Text
from fullon.strategies.model import CatalogueStrategy, Feed, Parameter, ParameterKind, Period, Settings, Strategy
from fullon.strategies.parameters import Value, check_definition
from fullon.strategies.store import SETTINGS
from functions.orm.venue_schemas import Exact, Positive

Name = Annotated[Line, Field(min_length=1, max_length=60, examples=["long on dips"])]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,60}$", examples=["rsi_long"])]
SerialId = Annotated[int, Field(ge=1, lt=2**31)]


def _exact(value: object) -> object:
    if isinstance(value, float):
        raise ValueError('must be a text such as "0.5": a JSON number may lose digits')  # noqa: TRY004 - for pydantic
    return value


#: A parameter's value: a text, a whole number or a truth. Other numbers come as text.
ParameterValue = Annotated[bool | int | str, BeforeValidator(_exact)]
Parameters = dict[str, ParameterValue]
Percent = Annotated[Exact, Field(gt=0, le=1000)]

_PLAIN = ("str_id", "uid", "bot_id", "cat_str_id", "catalogue", "name", "active", "created_at", "updated_at")

STRATEGY_ID = "0199f1c2-d4e5-7f60-b172-8d9e0f1a2b3c"
_CATALOGUE: JsonDict = {
    "cat_str_id": 1,
    "name": "rsi_long",
    "title": "RSI, long",
    "description": "Buys when the relative strength index falls below a level and sells when it rises above another.",
    "builtin": True,
    "created_at": "2026-08-17T00:00:00Z",
}
_PARAMETER: JsonDict = {
    "name": "rsi_period",
    "kind": "integer",
    "default": "14",
    "minimum": "2",
    "maximum": "200",
    "choices": None,
    "description": "Bars of the index.",
}
_SETTINGS: JsonDict = {
    "take_profit": "3",
    "stop_loss": "1.5",
    "trailing_stop": None,
    "timeout_seconds": None,
    "leverage": "1",
    "size": None,
    "size_pct": "10",
    "size_currency": "USDT",
    "pre_load_bars": 200,
}
_STRATEGY: JsonDict = {
    "str_id": STRATEGY_ID,
    "uid": "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11",
    "bot_id": "0199f1c2-a1b2-7c3d-8e4f-5a6b7c8d9e0f",
    "cat_str_id": 1,
    "catalogue": "rsi_long",
    "name": "long on dips",
    "active": True,
    **_SETTINGS,
    "parameters": {"rsi_period": "14", "entry": "30", "exit": "70"},
    "created_at": "2026-08-17T00:00:00Z",
    "updated_at": "2026-08-17T00:00:00Z",
}
_FEED: JsonDict = {
    "feed_id": "0199f1c2-e5f6-7071-8283-9e0f1a2b3c4d",
    "bot_id": "0199f1c2-a1b2-7c3d-8e4f-5a6b7c8d9e0f",
    "str_id": STRATEGY_ID,
    "symbol_id": 1,
    "exchange": "paper",
    "symbol": "BTC/USDT",
    "ex_id": None,
    "period": "minutes",
    "compression": 15,
    "order": 0,
}


class CatalogueAnswer(BaseModel):
    """A strategy of the catalogue."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_CATALOGUE]})

    cat_str_id: int
    name: str
    title: str
    description: str
    builtin: bool = Field(description="It comes with the platform and cannot be deleted.")
    created_at: Moment

    @classmethod
    def of(cls, strategy: CatalogueStrategy) -> Self:
        """The answer for ``strategy``."""
        return cls.model_validate(strategy)


class CatalogueIdAnswer(BaseModel):
    """The number of a strategy in the catalogue."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"cat_str_id": 1}]})

    cat_str_id: int


class ParameterAnswer(BaseModel):
    """A parameter that a strategy has; values travel as text."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_PARAMETER]})

    name: str
    kind: ParameterKind
    default: str
    minimum: Exact | None
    maximum: Exact | None
    choices: list[str] | None
    description: str

    @classmethod
    def of(cls, parameter: Parameter) -> Self:
        """The answer for ``parameter``."""
        return cls.model_validate(parameter)


class NewParameter(BaseModel):
    """A parameter of a strategy to be entered."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_PARAMETER]})

    name: Slug
    kind: ParameterKind
    default: Annotated[str, Field(max_length=500)]
    minimum: Exact | None = None
    maximum: Exact | None = None
    choices: list[Annotated[str, Field(max_length=500)]] | None = Field(default=None, max_length=100)
    description: Text = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_definition(self.parameter())
        return self

    def parameter(self) -> Parameter:
        """As the domain knows it."""
        choices = None if self.choices is None else tuple(self.choices)
        return Parameter(self.name, self.kind, self.default, self.minimum, self.maximum, choices, self.description)


class NewCatalogueStrategy(BaseModel):
    """A strategy for the catalogue."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "my_strategy", "title": "Mine", "parameters": [_PARAMETER]}]},
    )

    name: Slug
    title: Line = ""
    description: Text = ""
    parameters: list[NewParameter] = Field(default_factory=list, max_length=100)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [each.name for each in self.parameters]
        if len(set(names)) != len(names):
            raise ValueError("every parameter needs a name of its own")
        return self


class StrategySettings(BaseModel):
    """How positions are opened and ended."""

    model_config = ConfigDict(extra="forbid")

    take_profit: Percent | None = Field(default=None, description="Percent of the entry price.")
    stop_loss: Percent | None = Field(default=None, description="Percent of the entry price.")
    trailing_stop: Percent | None = Field(default=None, description="Percent of the best price since the entry.")
    timeout_seconds: Annotated[int, Field(ge=1, le=366 * 86_400)] | None = Field(
        default=None, description="A position is closed after it."
    )
    leverage: Annotated[Exact, Field(ge=1, le=125)] = Decimal(1)
    size: Positive | None = Field(default=None, description="Of a position, in size_currency.")
    size_pct: Annotated[Exact, Field(gt=0, le=100)] | None = Field(
        default=None, description="Of a position, in percent of the free balance; instead of size."
    )
    size_currency: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,20}$")] = "USDT"
    pre_load_bars: Annotated[int, Field(ge=0, le=10_000)] = 200

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.size is not None and self.size_pct is not None:
            raise ValueError("give size or size_pct, not both")
        return self

    def columns(self) -> dict[str, Any]:
        """Every setting under the name that the domain has for it."""
        values = {name: getattr(self, name) for name in SETTINGS if name != "timeout"}
        timeout = None if self.timeout_seconds is None else timedelta(seconds=self.timeout_seconds)
        return {**values, "timeout": timeout}

    def settings(self) -> Settings:
        """As the domain knows them."""
        return Settings(**self.columns())


class NewStrategy(StrategySettings):
    """A strategy for a bot."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "bot_id": _STRATEGY["bot_id"],
                    "cat_str_id": 1,
                    "name": "long on dips",
                    "parameters": {"rsi_period": "21"},
                    "size_pct": "10",
                }
            ]
        }
    )

    bot_id: UUID
    cat_str_id: SerialId
    name: Name
    parameters: Parameters = Field(default_factory=dict)
    active: bool = True
    uid: UUID | None = Field(
        default=None,
        validation_alias=AliasChoices("uid", "user_id"),
        description="Accepted when it is the caller's own; never needed.",
    )


class StrategyReplacement(StrategySettings):
    """All of a strategy's record; parameters that are left out keep their values."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "long on dips", "active": False}]})

    name: Name
    active: bool = True
    parameters: Parameters | None = None


class ParametersChange(BaseModel):
    """New values of parameters; those not named stay."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"parameters": {"entry": "25"}}]})

    parameters: Parameters = Field(min_length=1)

    def values(self) -> dict[str, Value]:
        """As the domain takes them."""
        return dict(self.parameters)


class StrategyAnswer(BaseModel):
    """A strategy of a bot."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STRATEGY]})

    str_id: UUID
    uid: UUID
    bot_id: UUID
    cat_str_id: int
    catalogue: str = Field(description="Its name in the catalogue.")
    name: str
    active: bool
    take_profit: Exact | None
    stop_loss: Exact | None
    trailing_stop: Exact | None
    timeout_seconds: int | None
    leverage: Exact
    size: Exact | None
    size_pct: Exact | None
    size_currency: str
    pre_load_bars: int
    parameters: dict[str, str] = Field(description="Every parameter with its value, defaults included.")
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of(cls, strategy: Strategy) -> Self:
        """The answer for ``strategy``."""
        settings = strategy.settings
        values = {name: getattr(settings, name) for name in SETTINGS if name != "timeout"}
        values |= {name: getattr(strategy, name) for name in _PLAIN}
        timeout = None if settings.timeout is None else int(settings.timeout.total_seconds())
        return cls(**values, timeout_seconds=timeout, parameters=dict(strategy.parameters))


class FeedAnswer(BaseModel):
    """What a strategy looks at."""

    model_config = ConfigDict(json_schema_extra={"examples": [_FEED]})

    feed_id: UUID
    bot_id: UUID
    str_id: UUID
    symbol_id: int
    exchange: str
    symbol: str
    ex_id: UUID | None = Field(description="The account that trades on it; null for one that is only looked at.")
    period: Period
    compression: int = Field(description="How many periods make a bar.")
    order: int = Field(description="Its place among the feeds of the strategy, from 0.")

    @classmethod
    def of(cls, feed: Feed) -> Self:
        """The answer for ``feed``."""
        names = ("feed_id", "bot_id", "str_id", "symbol_id", "exchange", "symbol", "ex_id", "period", "compression")
        return cls(**{name: getattr(feed, name) for name in names}, order=feed.position)


class FeedFields(BaseModel):
    """A feed, without the strategy that it is of."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"symbol_id": 1, "period": "minutes", "compression": 15}]}
    )

    symbol_id: SerialId
    ex_id: UUID | None = None
    period: Period = Period.MINUTES
    compression: Annotated[int, Field(ge=1, le=10_000)] = 1


class NewFeed(FeedFields):
    """A feed to be appended to a strategy's."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"str_id": STRATEGY_ID, "symbol_id": 1, "period": "minutes", "compression": 15}]
        }
    )

    str_id: UUID


class FeedsReplacement(BaseModel):
    """All feeds of a strategy, in this order."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"str_id": STRATEGY_ID, "feeds": [{"symbol_id": 1, "period": "minutes", "compression": 15}]}]
        },
    )

    str_id: UUID
    feeds: list[FeedFields] = Field(max_length=50)
