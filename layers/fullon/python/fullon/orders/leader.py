"""Writing as the one who leads: nobody else can take the lead until the transaction ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from fullon.fleet import store as fleet
from fullon.fleet.model import Lease
from fullon.kernel.clock import Clock
from fullon.orders import order_store
from fullon.orders.model import Order, OrderStatus

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection

ACTOR = "execution"


class Leader:
    """Opens transactions for whoever holds the lease.

    Args:
        transaction: opens one on the platform database.
        lease: the leadership under which all is written.
    """

    def __init__(
        self, transaction: Callable[[], AbstractAsyncContextManager[Connection]], lease: Lease, clock: Clock
    ) -> None:
        self._transaction = transaction
        self._lease = lease
        self._clock = clock

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """A transaction.

        Raises:
            LeaseLost: another leads by now; nothing is written.
            Unavailable: the database is away.
        """
        async with self._transaction() as connection:
            await fleet.assert_fence(connection, self._lease)
            yield connection

    async def move(self, connection: Connection, order: Order, to: OrderStatus, **values: Any) -> Order:
        """As :func:`order_store.move`, in the name of the leader."""
        return await order_store.move(
            connection, self._clock, order, to, actor=ACTOR, fence=self._lease.fence, **values
        )

    async def change(self, order: Order, to: OrderStatus, **values: Any) -> Order | None:
        """Bring an order to a state, unless somebody brought it to another one since it was read; None then."""
        async with self.writing() as connection:
            present = await order_store.get(connection, order.uid, order.order_id, lock=True)
            if (present.status, present.attempt) != (order.status, order.attempt):
                return None
            return await self.move(connection, present, to, **values)
