"""What can go wrong with bots."""

from __future__ import annotations

from uuid import UUID

from fullon.kernel.errors import Conflict, NotFound
from fullon.venues.errors import AccountNotFound

__all__ = [
    "AccountNotFound",
    "BlockLost",
    "Blocked",
    "BotNameTaken",
    "BotNotFound",
    "FeedNotFound",
    "NotOnThatExchange",
]


class BotNotFound(NotFound):
    """The caller has no such bot."""

    default_code = "bot_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such bot.")


class BotNameTaken(Conflict):
    """The caller has a bot of that name."""

    default_code = "bot_name_taken"

    def __init__(self) -> None:
        super().__init__("You have a bot of this name already.")


class NotOnThatExchange(NotFound):
    """The bot does not trade on that account."""

    default_code = "bot_not_on_account"

    def __init__(self) -> None:
        super().__init__("The bot does not trade on this exchange account.")


class FeedNotFound(NotFound):
    """The bot has no such feed."""

    default_code = "feed_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such feed.")


class Blocked(Conflict):
    """A bot trades this symbol on this account already; ``bot_id`` says which, if it is known."""

    default_code = "bot_blocked"

    def __init__(self, symbol: str, bot_id: UUID | None = None) -> None:
        super().__init__(
            f"A bot trades {symbol} on this exchange account already.",
            symbol=symbol,
            bot_id=None if bot_id is None else str(bot_id),
        )


class BlockLost(Conflict):
    """The bot's lease of a symbol has run out or another bot has it: stop trading there, write nothing more."""

    default_code = "block_lost"

    def __init__(self, symbol: str, fence: int) -> None:
        super().__init__(
            f"The bot's hold of {symbol} with fence {fence} has ended; it may not trade there any more.",
            symbol=symbol,
            fence=fence,
        )
