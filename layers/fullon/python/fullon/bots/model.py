"""Bots and what is kept of their work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class Level(StrEnum):
    """How much a line of a bot's log matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Presence(StrEnum):
    """What a bot does now."""

    OFF = "off"
    IDLE = "idle"
    TRADING = "trading"
    ENDING = "ending"

    @classmethod
    def of(cls, *, active: bool, holds: bool) -> Presence:
        """That of a bot which is switched on or not, and holds a symbol or not."""
        if holds:
            return cls.TRADING if active else cls.ENDING
        return cls.IDLE if active else cls.OFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """A bot of a user.

    Attributes:
        dry_run: its orders are filled at the present book and never sent.
        active_since: when it was last switched on; None while it is off.
    """

    bot_id: UUID
    uid: UUID
    name: str
    active: bool
    dry_run: bool
    note: str
    created_at: datetime
    updated_at: datetime
    active_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BotExchange:
    """An account that a bot may trade on."""

    bot_id: UUID
    ex_id: UUID
    name: str
    exchange: str
    test: bool
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A symbol of an account that a bot has held once."""

    ex_id: UUID
    symbol: str
    account: str
    exchange: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """An account's symbol that a bot holds; no other bot may trade it meanwhile.

    Attributes:
        fence: grows with every taking; an older one may not write any more.
        since: when the bot took it. All times are by Valkey's clock.
        expires_at: when it falls free unless it is renewed.
    """

    ex_id: UUID
    symbol: str
    bot_id: UUID
    fence: int
    since: datetime
    renewed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """Something that a bot did or met.

    Attributes:
        action: a stable word for it: ``started``, ``signal``, ``order_placed``.
        feed: name of the feed it is about, ``paper:BTC/USDT:1m``.
        position: what was held then, as text.
    """

    log_id: int
    bot_id: UUID
    at: datetime
    level: Level
    action: str
    feed: str | None
    position: str | None
    message: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a bot would have done in a window of the past."""

    sim_id: UUID
    bot_id: UUID
    created_at: datetime
    window_from: datetime
    window_until: datetime
    settings: Mapping[str, Any]
    result: Mapping[str, Any]
