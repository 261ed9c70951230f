"""Brings the container service to what is wanted, again and again; what is wanted changes elsewhere.

Runs may overlap: one at a time has the lease, and the others leave at once. Each step holds the lock on the want it was
decided on, so an admin's order is never overtaken by an older decision, and every step may be taken twice.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from fullon.fleet import store
from fullon.fleet.errors import ControlUnavailable, UnknownService
from fullon.fleet.model import Service
from fullon.fleet.reconciler import Step, decide, is_asleep, picture
from fullon.kernel.clock import Clock

if TYPE_CHECKING:
    from fullon.fleet.ecs import Ecs
    from fullon.fleet.store import Connection

ACTOR = "reconciler"
LEASE = "reconcile"
LEASE_SECONDS = 45.0
ASLEEP_SECONDS = timedelta(hours=6).total_seconds()
"""So long a sleeping installation is believed to be still as it was found; looking would wake its database."""

_log = logging.getLogger("fullon.fleet")


class Note(Protocol):
    """Writes a step down in the transaction that it is taken in."""

    def __call__(self, connection: Connection, step: Step, /) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Round:
    """What one run did.

    Attributes:
        looked: whether it had to ask the database what is wanted.
        taken: steps that were taken.
        refused: services whose step the container service refused; the next run tries again.
    """

    looked: bool
    taken: tuple[Step, ...] = ()
    refused: tuple[str, ...] = ()


class Upkeep:
    """The services of the manifest's daemons; lives as long as its process, and remembers when all was in order.

    Args:
        names: every daemon of the manifest.
        defaults: tasks that a fresh installation runs, by name.
        note: puts each step on the audit trail.
    """

    def __init__(
        self,
        ecs: Ecs,
        transaction: Callable[[], AbstractAsyncContextManager[Connection]],
        names: Sequence[str],
        defaults: Mapping[str, int],
        clock: Clock,
        note: Note,
    ) -> None:
        self._ecs = ecs
        self._transaction = transaction
        self._names = tuple(names)
        self._defaults = dict(defaults)
        self._clock = clock
        self._note = note
        self._settled: tuple[object, ...] | None = None
        self._settled_at = 0.0

    async def run(self, holder: str, *, thorough: bool = False) -> Round:
        """Look, decide and act once.

        Args:
            holder: names this run among others that may be under way.
            thorough: ask the database even if nothing seems to have changed.

        Raises:
            ControlUnavailable: the container service gives no answer.
            Unavailable: the database cannot be reached.
        """
        if not thorough and await self._is_settled():
            return Round(looked=False)
        self._settled = None
        async with self._transaction() as connection:
            lease = await store.acquire_lease(connection, LEASE, holder, LEASE_SECONDS)
        if lease is None:
            _log.info("another run is under way")
            return Round(looked=False)
        try:
            # Seen under the lease: what a run before this one has just corrected is no drift any more.
            return await self._act(await self._ecs.services(self._names))
        finally:
            async with self._transaction() as connection:
                await store.release_lease(connection, lease)

    async def _is_settled(self) -> bool:
        if self._settled is None or self._clock.monotonic() - self._settled_at >= ASLEEP_SECONDS:
            return False
        services = await self._ecs.services(self._names)
        return is_asleep(services) and picture(services) == self._settled

    async def _act(self, services: Mapping[str, Service]) -> Round:
        async with self._transaction() as connection:
            wants = await store.wants(connection)
        taken, refused = [], []
        for step in decide(services, wants, self._defaults, self._clock.now()):
            try:
                if await self._take(step):
                    taken.append(step)
            except (ControlUnavailable, UnknownService) as error:
                _log.warning("step refused", extra={"service": step.service, "step": step.kind, "code": error.code})
                refused.append(step.service)
        if not taken and not refused:
            self._settled, self._settled_at = picture(services), self._clock.monotonic()
        return Round(looked=True, taken=tuple(taken), refused=tuple(refused))

    async def _take(self, step: Step) -> bool:
        """Take a step, unless somebody has decided otherwise meanwhile."""
        async with self._transaction() as connection:
            if await store.lock_want(connection, step.service) != step.want:
                _log.info("left to whoever acted meanwhile", extra={"service": step.service})
                return False
            if step.kind == "put_down":
                now = self._clock.now()
                await store.put_down(connection, step.service, step.found, step.reason, ACTOR, now)
            await self._ecs.update(step.service, desired=step.desired)
            facts = {"service": step.service, "found": step.found, "desired": step.desired, "reason": step.reason}
            if step.kind == "put_down":
                _log.error("ALERT service put down", extra=facts)
            else:
                _log.warning("drift corrected", extra=facts)
            await self._note(connection, step)  # last: writers of the trail stand in line
        return True
