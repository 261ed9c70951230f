"""The orders of one account that somebody must act on, symbol by symbol, each in its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from fullon.kernel.clock import Clock
from fullon.kernel.errors import Corrupt, Forbidden, Invalid, LimitExceeded, NotFound
from fullon.kernel.retry import PASSING, Backoff, Troubles
from fullon.orders import order_store, recovery
from fullon.orders.errors import OrderNotFound, StaleOrder
from fullon.orders.execution import Post
from fullon.orders.figures import Figures
from fullon.orders.leader import Leader
from fullon.orders.model import Order, OrderStatus
from fullon.orders.states import IllegalTransition
from fullon.venues import accounts
from fullon.venues.accounts import SealedAccount
from fullon.venues.errors import AccountNotFound
from fullon.venues.trading import Trading

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection

#: Waited for after a refusal that is not about one order: a key that is not accepted, an account that is suspended.
REFUSED_SECONDS = 15.0
#: Waited for at the end, for what is under way; longer than an answer of a venue is waited for.
END_SECONDS = 9.0
#: An account without work so long is disconnected.
IDLE_SECONDS = 300.0
_NO = (Invalid, Forbidden, NotFound, Corrupt)
_AT_VENUE = frozenset({OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED})


@dataclass(frozen=True)
class Floor:
    """What all desks share.

    Attributes:
        connection: opens one to the platform database.
        connect: opens an account for placing orders.
        grace: seconds between two looks for an order.
        progress: told of each order that was acted on.
    """

    connection: Callable[[], AbstractAsyncContextManager[Connection]]
    connect: Callable[[SealedAccount], Awaitable[Trading]]
    leader: Leader
    clock: Clock
    troubles: Troubles
    grace: float
    figures: Figures
    progress: Callable[[], None]


def is_due(order: Order, floor: Floor) -> bool:
    """Whether somebody must act on an order now."""
    if order.dry_run:
        return False
    if order.status in _AT_VENUE:
        return order.cancel_requested_at is not None
    return order.status is OrderStatus.NEW or recovery.is_due(order, floor.clock.now())


class Desk:
    """One account. An order that waits for its answer holds up those of its symbol, and no other.

    Args:
        uid, ex_id: the account and its owner.
    """

    def __init__(self, floor: Floor, uid: UUID, ex_id: UUID) -> None:
        self._floor = floor
        self._uid, self._ex_id = uid, ex_id
        self._outage = floor.troubles.outage(f"orders of account {ex_id}")
        self._refusal = floor.troubles.outage(f"orders of account {ex_id}", counts=False)  # a matter of its owner alone
        self._opened: tuple[SealedAccount, Post] | None = None
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._rung = asyncio.Event()
        self._ending = asyncio.Event()

    def ring(self) -> None:
        """There may be something to do."""
        self._rung.set()

    def end(self) -> None:
        """Begin nothing any more; :meth:`run` ends when what is under way is done."""
        self._ending.set()
        self.ring()

    async def run(self) -> None:
        """Act on what is due whenever it is rung for.

        Raises:
            LeaseLost: another leads.
        """
        backoff = Backoff(0.2, 5.0)
        try:
            while not self._ending.is_set():
                if not await _is_set(self._rung, IDLE_SECONDS):
                    await self._disconnect()
                    continue
                self._rung.clear()
                try:
                    await self._look()
                except PASSING as error:
                    self._outage.failed(error)
                    await _is_set(self._ending, backoff.pause())
                else:
                    backoff.reset()
        finally:
            if self._lanes:
                await asyncio.wait(self._lanes.values(), timeout=END_SECONDS)
            for lane in self._lanes.values():
                lane.cancel()
            await self._disconnect()

    async def _look(self) -> None:
        """Begin what is due, in every symbol in which nothing is under way."""
        for symbol in [symbol for symbol, lane in self._lanes.items() if lane.done()]:
            self._lanes.pop(symbol).result()
        async with self._floor.connection() as connection:
            orders = await order_store.for_account(connection, self._ex_id)
            try:
                sealed = await accounts.keys_of(connection, self._uid, self._ex_id)
            except AccountNotFound:
                return  # and its orders with it
            owner_active = await connection.fetchval("SELECT active FROM users WHERE uid = $1", self._uid)
        due = [order for order in orders if is_due(order, self._floor) and order.symbol not in self._lanes]
        if not due or self._ending.is_set():
            return
        try:
            post = await self._open(sealed)
        except _NO as error:
            await self._turn_away(due, error.detail)
            self._refusal.failed(error)
            await _is_set(self._ending, REFUSED_SECONDS)
            return
        if why := _not_in_use(sealed, owner_active=owner_active):
            await self._turn_away(due, why)
            due = [order for order in due if order.status is not OrderStatus.NEW]
        for symbol in sorted({order.symbol for order in due}):
            theirs = [order for order in due if order.symbol == symbol]
            # What may be at the venue first, so that nothing new is sent before it is known.
            theirs.sort(key=lambda order: order.status is OrderStatus.NEW)
            lane = asyncio.create_task(self._work(post, theirs))
            lane.add_done_callback(lambda _: self.ring())
            self._lanes[symbol] = lane

    async def _work(self, post: Post, orders: Sequence[Order]) -> None:
        """Act on orders of one symbol, one after the other, until one must wait."""
        for order in orders:
            if self._ending.is_set():
                return
            try:
                await _act(post, order)
            except (StaleOrder, IllegalTransition, OrderNotFound):
                continue  # it has changed since it was read: it is read again
            except PASSING as error:
                self._outage.failed(error)
                wait = error.retry_after if isinstance(error, LimitExceeded) else 1.0
                await _is_set(self._ending, wait)
                return
            except _NO as error:
                self._refusal.failed(error)
                await _is_set(self._ending, REFUSED_SECONDS)
                return
            self._outage.passed()
            self._floor.progress()

    async def _turn_away(self, orders: Sequence[Order], why: str) -> None:
        """Nothing can be sent for this account."""
        for order in orders:
            if order.status is OrderStatus.NEW:
                self._floor.figures.refused()
                await self._floor.leader.change(order, OrderStatus.REJECTED, reason=why, message="Rule: account.")

    async def _open(self, sealed: SealedAccount) -> Post:
        """The account as it is connected; anew when its keys or settings are others."""
        if self._opened is not None and self._opened[0] == sealed:
            return self._opened[1]
        if self._lanes and self._opened is not None:
            return self._opened[1]  # what is under way ends first
        await self._disconnect()
        floor = self._floor
        post = Post(
            account=sealed.account,
            trading=await floor.connect(sealed),
            leader=floor.leader,
            clock=floor.clock,
            database=floor.troubles.outage("the database"),
            grace=floor.grace,
            figures=floor.figures,
        )
        self._opened = sealed, post
        return post

    async def _disconnect(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened[1].trading.close()


async def _act(post: Post, order: Order) -> None:
    doubtful: Order | None = order
    if order.status in _AT_VENUE:
        await post.cancel(order)
        return
    if order.status is OrderStatus.NEW and order.cancel_requested_at is not None:
        await post.leader.change(order, OrderStatus.CANCELED, message="It is not at the exchange, and not wanted.")
        return
    if order.status is OrderStatus.NEW:
        doubtful = await post.send(order)
    elif order.status is OrderStatus.SUBMITTED:
        doubtful = await recovery.doubt(post, order)
    if doubtful is not None:
        await recovery.look(post, doubtful)


def _not_in_use(sealed: SealedAccount, *, owner_active: bool) -> str | None:
    """Why nothing new may be sent for an account."""
    account = sealed.account
    if not owner_active:
        return "The owner of the account is deactivated."
    if not account.active:
        return f"The account {account.name} is switched off."
    return account.problem


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    """Wait for ``event`` for so long at most."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
