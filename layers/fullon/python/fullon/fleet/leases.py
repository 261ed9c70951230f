"""Leadership of a shard: win the lease, hold on to it, learn at once when it is lost.

A leader that was paused beyond its lease does not know it yet; what it writes is guarded by
:func:`fullon.fleet.store.assert_fence` in the same transaction.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from fullon.fleet import store
from fullon.fleet.errors import LeaseLost
from fullon.fleet.model import Lease
from fullon.kernel.errors import Unavailable

if TYPE_CHECKING:
    Pool = asyncpg.Pool[Any]

LEASE_SECONDS = 15.0
_DOWN = (OSError, TimeoutError, Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError)
_log = logging.getLogger("fullon.fleet")


class LeaseKeeper:
    """Wins one lease and renews it.

    Args:
        database: gives the pool of the platform database.
        name: what is led, for example ``daemon:ticker``.
        holder: this instance; unique among all that may compete.
        seconds: how long the lease outlives a leader that vanished.
    """

    def __init__(
        self, database: Callable[[], Awaitable[Pool]], name: str, holder: str, *, seconds: float = LEASE_SECONDS
    ) -> None:
        self._database = database
        self._name = name
        self._holder = holder
        self._seconds = seconds
        self._lease: Lease | None = None

    @property
    def lease(self) -> Lease:
        """The lease that is held.

        Raises:
            LeaseLost: none is.
        """
        if self._lease is None:
            raise LeaseLost(self._name, self._holder, 0)
        return self._lease

    async def win(self) -> Lease:
        """Wait until the lease is ours; a database that is down is waited for too."""
        waiting = False
        while True:
            try:
                async with self._connection() as connection:
                    self._lease = await store.acquire_lease(connection, self._name, self._holder, self._seconds)
            except _DOWN as error:
                _log.warning("lease not asked for", extra={"lease": self._name, "cause": repr(error)})
            if self._lease is not None:
                _log.info("lease won", extra={"lease": self._name, "fence": self._lease.fence})
                return self._lease
            if not waiting:
                waiting = True
                _log.info("waiting for the lease", extra={"lease": self._name})
            await asyncio.sleep(min(1.0, self._seconds / 3) * random.uniform(0.5, 1.0))  # noqa: S311 - spreads rivals

    async def keep(self) -> None:
        """Renew until cancelled.

        While the database is down nobody can take the lease either, so this goes on asking; writes are fenced anyway.

        Raises:
            LeaseLost: another holds it; the work must end now.
        """
        while True:
            await asyncio.sleep(self._seconds / 3)
            try:
                async with self._connection() as connection:
                    self._lease = await store.renew_lease(connection, self.lease, self._seconds)
            except LeaseLost:
                self._lease = None
                raise
            except _DOWN as error:
                _log.warning("lease not renewed", extra={"lease": self._name, "cause": repr(error)})

    async def release(self) -> None:
        """Give it up, so that the next one need not wait for the expiry."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        try:
            async with self._connection() as connection:
                await store.release_lease(connection, lease)
        except _DOWN as error:
            _log.warning("lease left to expire", extra={"lease": self._name, "cause": repr(error)})

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[store.Connection]:
        pool = await self._database()
        async with asyncio.timeout(max(2.0, self._seconds / 3)), pool.acquire() as connection:
            yield connection
