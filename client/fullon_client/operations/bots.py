"""Bots, and what belongs to one."""

from __future__ import annotations

from uuid import UUID

from fullon_client.calls import Call, Page, given, nothing, one, page
from fullon_client.models.bots import (
    Bot,
    BotDetails,
    BotExchange,
    BotLogLine,
    BotStats,
    Feed,
    LastBotLogLine,
    Strategy,
)

PATH = "/api/v1/orm/bots"
ONE = f"{PATH}/{{bot_id}}"


def create(name: str, *, active: bool | None = None, dry_run: bool | None = None, note: str | None = None) -> Call[Bot]:
    """A new bot."""
    body = given(name=name, active=active, dry_run=dry_run, note=note)
    return one(Bot, "create_bot", "POST", PATH, body=body)


def every(*, active: bool | None = None, dry_run: bool | None = None, limit: int | None = None) -> Call[Page[Bot]]:
    """The caller's bots, newest first."""
    return page(Bot, "list_bots", PATH, parameters={"active": active, "dry_run": dry_run, "limit": limit})


def get(bot_id: UUID) -> Call[Bot]:
    """One bot."""
    return one(Bot, "get_bot", "GET", ONE, places={"bot_id": bot_id})


def change(
    bot_id: UUID,
    *,
    name: str | None = None,
    active: bool | None = None,
    dry_run: bool | None = None,
    note: str | None = None,
) -> Call[Bot]:
    """Change what is given."""
    body = given(name=name, active=active, dry_run=dry_run, note=note)
    return one(Bot, "change_bot", "PATCH", ONE, places={"bot_id": bot_id}, body=body)


def delete(bot_id: UUID) -> Call[None]:
    """Remove a bot."""
    return nothing("delete_bot", "DELETE", ONE, places={"bot_id": bot_id})


def details(bot_id: UUID) -> Call[BotDetails]:
    """A bot with its exchanges, strategies and feeds."""
    return one(BotDetails, "get_bot_details", "GET", f"{ONE}/details", places={"bot_id": bot_id})


def stats(bot_id: UUID) -> Call[BotStats]:
    """What a bot has earned, and since when it is up."""
    return one(BotStats, "get_bot_stats", "GET", f"{ONE}/stats", places={"bot_id": bot_id})


def actions(bot_id: UUID, *, level: str | None = None, limit: int | None = None) -> Call[Page[BotLogLine]]:
    """A bot's log, newest first."""
    parameters = {"level": level, "limit": limit}
    return page(BotLogLine, "list_actions_of_bot", f"{ONE}/actions", places={"bot_id": bot_id}, parameters=parameters)


def last_log(bot_id: UUID) -> Call[LastBotLogLine]:
    """The newest line of a bot's log."""
    return one(LastBotLogLine, "get_last_log_of_bot", "GET", f"{ONE}/last-log", places={"bot_id": bot_id})


def strategies(bot_id: UUID) -> Call[Page[Strategy]]:
    """A bot's strategies."""
    return page(Strategy, "list_strategies_of_bot", f"{ONE}/strategies", places={"bot_id": bot_id})


def exchanges(bot_id: UUID) -> Call[Page[BotExchange]]:
    """The exchange accounts a bot trades with."""
    return page(BotExchange, "list_exchanges_of_bot", f"{ONE}/exchanges", places={"bot_id": bot_id})


def add_exchange(bot_id: UUID, ex_id: UUID) -> Call[Page[BotExchange]]:
    """Let a bot trade with an exchange account; gives all of them."""
    return page(
        BotExchange,
        "add_exchange_to_bot",
        f"{ONE}/exchanges",
        method="POST",
        places={"bot_id": bot_id},
        body={"ex_id": ex_id},
    )


def remove_exchange(bot_id: UUID, ex_id: UUID) -> Call[None]:
    """Take an exchange account away from a bot."""
    return nothing(
        "remove_exchange_from_bot",
        "DELETE",
        f"{ONE}/exchanges",
        places={"bot_id": bot_id},
        parameters={"ex_id": ex_id},
    )


def feeds(bot_id: UUID) -> Call[Page[Feed]]:
    """The bars a bot's strategies watch."""
    return page(Feed, "list_feeds_of_bot", f"{ONE}/feeds", places={"bot_id": bot_id})


def add_feed(
    bot_id: UUID,
    str_id: UUID,
    symbol_id: int,
    *,
    period: str | None = None,
    compression: int | None = None,
    ex_id: UUID | None = None,
) -> Call[Feed]:
    """Let a strategy watch a symbol, for example in bars of 15 minutes: ``period="minutes", compression=15``."""
    body = given(str_id=str_id, symbol_id=symbol_id, period=period, compression=compression, ex_id=ex_id)
    return one(Feed, "add_feed_to_bot", "POST", f"{ONE}/feeds", places={"bot_id": bot_id}, body=body)


def remove_feed(bot_id: UUID, feed_id: UUID) -> Call[None]:
    """Take a feed away."""
    return nothing(
        "delete_feed_of_bot", "DELETE", f"{ONE}/feeds", places={"bot_id": bot_id}, parameters={"feed_id": feed_id}
    )
