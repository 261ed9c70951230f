"""One bot at a time trades a symbol on an account.

Who does holds a lease in Valkey: set if absent, known by an owner token, renewed while the bot lives, deleted by its
owner alone, gone by itself when the bot is. Each taking has a fence, a number that only grows. The highest one given
out is in PostgreSQL (``bot_leases``), so it survives Valkey: the lease is set with the number after it, and belongs to
the bot once that number was entered there, which only one can do. What a bot writes is guarded by :func:`guard` in the
same transaction, so that one which was paused beyond its lease, or outlived a Valkey that forgot it, changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from fullon.bots import cache
from fullon.bots.errors import AccountNotFound, Blocked, BlockLost, NotOnThatExchange
from fullon.kernel.clock import Clock
from fullon.kernel.errors import TimedOut, Unavailable
from fullon.kernel.ids import new_token

if TYPE_CHECKING:
    from redis.asyncio import Redis

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

LEASE_SECONDS = 30.0
"""So long a symbol stays taken by a bot that vanished. Holders renew after a third of it."""

_HIGHEST = """
SELECT coalesce(l.fence, 0) FROM bot_exchanges b LEFT JOIN bot_leases l ON l.ex_id = b.ex_id AND l.symbol = $4
WHERE b.uid = $1 AND b.bot_id = $2 AND b.ex_id = $3
"""
_ENTER = """
INSERT INTO bot_leases (ex_id, symbol, fence) VALUES ($1, $2, $3)
ON CONFLICT (ex_id, symbol) DO UPDATE SET fence = excluded.fence WHERE bot_leases.fence = excluded.fence - 1
RETURNING fence
"""
_log = logging.getLogger("fullon.bots")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A symbol of an account that a bot holds.

    Attributes:
        owner: the secret of this taking; only who has it renews and releases.
        fence: higher than that of any taking before.
        certain_until: by the holder's monotonic clock, in seconds; before that nobody else can have taken it, unless
            Valkey lost it, which the fence finds out.
    """

    bot_id: UUID
    ex_id: UUID
    symbol: str
    owner: str = field(repr=False)
    fence: int
    certain_until: float


class Coordination:
    """Takes, renews and releases.

    Args:
        connection: gives connections of the platform database; the fence is entered in a statement of its own.
        seconds: how long a lease outlives a holder that vanished.
    """

    def __init__(
        self,
        connection: Callable[[], AbstractAsyncContextManager[Connection]],
        valkey: Redis,
        clock: Clock,
        *,
        seconds: float = LEASE_SECONDS,
    ) -> None:
        self._connection = connection
        self._valkey = valkey
        self._clock = clock
        self._seconds = seconds

    async def take(self, uid: UUID, bot_id: UUID, ex_id: UUID, symbol: str) -> Lease:
        """Take a symbol of an account for a bot of ``uid``.

        Raises:
            NotOnThatExchange: the bot may not trade on this account, or one of them is not the user's.
            Blocked: it is held.
            Unavailable, TimedOut: Valkey or PostgreSQL cannot be asked; nothing is held, or is free after the lease.
        """
        async with self._connection() as connection:
            highest = await connection.fetchval(_HIGHEST, uid, bot_id, ex_id, symbol)
        if highest is None:
            raise NotOnThatExchange
        lease = Lease(
            bot_id=bot_id,
            ex_id=ex_id,
            symbol=symbol,
            owner=new_token(),
            fence=highest + 1,
            certain_until=self._clock.monotonic() + self._seconds,
        )
        holder = await cache.take(
            self._valkey,
            ex_id,
            symbol,
            owner=lease.owner,
            bot_id=bot_id,
            fence=lease.fence,
            milliseconds=self._milliseconds,
        )
        if holder is not None:
            raise Blocked(symbol, holder)
        try:
            await self._enter(lease)
        except BaseException:
            await self._withdraw(lease)
            raise
        return lease

    async def renew(self, lease: Lease) -> Lease:
        """The same lease, lasting from now on again.

        Raises:
            BlockLost: it ran out, or Valkey lost it; the bot must stop trading there.
            Unavailable, TimedOut: Valkey cannot be asked; the lease is good until ``certain_until``.
        """
        until = self._clock.monotonic() + self._seconds
        if not await cache.renew(
            self._valkey, lease.ex_id, lease.symbol, owner=lease.owner, milliseconds=self._milliseconds
        ):
            raise BlockLost(lease.symbol, lease.fence)
        return replace(lease, certain_until=until)

    async def release(self, lease: Lease) -> bool:
        """Give it up; False when it was not the bot's any more.

        Raises:
            Unavailable, TimedOut: Valkey cannot be asked; it falls free by itself.
        """
        return await cache.release(self._valkey, lease.ex_id, lease.symbol, owner=lease.owner)

    @property
    def _milliseconds(self) -> int:
        return max(1, int(self._seconds * 1000))

    async def _enter(self, lease: Lease) -> None:
        """Make the fence the highest, if it is the next; a bot that was slower than its own lease finds it is not."""
        try:
            async with self._connection() as connection:
                entered = await connection.fetchval(_ENTER, lease.ex_id, lease.symbol, lease.fence)
        except asyncpg.ForeignKeyViolationError as error:
            raise AccountNotFound from error
        if entered is None or self._clock.monotonic() >= lease.certain_until:
            raise Blocked(lease.symbol)

    async def _withdraw(self, lease: Lease) -> None:
        try:
            await self.release(lease)
        except (Unavailable, TimedOut) as error:
            _log.warning("lease of a bot left to expire", extra={"symbol": lease.symbol, "cause": repr(error)})


async def guard(connection: Connection, clock: Clock, lease: Lease) -> None:
    """Let a transaction go on only if the lease still holds; nobody takes it before the transaction ends.

    Args:
        connection: in the transaction that writes.
        clock: that of the holder, whose monotonic time the lease is measured by.

    Raises:
        BlockLost: it has run out, or a higher fence was given out.
    """
    assert connection.is_in_transaction(), "a guard without a transaction guards nothing"
    if clock.monotonic() >= lease.certain_until:
        raise BlockLost(lease.symbol, lease.fence)
    highest = await connection.fetchval(
        "SELECT fence FROM bot_leases WHERE ex_id = $1 AND symbol = $2 FOR SHARE", lease.ex_id, lease.symbol
    )
    if highest != lease.fence:
        raise BlockLost(lease.symbol, lease.fence)
