"""Values of the fleet: process records, leases, tasks of the container service, and what they add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

HEARTBEAT_SECONDS = 5.0
"""A working daemon says so this often."""
MISSED_HEARTBEATS = 3
"""After so many silent intervals a record is stale."""
STALE_AFTER = timedelta(seconds=HEARTBEAT_SECONDS * MISSED_HEARTBEATS)
STARTING_GRACE = timedelta(seconds=60)
"""A new task may take this long to its first heartbeat before it counts as stale."""
CRASH_WINDOW = timedelta(hours=1)
MOST_CRASHES = 5
"""A service that crashes more often within :data:`CRASH_WINDOW` is put down."""

EXITED_BY_ITSELF = frozenset({"EssentialContainerExited", "TaskFailedToStart"})
"""Stop codes of ECS that nobody asked for."""
UNHEALTHY = "failed container health checks"
"""In the reason of a task that ECS ended because it did no work any more; its stop code is the scheduler's."""


class ProcessStatus(StrEnum):
    """What a daemon says about itself."""

    STARTING = "starting"
    RUNNING = "running"
    IDLE = "idle"
    ERROR = "error"
    STOPPED = "stopped"


class ServiceStatus(StrEnum):
    """What an admin is told about a service."""

    RUNNING = "running"
    STOPPED = "stopped"
    STARTING = "starting"
    STOPPING = "stopping"
    CRASHED = "crashed"
    STALE = "stale"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """One running daemon instance.

    Attributes:
        name: the daemon (its type).
        instance: this one process of it.
        heartbeat: when it last did its work, not merely when its process was alive.
        work: units of work done since it started (ticks, bars, messages).
    """

    name: str
    instance: str
    status: ProcessStatus
    heartbeat: datetime
    started: datetime
    version: str
    host: str
    message: str = ""
    work: int = 0

    def is_stale(self, now: datetime) -> bool:
        """Three heartbeats were missed by a process that did not say goodbye."""
        return self.status is not ProcessStatus.STOPPED and now - self.heartbeat > STALE_AFTER

    def with_status(self, status: ProcessStatus, message: str) -> ProcessRecord:
        """The same process in another status."""
        return replace(self, status=status, message=message)


@dataclass(frozen=True, slots=True)
class Lease:
    """A leadership that was won. ``fence`` grows with every change of hands, so the newest leader has the highest."""

    name: str
    holder: str
    fence: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the container service, as ECS reports it."""

    task_id: str
    last_status: str
    desired_status: str
    created_at: datetime
    started_by: str
    started_at: datetime | None = None
    stopping_at: datetime | None = None
    stopped_at: datetime | None = None
    stop_code: str | None = None
    reason: str = ""
    exit_code: int | None = None

    @property
    def is_live(self) -> bool:
        """Meant to run, and not ended."""
        return self.desired_status == "RUNNING" and self.last_status != "STOPPED"

    @property
    def crashed(self) -> bool:
        """Ended although nobody asked for it."""
        return self.last_status == "STOPPED" and (self.stop_code in EXITED_BY_ITSELF or UNHEALTHY in self.reason)

    def failure(self) -> str:
        """The end of a crashed task as a sentence."""
        sentence = self.reason.rstrip(".") or "The process ended by itself"
        return f"{sentence} (exit code {self.exit_code})." if self.exit_code is not None else f"{sentence}."


@dataclass(frozen=True, slots=True)
class Service:
    """A daemon's service in the container service.

    Attributes:
        desired, running, pending: numbers of tasks.
        deployment: id of the present deployment; tasks of it carry it as ``started_by``.
        tasks: running ones and those that ended lately (ECS keeps them for an hour).
    """

    name: str
    desired: int
    running: int
    pending: int
    deployment: str
    tasks: tuple[Task, ...] = ()


@dataclass(frozen=True, slots=True)
class Want:
    """How many tasks of a service an admin last asked for.

    Attributes:
        failed_at: when it was put down after too many crashes; None while it was not. Any order of an admin ends that.
        failure: why, as a sentence.
    """

    service: str
    desired: int
    changed_at: datetime
    failed_at: datetime | None = None
    failure: str | None = None

    @property
    def allowed(self) -> int:
        """How many tasks are to run now."""
        return 0 if self.failure is not None else self.desired


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """What an admin is told about one service."""

    service: str
    status: ServiceStatus
    desired: int
    running: int
    since: datetime | None
    heartbeat_age_ms: int | None
    instance: str | None
    version: str | None
    restarts_last_hour: int
    last_error: str | None


def report(
    service: Service, records: Sequence[ProcessRecord] | None, now: datetime, want: Want | None = None
) -> ServiceReport:
    """Put together what the container service counts, what the processes say and what was decided about it.

    Args:
        records: of the daemon's instances; None when the registry cannot be reached, which makes nothing stale.
        want: None when nobody has asked for anything yet, or that is not known.
    """
    record = _present_record(service, records or ())
    status, since = _status(service, record, records is not None, now)
    failure = want.failure if want is not None and service.desired == 0 else None
    if failure is not None and want is not None:
        status, since = ServiceStatus.FAILED, want.failed_at
    return ServiceReport(
        service=service.name,
        status=status,
        desired=service.desired,
        running=service.running,
        since=since,
        heartbeat_age_ms=max(0, int((now - record.heartbeat) / timedelta(milliseconds=1))) if record else None,
        instance=record.instance if record else None,
        version=record.version if record else None,
        restarts_last_hour=_restarts(service, now),
        last_error=failure or _last_error(service, record, now),
    )


def _present_record(service: Service, records: Sequence[ProcessRecord]) -> ProcessRecord | None:
    """The record of the running process: the freshest, unless it is of a process from before the present task."""
    newest = max(records, key=lambda record: record.heartbeat, default=None)
    live = [task for task in service.tasks if task.last_status != "STOPPED"]
    if newest is None or not live:
        return None
    begun = max(task.created_at for task in live)
    return newest if newest.heartbeat >= begun else None


def _status(
    service: Service, record: ProcessRecord | None, registry_known: bool, now: datetime
) -> tuple[ServiceStatus, datetime | None]:
    live = sorted((task for task in service.tasks if task.is_live), key=lambda task: task.created_at)
    ended = _newest_ended(service)
    if service.desired == 0:
        leaving = [task for task in service.tasks if task.last_status != "STOPPED"]
        if leaving or service.running:
            return ServiceStatus.STOPPING, min((t.stopping_at for t in leaving if t.stopping_at), default=None)
        return ServiceStatus.STOPPED, ended.stopped_at if ended else None
    if not live:
        if ended is not None and ended.crashed and ended.started_by == service.deployment:
            return ServiceStatus.CRASHED, ended.stopped_at
        return ServiceStatus.STARTING, None
    task = live[-1]
    if task.last_status != "RUNNING":
        return ServiceStatus.STARTING, task.created_at
    since = task.started_at or task.created_at
    if not registry_known:
        return ServiceStatus.RUNNING, since
    if record is None:
        return (ServiceStatus.STARTING if now - since <= STARTING_GRACE else ServiceStatus.STALE), since
    if record.is_stale(now):
        return ServiceStatus.STALE, record.heartbeat
    if record.status is ProcessStatus.STARTING:
        return ServiceStatus.STARTING, since
    return ServiceStatus.RUNNING, since


def _newest_ended(service: Service) -> Task | None:
    ended = [task for task in service.tasks if task.last_status == "STOPPED"]
    return max(ended, key=lambda task: task.stopped_at or task.created_at, default=None)


def _restarts(service: Service, now: datetime) -> int:
    """Tasks of the last hour that replaced a crashed one of the same deployment."""
    tasks = sorted(service.tasks, key=lambda task: task.created_at)
    return sum(
        1
        for before, after in pairwise(tasks)
        if before.crashed and before.started_by == after.started_by and now - after.created_at <= CRASH_WINDOW
    )


def _last_error(service: Service, record: ProcessRecord | None, now: datetime) -> str | None:
    if record is not None and record.status is ProcessStatus.ERROR:
        return record.message or "The daemon reports an error."
    crashed = [
        task for task in service.tasks if task.crashed and task.stopped_at and now - task.stopped_at <= CRASH_WINDOW
    ]
    newest = max(crashed, key=lambda task: task.stopped_at or task.created_at, default=None)
    return newest.failure() if newest else None
