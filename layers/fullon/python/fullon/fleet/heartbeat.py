"""A daemon's own record: published while it works, silent when it hangs.

The loop that does the work calls :meth:`Heartbeat.work` or :meth:`Heartbeat.idle`; that costs an attribute and may be
done per tick. The record goes out at most once an interval, and only if there was such a call since the last time, so a
process that is alive but stuck becomes stale.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
from redis.exceptions import RedisError

from fullon.fleet import cache, store
from fullon.fleet.heartbeat_file import HeartbeatFile
from fullon.fleet.model import HEARTBEAT_SECONDS, ProcessRecord, ProcessStatus
from fullon.kernel.clock import Clock
from fullon.kernel.errors import Unavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

    Pool = asyncpg.Pool[Any]

_log = logging.getLogger("fullon.fleet")
_KEPT_EVENTS = 200
_GONE_AFTER = timedelta(hours=1)


class Heartbeat:
    """Publishes one daemon instance.

    Args:
        database: gives the pool of the platform database; asked anew each time, so a lost server only delays history.
        interval: seconds between two records.
        file: shows the same signs of work to whoever supervises the container; needs no store.
    """

    def __init__(
        self,
        *,
        name: str,
        instance: str,
        version: str,
        host: str,
        valkey: Redis,
        database: Callable[[], Awaitable[Pool]],
        clock: Clock,
        interval: float = HEARTBEAT_SECONDS,
        file: HeartbeatFile | None = None,
    ) -> None:
        self._valkey = valkey
        self._database = database
        self._clock = clock
        self._interval = interval
        self._file = file
        now = clock.now()
        self._record = ProcessRecord(name, instance, ProcessStatus.STARTING, now, now, version, host)
        self._work = 0
        self._alive = True
        self._changed = asyncio.Event()
        self._unsaved: deque[tuple[ProcessRecord, datetime]] = deque([(self._record, now)], maxlen=_KEPT_EVENTS)

    @property
    def record(self) -> ProcessRecord:
        """The record as it would go out now."""
        return replace(self._record, work=self._work)

    def work(self, count: int = 1) -> None:
        """``count`` units of work were done; the daemon is running."""
        self._alive = True
        if self._record.status is not ProcessStatus.RUNNING:
            self.change(ProcessStatus.RUNNING)
        elif self._file is not None:
            self._file.show(self._record)
        self._work += count

    def idle(self, message: str = "") -> None:
        """There is nothing to do, and the loop that would do it is alive; call it as often as there is nothing."""
        self.change(ProcessStatus.IDLE, message)

    def error(self, message: str) -> None:
        """The work fails at present; ``message`` is a sentence without secrets."""
        self.change(ProcessStatus.ERROR, message)

    def change(self, status: ProcessStatus, message: str = "") -> None:
        """Say another status; it goes out at once and, unless it is mere running and idling, into the history."""
        self._alive = True
        before = self._record
        same = (before.status, before.message) == (status, message)
        if not same:
            self._record = before.with_status(status, message)
        if self._file is not None:
            self._file.show(self._record)
        if same:
            return
        working = {ProcessStatus.RUNNING, ProcessStatus.IDLE}
        if before.status is not status and not {before.status, status} <= working:
            self._unsaved.append((self._record, self._clock.now()))
        self._changed.set()

    async def run(self) -> None:
        """Publish until cancelled. Losing Valkey or PostgreSQL delays records and never ends this."""
        await self._forget_predecessors()
        while True:
            await self.publish()
            self._changed.clear()
            try:
                async with asyncio.timeout(self._interval):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def publish(self) -> None:
        """One heartbeat, if there was a sign of work since the last one, and what history is not saved yet."""
        if self._alive:
            self._alive = False
            self._record = replace(self._record, heartbeat=self._clock.now())
            try:
                await cache.put(self._valkey, self.record)
            except (RedisError, OSError) as error:
                self._alive = True
                _log.warning("heartbeat not published", extra={"cause": repr(error)})
        await self._save_events()

    async def stop(self, message: str = "") -> None:
        """The last record: this instance has ended as asked."""
        self.change(ProcessStatus.STOPPED, message)
        await self.publish()

    async def _save_events(self) -> None:
        while self._unsaved:
            record, at = self._unsaved[0]
            try:
                pool = await self._database()
                async with pool.acquire(timeout=5) as connection:
                    await store.add_event(connection, record, at)
            except (OSError, TimeoutError, Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("process history not saved yet", extra={"cause": repr(error)})
                return
            self._unsaved.popleft()

    async def _forget_predecessors(self) -> None:
        try:
            known = (await cache.records(self._valkey, [self._record.name]))[self._record.name]
            now = self._clock.now()
            gone = [
                other.instance
                for other in known
                if other.instance != self._record.instance
                and (other.status is ProcessStatus.STOPPED or now - other.heartbeat > _GONE_AFTER)
            ]
            await cache.forget(self._valkey, self._record.name, gone)
        except (RedisError, OSError) as error:
            _log.warning("old process records not removed", extra={"cause": repr(error)})
