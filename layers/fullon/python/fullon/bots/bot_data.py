"""A bot as the platform shows it, in answers and to subscribers alike. Pure."""

from __future__ import annotations

from typing import Any

from fullon.bots.model import Bot
from fullon.kernel.clock import rfc3339


def data_of(bot: Bot, *, removed: bool = False) -> dict[str, Any]:
    """``bot`` as JSON values.

    Args:
        removed: it is told for the last time.
    """
    return {
        "bot_id": str(bot.bot_id),
        "uid": str(bot.uid),
        "name": bot.name,
        "active": bot.active,
        "dry_run": bot.dry_run,
        "note": bot.note,
        "created_at": rfc3339(bot.created_at),
        "updated_at": rfc3339(bot.updated_at),
        "active_since": None if bot.active_since is None else rfc3339(bot.active_since),
        **({"removed": True} if removed else {}),
    }
