"""Bots, strategies, feeds and exchange accounts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from fullon_client.models.schema import record


@record("CatalogueAnswer")
class CatalogueStrategy:
    """A strategy of the catalogue."""

    cat_str_id: int
    name: str
    title: str
    description: str
    builtin: bool
    created_at: datetime


@record("CatalogueIdAnswer")
class CatalogueStrategyId:
    """The number of a strategy in the catalogue."""

    cat_str_id: int


@record("ParameterAnswer")
class StrategyParameter:
    """A parameter that a strategy has; values travel as text."""

    name: str
    kind: str
    default: str
    minimum: Decimal | None
    maximum: Decimal | None
    choices: tuple[str, ...] | None
    description: str


@record("StrategyAnswer")
class Strategy:
    """A strategy of a bot."""

    str_id: UUID
    uid: UUID
    bot_id: UUID
    cat_str_id: int
    catalogue: str
    name: str
    active: bool
    take_profit: Decimal | None
    stop_loss: Decimal | None
    trailing_stop: Decimal | None
    timeout_seconds: int | None
    leverage: Decimal
    size: Decimal | None
    size_pct: Decimal | None
    size_currency: str
    pre_load_bars: int
    parameters: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime


@record("FeedAnswer")
class Feed:
    """What a strategy looks at."""

    feed_id: UUID
    bot_id: UUID
    str_id: UUID
    symbol_id: int
    exchange: str
    symbol: str
    ex_id: UUID | None
    period: str
    compression: int
    order: int


@record("BotAnswer")
class Bot:
    """A bot."""

    bot_id: UUID
    uid: UUID
    name: str
    active: bool
    dry_run: bool
    note: str
    created_at: datetime
    updated_at: datetime
    active_since: datetime | None


@record("BotExchangeAnswer")
class BotExchange:
    """An account that a bot may trade on."""

    bot_id: UUID
    ex_id: UUID
    name: str
    exchange: str
    test: bool
    active: bool


@record("BotDetails")
class BotDetails:
    """A bot with everything that belongs to it."""

    bot_id: UUID
    uid: UUID
    name: str
    active: bool
    dry_run: bool
    note: str
    created_at: datetime
    updated_at: datetime
    active_since: datetime | None
    exchanges: tuple[BotExchange, ...]
    strategies: tuple[Strategy, ...]
    feeds: tuple[Feed, ...]


@record("BotStats")
class BotStats:
    """What came of a bot's closed trades."""

    bot_id: UUID
    trades: int
    wins: int
    losses: int
    pnl: Decimal
    win_rate: float | None
    profit_factor: float | None
    uptime_seconds: int
    currency: str | None
    other_currencies: tuple[str, ...]
    dry_run: bool
    basis: str


@record("LogAnswer")
class BotLogLine:
    """A line of a bot's log."""

    log_id: int
    bot_id: UUID
    at: datetime
    level: str
    action: str
    feed: str | None
    position: str | None
    message: str
    details: Mapping[str, Any]


@record("LastLogAnswer")
class LastBotLogLine:
    """The newest line of a bot's log, if there is one."""

    line: BotLogLine | None


@record("SimulationAnswer")
class Simulation:
    """What a bot would have done in a window of the past."""

    sim_id: UUID
    bot_id: UUID
    created_at: datetime
    window_from: datetime
    window_until: datetime
    settings: Mapping[str, Any]
    result: Mapping[str, Any]


@record("PermissionsAnswer")
class Permissions:
    """What the exchange says the key may do; null where it does not say."""

    read: bool | None
    trade: bool | None
    withdraw: bool | None


@record("AccountAnswer")
class ExchangeAccount:
    """An exchange account; of its keys only the last four characters of the public one."""

    ex_id: UUID
    uid: UUID
    cat_ex_id: int
    exchange: str
    name: str
    test: bool
    active: bool
    allow_withdraw_keys: bool
    key_hint: str
    validated_at: datetime | None
    permissions: Permissions | None
    problem: str | None
    created_at: datetime
    updated_at: datetime


@record("AccountIdAnswer")
class ExchangeAccountId:
    """The id of an account."""

    ex_id: UUID
    name: str
    cat_ex_id: int
    exchange: str


@record("ValidationAnswer")
class AccountValidation:
    """What the exchange answered to the keys of an account."""

    ex_id: UUID
    exchange: str
    validated_at: datetime
    permissions: Permissions
    balances: int
    clock_offset_ms: int
    warnings: tuple[str, ...]
