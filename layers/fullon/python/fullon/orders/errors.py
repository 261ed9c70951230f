"""What can go wrong with trades."""

from __future__ import annotations

from fullon.kernel.errors import Conflict, NotFound


class TradeNotFound(NotFound):
    """The caller has no such trade."""

    default_code = "trade_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such trade.")


class TradeImmutable(Conflict):
    """A trade was reported by a venue, or made by an order, and stays as it is."""

    default_code = "trade_immutable"

    def __init__(self) -> None:
        super().__init__("Only trades that were entered by hand can be changed; this one came of an order.")
