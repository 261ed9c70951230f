"""What can go wrong with bots."""

from __future__ import annotations

from fullon.kernel.errors import Conflict, NotFound
from fullon.venues.errors import AccountNotFound

__all__ = ["AccountNotFound", "BotNameTaken", "BotNotFound", "FeedNotFound", "NotOnThatExchange"]


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
