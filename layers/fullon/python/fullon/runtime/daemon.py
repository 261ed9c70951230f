"""The life of a daemon: start, lead, work, and end cleanly; the same for all of them.

A daemon is a coroutine that works until it is cancelled. Around it stand here: settings and logs, one leader per shard
by a lease with fencing, heartbeats of the work done, and the end. SIGTERM and SIGINT cancel the work, which puts away
what it holds and has :data:`DRAIN_SECONDS` for it; a lost lease cancels it too, and the process competes again. A
database or Valkey that is away is waited for. Any other error ends the process with exit code 1, one of the stores
refusing its login for good among them, and whoever supervises it starts a new one. SIGUSR1 logs what every task waits
at.

Metrics leave every minute. Who ordered the start is known by the trace in the order's row: its id is on the line that
says that this process leads, and a span of the start belongs to it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

import fullon
from fullon.fleet import store
from fullon.fleet.errors import LeaseLost
from fullon.fleet.heartbeat import Heartbeat
from fullon.fleet.heartbeat_file import HeartbeatFile
from fullon.fleet.leases import LeaseKeeper
from fullon.fleet.model import HEARTBEAT_SECONDS, Lease
from fullon.kernel.errors import Invalid, Unavailable
from fullon.kernel.ids import new_id
from fullon.kernel.retry import Troubles
from fullon.market.errors import Superseded
from fullon.runtime import logging as structured
from fullon.runtime import logins, metrics, tracing
from fullon.runtime.aws_lambda import process_age, settle_memory
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings

#: What the work may take to put away what it holds; the container service kills after thirty.
DRAIN_SECONDS = 20.0
#: What the last words may take.
_FAREWELL_SECONDS = 3.0
#: A start later than this after the order has another reason.
_ORDER_SECONDS = 600.0

_log = logging.getLogger("fullon.daemon")


@dataclass(frozen=True)
class Context:
    """What the work is given.

    Attributes:
        name: the daemon's name in the manifest.
        lease: the leadership this work runs under; its ``fence`` guards what is written.
        heartbeat: to be told of work done; silence makes the process stale.
    """

    name: str
    container: Container
    lease: Lease
    heartbeat: Heartbeat
    keeper: LeaseKeeper

    @property
    def leading(self) -> bool:
        """Whether the lease is still held; if not, nothing may be written any more, not even what is left."""
        try:
            return self.keeper.lease.fence == self.lease.fence
        except LeaseLost:
            return False


class Pulse:
    """Turns counted work into heartbeats: running while there is some, else idle, or the error that keeps it away."""

    def __init__(self, heartbeat: Heartbeat, troubles: Troubles) -> None:
        self._heartbeat = heartbeat
        self._troubles = troubles
        self._done = 0

    def count(self, done: int = 1) -> None:
        """So much work was done; costs next to nothing."""
        self._done += done

    async def run(self) -> None:
        """Say it every few seconds, until cancelled."""
        while True:
            done, self._done = self._done, 0
            if done:
                self._heartbeat.work(done)
            elif trouble := self._troubles.sentence():
                self._heartbeat.error(trouble)
            else:
                self._heartbeat.idle()
            await asyncio.sleep(HEARTBEAT_SECONDS / 2)


Work = Callable[[Context], Awaitable[None]]


def run(name: str, work: Work, *, shard: str = "") -> None:
    """Run a daemon until it is told to stop; ends the process.

    Args:
        name: of the daemon in the manifest.
        work: works until cancelled, and puts away what it holds when it is.
        shard: which part of the work this is, where several instances share it; one leader each.
    """
    try:
        settings = Settings.load()
    except Invalid as error:
        sys.stderr.write(f"{name}: {error.detail}\n")
        sys.exit(2)
    structured.configure(name, settings.log_level, settings.log_format)
    metrics.configure(name)
    tracing.configure(name, traces_file=settings.traces_file, otlp_endpoint=settings.otel_exporter_otlp_endpoint)
    sys.exit(_runner()(_live(name, work, settings, shard)))


def _runner() -> Callable[[Coroutine[object, object, int]], int]:
    """uvloop's where it is installed: a third less CPU on sockets."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    runner: Callable[[Coroutine[object, object, int]], int] = uvloop.run
    return runner


async def _live(name: str, work: Work, settings: Settings, shard: str) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _say_where)
    container = Container(settings)
    host = socket.gethostname()
    instance = f"{host}-{os.getpid()}-{new_id().hex[-6:]}"
    heartbeat = Heartbeat(
        name=name,
        instance=instance,
        version=fullon.__version__,
        host=host,
        valkey=container.valkey,
        database=container.database,
        clock=container.clock,
        file=HeartbeatFile(settings.heartbeat_file, container.clock) if settings.heartbeat_file else None,
    )
    keeper = LeaseKeeper(container.database, f"daemon:{name}" + (f":{shard}" if shard else ""), instance)
    _log.info("started", extra={"instance": instance, "version": fullon.__version__, "pid": os.getpid()})
    settle_memory()
    beating = asyncio.create_task(heartbeat.run())
    measuring = asyncio.create_task(metrics.flush_forever(settings.metrics_seconds))
    trying_logins = asyncio.create_task(logins.watch(container, every=logins.CHECK_SECONDS))
    trying_logins.add_done_callback(lambda _: stop.set())
    farewell = "stopped as asked"
    try:
        while not stop.is_set():
            await _lead(name, work, container, heartbeat, keeper, stop)
        if trying_logins.done():
            trying_logins.result()
    except Exception as error:  # noqa: BLE001 - whatever ends the work is logged whole, and the supervisor told by the exit code
        _log.critical("failed", exc_info=True)
        farewell = f"failed: {type(error).__name__}"
        return 1
    finally:
        beating.cancel()
        measuring.cancel()
        trying_logins.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await heartbeat.stop(farewell)
        tracing.flush()
        await container.close()
        _log.info("ended", extra={"instance": instance, "reason": farewell})
    return 0


async def _lead(
    name: str, work: Work, container: Container, heartbeat: Heartbeat, keeper: LeaseKeeper, stop: asyncio.Event
) -> None:
    """Win the lease and work under it, until told to stop or another leads."""
    stopping = asyncio.create_task(stop.wait())
    standing_by = asyncio.create_task(_stand_by(heartbeat))
    winning = asyncio.create_task(keeper.win())
    try:
        await asyncio.wait({winning, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _end(standing_by)
    if stop.is_set():
        await _end(winning)
        await keeper.release()
        return
    context = Context(name, container, winning.result(), heartbeat, keeper)
    await _say_why(context)
    bystanders = asyncio.all_tasks()
    working = asyncio.ensure_future(work(context))
    keeping = asyncio.create_task(keeper.keep())
    try:
        await asyncio.wait({working, keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            raise RuntimeError(f"the work of {name} ended by itself")
        if keeping.done():
            keeping.result()
    except Exception as error:  # a group of them, from several tasks, is no LeaseLost
        if not _is_loss_of_leadership(error):
            raise
        _log.error("leadership lost", extra={"cause": repr(error)})
    finally:
        await _end(keeping)
        await _drain(working, bystanders)
        await keeper.release()
        await _end(stopping)


async def _say_why(context: Context) -> None:
    """Log that this process leads, as part of the trace of whoever ordered its start."""
    began = time.time() - process_age()
    cause: str | None = None
    try:
        async with asyncio.timeout(_FAREWELL_SECONDS), context.container.connection() as connection:
            cause = await store.cause(connection, context.name, _ORDER_SECONDS)
    except (Unavailable, TimeoutError, asyncpg.PostgresError) as error:  # no reason not to work
        _log.warning("order not read", extra={"cause": repr(error)})
    trace = tracing.parse_traceparent(cause)
    facts = {"instance": context.heartbeat.record.instance, "fence": context.lease.fence}
    _log.info("leading", extra={**facts, **({"trace_id": trace.trace_id} if trace else {})})
    tracing.caused(cause, f"start {context.name}", {"fullon.fence": context.lease.fence}, start=began).end()


async def _stand_by(heartbeat: Heartbeat) -> None:
    while True:
        heartbeat.idle("waiting for the lease")
        await asyncio.sleep(HEARTBEAT_SECONDS / 2)


async def _drain(working: asyncio.Future[None], bystanders: set[asyncio.Task[object]]) -> None:
    """End the work and wait for what it puts away; ``bystanders`` are the tasks that are no part of it."""
    if working.done():
        return
    working.cancel()
    _, unfinished = await asyncio.wait({working}, timeout=DRAIN_SECONDS / 2)
    if unfinished:
        # A cancellation may get lost in a library (see give_way): whoever is still at work is asked once more.
        _say_where()
        for task in asyncio.all_tasks() - bystanders:
            task.cancel()
        _, unfinished = await asyncio.wait({working}, timeout=DRAIN_SECONDS / 2)
    if unfinished:
        raise TimeoutError(f"the work did not end within {DRAIN_SECONDS:g} s")
    error = None if working.cancelled() else working.exception()
    if error is not None and not _is_loss_of_leadership(error):
        raise error


def _say_where() -> None:
    """Log what every task waits at; also at SIGUSR1, for a daemon that seems to hang."""
    _log.warning("tasks", extra={"tasks": [_where(task) for task in asyncio.all_tasks()]})


def _where(task: asyncio.Task[object]) -> str:
    """The innermost frames of a task, through the coroutines that it awaits."""
    places = []
    waited: object = task.get_coro()
    while waited is not None:
        frame = getattr(waited, "cr_frame", None) or getattr(waited, "ag_frame", None)
        if frame is not None:
            places.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
        waited = getattr(waited, "cr_await", None) or getattr(waited, "ag_await", None)
    return f"{task.get_name()} {' > '.join(places[-6:])}"


def _is_loss_of_leadership(error: BaseException) -> bool:
    """Another leads now; also when several tasks of the work found out at once."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_loss_of_leadership(part) for part in error.exceptions)
    return isinstance(error, LeaseLost | Superseded)


async def _end(task: asyncio.Task[object]) -> None:
    task.cancel()
    await asyncio.wait({task})
