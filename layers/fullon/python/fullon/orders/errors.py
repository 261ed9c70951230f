"""What can go wrong with orders and trades."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from fullon.kernel.errors import Conflict, Invalid, NotFound


class OrderNotFound(NotFound):
    """The caller has no such order."""

    default_code = "order_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such order.")


class DuplicateReference(Conflict):
    """The account has an order with the client order id that the caller gave; ``order_id`` names it."""

    default_code = "duplicate_client_order_id"

    def __init__(self, first: UUID, reference: str) -> None:
        super().__init__(
            f"The client order id {reference!r} belongs to the order {first} of this account.", order_id=str(first)
        )
        self.first = first


class OrderKnown(Conflict):
    """The order that is to be entered is there already, by what its venue calls it."""

    default_code = "order_known"

    def __init__(self) -> None:
        super().__init__("This order is known already.")


class SwitchedOff(Conflict):
    """The account or the bot of a wanted order is switched off."""

    default_code = "switched_off"

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"The {what} {name!r} is switched off; switch it on to order with it.")


class AccountUnusable(Conflict):
    """The keys of the account cannot be used, as its venue said."""

    default_code = "account_unusable"

    def __init__(self, problem: str) -> None:
        super().__init__(f"Nothing can be ordered with the keys of this account: {problem}")


class BotChanged(Conflict):
    """The bot went over from paper to real orders while an order of it was looked at."""

    default_code = "bot_changed"

    def __init__(self) -> None:
        super().__init__("The bot trades really since a moment ago; send the order again if it is meant so.")


class SymbolNotTraded(Invalid):
    """Nothing is traded under this name at the account's venue; ``nearest`` names symbols that read alike."""

    default_code = "symbol_not_traded"

    def __init__(self, exchange: str, symbol: str, nearest: Sequence[str]) -> None:
        hint = f" Did you mean {' or '.join(nearest)}?" if nearest else ""
        super().__init__(
            f"There is no symbol {symbol!r} to trade at {exchange!r}.{hint}",
            fields={"symbol": "not traded there"},
            exchange=exchange,
            symbol=symbol,
            nearest=list(nearest),
        )


class StaleOrder(Conflict):
    """Somebody changed the order since it was read: read it again."""

    default_code = "order_changed"

    def __init__(self) -> None:
        super().__init__("The order has changed meanwhile; look at it again.")


class OlderFence(Conflict):
    """A later leader has taken the order over; whoever gets this must stop leading."""

    default_code = "older_fence"

    def __init__(self) -> None:
        super().__init__("A later leader looks after this order.")


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
