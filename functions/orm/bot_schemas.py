"""Requests and answers about bots."""

from __future__ import annotations

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from fullon.bots.model import Bot, BotExchange, Level, LogLine, Simulation
from fullon.runtime.fields import Line, Moment, Text
from functions.orm.strategy_schemas import FeedAnswer, StrategyAnswer
from functions.orm.venue_schemas import Exact

BotName = Annotated[Line, Field(min_length=1, max_length=60, examples=["grid on bitcoin"])]
JsonObject = dict[str, Any]

BOT_ID = "0199f1c2-a1b2-7c3d-8e4f-5a6b7c8d9e0f"
ACCOUNT_ID = "0199f1c2-b2c3-7d4e-9f50-6b7c8d9e0f1a"
STATS_BASIS = (
    "All closed trades that the bot opened, of the way it trades now, first in first out, after fees, in the quote"
    " currency."
)
_BOT: JsonDict = {
    "bot_id": BOT_ID,
    "uid": "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11",
    "name": "grid on bitcoin",
    "active": True,
    "dry_run": True,
    "note": "",
    "created_at": "2026-08-17T00:00:00Z",
    "updated_at": "2026-08-17T00:00:00Z",
    "active_since": "2026-08-17T00:00:00Z",
}
_DETAILS: JsonDict = {**_BOT, "exchanges": [], "strategies": [], "feeds": []}
_EXCHANGE: JsonDict = {
    "bot_id": BOT_ID,
    "ex_id": ACCOUNT_ID,
    "name": "main",
    "exchange": "paper",
    "test": False,
    "active": True,
}
_LINE: JsonDict = {
    "log_id": 42,
    "bot_id": BOT_ID,
    "at": "2026-08-17T00:00:00Z",
    "level": "info",
    "action": "activated",
    "feed": None,
    "position": None,
    "message": "The bot was switched on.",
    "details": {},
}
_SIMULATION: JsonDict = {
    "sim_id": "0199f1c2-c3d4-7e5f-a061-7c8d9e0f1a2b",
    "bot_id": BOT_ID,
    "created_at": "2026-08-17T00:00:00Z",
    "window_from": "2026-08-01T00:00:00Z",
    "window_until": "2026-08-15T00:00:00Z",
    "settings": {"capital": "1000", "fee_percent": "0.1"},
    "result": {"trades": 12, "pnl": "31.5"},
}


class Request(BaseModel):
    """Unknown fields are refused by name, so nobody believes to have changed what cannot be changed there."""

    model_config = ConfigDict(extra="forbid")


class OwnedRequest(Request):
    """A request that may name its owner, which must be the caller."""

    uid: UUID | None = Field(
        default=None,
        validation_alias=AliasChoices("uid", "user_id"),
        description="Accepted when it is the caller's own; never needed.",
    )


class BotAnswer(BaseModel):
    """A bot."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_BOT]})

    bot_id: UUID
    uid: UUID
    name: str
    active: bool
    dry_run: bool = Field(description="Orders are filled at the present book and never sent.")
    note: str
    created_at: Moment
    updated_at: Moment
    active_since: Moment | None = Field(description="When it was last switched on; null while it is off.")

    @classmethod
    def of(cls, bot: Bot) -> Self:
        """The answer for ``bot``."""
        return cls.model_validate(bot)


class NewBot(OwnedRequest):
    """A bot to be made."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "grid on bitcoin", "dry_run": True}]})

    name: BotName
    active: bool = False
    dry_run: bool = True
    note: Text = ""


class BotChange(Request):
    """What may be changed about a bot; fields that are left out stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"active": True}]})

    name: BotName = "-"
    active: bool = False
    dry_run: bool = True
    note: Text = ""


class BotReplacement(BotChange):
    """All of a bot's record."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "grid on bitcoin", "active": True}]})

    name: BotName


class BotExchangeAnswer(BaseModel):
    """An account that a bot may trade on."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_EXCHANGE]})

    bot_id: UUID
    ex_id: UUID
    name: str = Field(description="The account's name.")
    exchange: str
    test: bool
    active: bool

    @classmethod
    def of(cls, link: BotExchange) -> Self:
        """The answer for ``link``."""
        return cls.model_validate(link)


class BotExchangeRequest(Request):
    """An account that a bot is to trade on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ex_id": ACCOUNT_ID}]})

    ex_id: UUID = Field(validation_alias=AliasChoices("ex_id", "exchange_id"))


class BotDetails(BotAnswer):
    """A bot with everything that belongs to it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DETAILS]})

    exchanges: list[BotExchangeAnswer]
    strategies: list[StrategyAnswer]
    feeds: list[FeedAnswer]


class BotStats(BaseModel):
    """What came of a bot's closed trades."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "bot_id": BOT_ID,
                    "trades": 12,
                    "wins": 8,
                    "losses": 4,
                    "pnl": "31.5",
                    "win_rate": 0.6667,
                    "profit_factor": 2.1,
                    "uptime_seconds": 86400,
                    "currency": "USDT",
                    "other_currencies": [],
                    "dry_run": False,
                    "basis": STATS_BASIS,
                }
            ]
        }
    )

    bot_id: UUID
    trades: int
    wins: int
    losses: int
    pnl: Exact
    win_rate: float | None = Field(description="Won trades over all; null without a trade.")
    profit_factor: float | None = Field(description="Sum of profits over sum of losses; null without a loss.")
    uptime_seconds: int = Field(description="Since it was last switched on; 0 while it is off.")
    currency: str | None = Field(description="Quote currency of the figures, that of most trades; null without one.")
    other_currencies: list[str] = Field(description="In which it has closed trades too.")
    dry_run: bool = Field(description="Whether the figures are of trades on paper: as the bot trades now.")
    basis: str


class LogAnswer(BaseModel):
    """A line of a bot's log."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_LINE]})

    log_id: int
    bot_id: UUID
    at: Moment
    level: Level
    action: str
    feed: str | None
    position: str | None
    message: str
    details: JsonObject

    @classmethod
    def of(cls, line: LogLine) -> Self:
        """The answer for ``line``."""
        return cls.model_validate(line)


class LastLogAnswer(BaseModel):
    """The newest line of a bot's log, if there is one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"line": _LINE}]})

    line: LogAnswer | None


class SimulationAnswer(BaseModel):
    """What a bot would have done in a window of the past."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_SIMULATION]})

    sim_id: UUID
    bot_id: UUID
    created_at: Moment
    window_from: Moment
    window_until: Moment
    settings: JsonObject
    result: JsonObject

    @classmethod
    def of(cls, simulation: Simulation) -> Self:
        """The answer for ``simulation``."""
        return cls.model_validate(simulation)


class NewSimulation(Request):
    """A simulation to be kept."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{key: _SIMULATION[key] for key in ("window_from", "window_until", "settings", "result")}]
        }
    )

    window_from: AwareDatetime
    window_until: AwareDatetime
    settings: JsonObject = Field(default_factory=dict)
    result: JsonObject

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.window_until <= self.window_from:
            raise ValueError("window_until must be after window_from")
        return self
