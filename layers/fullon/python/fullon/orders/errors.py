"""What can go wrong with orders and trades."""

from __future__ import annotations

from uuid import UUID

from fullon.kernel.errors import Conflict, NotFound


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
