"""Daemons as values: a process record, a lease, and what an operator is told about a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

#: A daemon reports at most this often, and at least this often while it works.
HEARTBEAT_SECONDS = 5
#: After three missed heartbeats a record is stale.
STALE_SECONDS = 3 * HEARTBEAT_SECONDS


class ProcessStatus(StrEnum):
    """What a daemon says of itself."""

    STARTING = "starting"
    RUNNING = "running"
    IDLE = "idle"
    ERROR = "error"
    STOPPED = "stopped"


class ServiceStatus(StrEnum):
    """What an operator is told of a service."""

    RUNNING = "running"
    STOPPED = "stopped"
    STARTING = "starting"
    STOPPING = "stopping"
    CRASHED = "crashed"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A running instance of a daemon, by its own report.

    Attributes:
        type: the daemon's name.
        instance: one run of it.
        heartbeat: when it last did work, epoch milliseconds.
        started: when it started, epoch milliseconds.
        work: how many units of work it has done; the unit is the daemon's.
    """

    type: str
    instance: str
    status: ProcessStatus
    message: str
    heartbeat: int
    started: int
    version: str
    host: str
    work: int

    def age_ms(self, now: int) -> int:
        """How long ago the heartbeat was, in milliseconds."""
        return max(0, now - self.heartbeat)

    def is_stale(self, now: int) -> bool:
        """Whether three heartbeats were missed."""
        return self.status is not ProcessStatus.STOPPED and self.age_ms(now) > STALE_SECONDS * 1000

    def as_mapping(self) -> dict[str, Any]:
        """The record as it is kept in Valkey."""
        return asdict(self)

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_mapping` wrote."""
        return cls(**{**mapping, "status": ProcessStatus(mapping["status"])})


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to lead a shard until it expires.

    Attributes:
        fence: grows with every change of hands; a write guarded by an older one is refused.
    """

    name: str
    holder: str
    fence: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ProcessEvent:
    """A change of status in a daemon's history."""

    at: datetime
    name: str
    instance: str
    status: ProcessStatus
    message: str
    version: str
    host: str


@dataclass(frozen=True, slots=True)
class Task:
    """What the container service says of one task of a service, running or ended.

    Attributes:
        exit_code: of an ended one, where it is known.
        reason: why it ended, in the container service's words.
    """

    task_id: str
    status: str
    started_at: datetime | None
    stopped_at: datetime | None
    exit_code: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the container service says of a service.

    Attributes:
        tasks: newest first, with those that ended lately.
    """

    desired: int
    running: int
    pending: int
    tasks: tuple[Task, ...]

    @property
    def last_failure(self) -> Task | None:
        """The newest task that ended by itself with an error."""
        return next(
            (task for task in self.tasks if task.stopped_at is not None and task.exit_code not in (None, 0)), None
        )


def status_of(deployment: Deployment, record: ProcessRecord | None, now: int) -> ServiceStatus:
    """One word for a service, from what the container service and the daemon itself report.

    Args:
        now: epoch milliseconds.
    """
    if deployment.desired == 0:
        return ServiceStatus.STOPPING if deployment.running or deployment.pending else ServiceStatus.STOPPED
    if deployment.running == 0:
        newest = deployment.tasks[0] if deployment.tasks else None
        failed = newest is not None and newest.stopped_at is not None and newest.exit_code != 0
        return ServiceStatus.CRASHED if failed else ServiceStatus.STARTING
    if record is None or record.status is ProcessStatus.STOPPED:
        return ServiceStatus.STARTING
    if record.is_stale(now):
        return ServiceStatus.STALE
    return ServiceStatus.STARTING if record.status is ProcessStatus.STARTING else ServiceStatus.RUNNING
