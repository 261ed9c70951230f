"""A desk for each account with orders that somebody must act on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fullon.kernel.retry import insist
from fullon.orders.desk import END_SECONDS, Desk, Floor

if TYPE_CHECKING:
    from uuid import UUID

    from fullon.orders.fill_store import Connection

#: Between two looks at what waits, where nobody rings.
LOOK_SECONDS = 1.0
_WAITING = """
SELECT ex_id, uid, count(*) FILTER (WHERE status = 'new') AS waiting FROM orders
WHERE status IN ('new', 'submitted', 'open', 'partially_filled', 'unknown') AND NOT dry_run
    AND (status IN ('new', 'submitted', 'unknown') OR cancel_requested_at IS NOT NULL)
GROUP BY ex_id, uid
"""


async def waiting(connection: Connection) -> list[Any]:
    """Accounts, their owners, and how many orders wait to be sent there."""
    return list(await connection.fetch(_WAITING))


class Desks:
    """Finds accounts with work and lets their desks work side by side.

    Args:
        rung: set when there may be an order to act on.
    """

    def __init__(self, floor: Floor, rung: asyncio.Event) -> None:
        self._floor = floor
        self._rung = rung
        self._desks: dict[UUID, tuple[Desk, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Work until cancelled; what is under way then is finished first.

        Raises:
            LeaseLost: another leads.
        """
        outage = self._floor.troubles.outage("the database")
        try:
            while True:
                self._rung.clear()
                found = await insist(self._waiting, outage)
                self._floor.figures.waiting(sum(row["waiting"] for row in found))
                for row in found:
                    self._desk(row["uid"], row["ex_id"]).ring()
                for _, task in self._desks.values():
                    if task.done():
                        task.result()
                await self._pause()
        finally:
            await self._end()

    def _desk(self, uid: UUID, ex_id: UUID) -> Desk:
        if ex_id not in self._desks:
            desk = Desk(self._floor, uid, ex_id)
            self._desks[ex_id] = desk, asyncio.create_task(desk.run())
        return self._desks[ex_id][0]

    async def _waiting(self) -> list[Any]:
        async with self._floor.connection() as connection:
            return await waiting(connection)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._rung.wait()
        except TimeoutError:
            return

    async def _end(self) -> None:
        for desk, _ in self._desks.values():
            desk.end()
        tasks = [task for _, task in self._desks.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=END_SECONDS + 0.5)
        for task in tasks:
            task.cancel()
