"""Use cases of an admin: see, start, stop and restart daemons. Acts on container services and on nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from redis.exceptions import RedisError

from fullon.fleet import cache, store
from fullon.fleet.errors import AlreadyRunning, AlreadyStopped, NotRunning, UnknownService
from fullon.fleet.model import ProcessRecord, ServiceReport, ServiceStatus, Want, report
from fullon.kernel.clock import Clock
from fullon.kernel.errors import FullonError, Unavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from fullon.fleet.ecs import Ecs
    from fullon.fleet.store import Connection

_log = logging.getLogger("fullon.fleet")


class Journal(Protocol):
    """Writes down, durably and before anything happens, what somebody asks of a service."""

    async def __call__(self, action: str, service: str, desired: int, details: Mapping[str, str | int]) -> None: ...


class ServiceControl:
    """The services of the manifest's daemons.

    Args:
        connection: of the platform database.
        names: every daemon of the manifest, in its order.
    """

    def __init__(
        self,
        ecs: Ecs,
        valkey: Redis,
        connection: Callable[[], AbstractAsyncContextManager[Connection]],
        names: Sequence[str],
        clock: Clock,
    ) -> None:
        self._ecs = ecs
        self._valkey = valkey
        self._connection = connection
        self._names = tuple(names)
        self._clock = clock

    async def report(self, name: str) -> ServiceReport:
        """How a service is.

        Raises:
            UnknownService: no daemon has that name.
            ControlUnavailable: the container service gives no answer.
        """
        self._check(name)
        service = await self._ecs.service(name)
        records, wants = await self._records([name]), await self._wants()
        return report(service, records[name] if records is not None else None, self._clock.now(), wants.get(name))

    async def reports(self) -> list[ServiceReport]:
        """How all of them are, in the order of the manifest; one that is not set up is left out.

        Raises:
            ControlUnavailable: the container service gives no answer.
        """
        services = await self._ecs.services(self._names)
        records, wants = await self._records(self._names), await self._wants()
        now = self._clock.now()
        return [
            report(services[name], records[name] if records is not None else None, now, wants.get(name))
            for name in self._names
            if name in services
        ]

    async def start(self, name: str, journal: Journal) -> ServiceReport:
        """Have one task run. A crashed or failed one gets a new start, whoever has given it up.

        Raises:
            AlreadyRunning: it runs or is starting.
            UnknownService, ControlUnavailable: as for :meth:`report`.
        """
        before = await self.report(name)
        if before.desired > 0 and before.status is not ServiceStatus.CRASHED:
            raise AlreadyRunning(name, before.status.value)
        return await self._act("start", before, journal, desired=1, new_deployment=True)

    async def stop(self, name: str, journal: Journal) -> ServiceReport:
        """Have no task run. One that was put down is from then on simply stopped.

        Raises:
            AlreadyStopped: none does, or the last one is ending.
            UnknownService, ControlUnavailable: as for :meth:`report`.
        """
        before = await self.report(name)
        if before.desired == 0 and before.status is not ServiceStatus.FAILED:
            raise AlreadyStopped(name, before.status.value)
        return await self._act("stop", before, journal, desired=0, new_deployment=False)

    async def restart(self, name: str, journal: Journal) -> ServiceReport:
        """Replace the task by a new one; the old one ends first. One that was put down gets a new start.

        Raises:
            NotRunning: nobody wants it to run.
            UnknownService, ControlUnavailable: as for :meth:`report`.
        """
        before = await self.report(name)
        if before.desired == 0 and before.status is not ServiceStatus.FAILED:
            raise NotRunning(name, before.status.value)
        return await self._act("restart", before, journal, desired=max(before.desired, 1), new_deployment=True)

    async def _act(
        self, verb: str, before: ServiceReport, journal: Journal, *, desired: int, new_deployment: bool
    ) -> ServiceReport:
        name = before.service
        await journal(f"service.{verb}", name, desired, {"status": before.status.value, "desired": before.desired})
        try:
            await self._ecs.update(name, desired=desired, new_deployment=new_deployment)
        except FullonError as error:
            await journal(f"service.{verb}_failed", name, before.desired, {"code": error.code})
            raise
        _log.info("service order", extra={"service": name, "order": verb, "desired": desired})
        return await self.report(name)

    def _check(self, name: str) -> None:
        if name not in self._names:
            raise UnknownService(name, self._names)

    async def _wants(self) -> Mapping[str, Want]:
        """What was decided; nothing while the database is down: what runs can be shown all the same."""
        try:
            async with self._connection() as connection:
                return await store.wants(connection)
        except Unavailable as error:
            _log.warning("wants not read", extra={"code": error.code})
            return {}

    async def _records(self, names: Sequence[str]) -> dict[str, list[ProcessRecord]] | None:
        """The registry; None while it is down, which must not keep an admin from stopping a daemon."""
        try:
            return await cache.records(self._valkey, names)
        except (RedisError, OSError) as error:
            _log.warning("process registry not read", extra={"cause": repr(error)})
            return None
