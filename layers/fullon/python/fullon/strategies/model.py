"""Strategies of the catalogue, and those of bots. Percentages are of the entry price unless said otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID


class ParameterKind(StrEnum):
    """What values a parameter takes."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"


class Period(StrEnum):
    """What a bar of a feed is made of."""

    TICKS = "ticks"
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that a strategy of the catalogue has.

    Attributes:
        default: as text, like every value of a parameter.
        choices: the texts allowed; None for any.
    """

    name: str
    kind: ParameterKind
    default: str
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    choices: tuple[str, ...] | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class CatalogueStrategy:
    """A strategy that bots can run.

    Attributes:
        builtin: comes with the platform and cannot be deleted.
    """

    cat_str_id: int
    name: str
    title: str
    description: str
    builtin: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How positions of a strategy are opened and ended.

    Attributes:
        take_profit, stop_loss, trailing_stop: percent; None for none.
        timeout: a position is closed after it.
        size: of a position, in ``size_currency``; or ``size_pct`` percent of the free balance.
        pre_load_bars: bars of the past that the strategy sees before its first decision.
    """

    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    trailing_stop: Decimal | None = None
    timeout: timedelta | None = None
    leverage: Decimal = Decimal(1)
    size: Decimal | None = None
    size_pct: Decimal | None = None
    size_currency: str = "USDT"
    pre_load_bars: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A strategy of a bot.

    Attributes:
        catalogue: name of the strategy in the catalogue.
        parameters: every parameter with its value, defaults included.
    """

    str_id: UUID
    uid: UUID
    bot_id: UUID
    cat_str_id: int
    catalogue: str
    name: str
    active: bool
    settings: Settings
    parameters: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What a strategy looks at: bars of a symbol.

    Attributes:
        ex_id: the account that trades on it; None for one that is only looked at.
        compression: how many periods make a bar.
        position: its place among the feeds of the strategy, from 0.
    """

    feed_id: UUID
    bot_id: UUID
    str_id: UUID
    symbol_id: int
    exchange: str
    symbol: str
    ex_id: UUID | None
    period: Period
    compression: int
    position: int
