"""Health, services and their processes."""

from __future__ import annotations

from datetime import datetime

from fullon_client.models.schema import record


@record("Health")
class Health:
    """It answers."""

    version: str
    status: str = ""


@record("ProbeAnswer")
class Probe:
    """One look at one thing."""

    name: str
    healthy: bool
    latency_ms: float
    detail: str | None


@record("DaemonHealth")
class DaemonHealth:
    """One daemon."""

    service: str
    healthy: bool
    status: str
    desired: int
    running: int
    since: datetime | None
    heartbeat_age_ms: int | None
    restarts_last_hour: int
    last_error: str | None


@record("QueueHealth")
class QueueHealth:
    """One queue between daemons."""

    name: str
    length: int
    newest_age_ms: int | None
    lag_ms: int | None


@record("DeepHealth")
class DeepHealth:
    """Everything there is to look at."""

    version: str
    probes: tuple[Probe, ...]
    services: tuple[DaemonHealth, ...]
    queues: tuple[QueueHealth, ...]
    status: str = ""


@record("ServicesHealth")
class ServicesHealth:
    """Every daemon."""

    version: str
    probes: tuple[Probe, ...]
    services: tuple[DaemonHealth, ...]
    status: str = ""


@record("ServiceAnswer")
class Service:
    """How a service is."""

    service: str
    status: str
    desired: int
    running: int
    since: datetime | None
    heartbeat_age_ms: int | None
    instance: str | None
    version: str | None
    restarts_last_hour: int
    last_error: str | None


@record("ActionAnswer")
class ServiceAction:
    """What was ordered, and how the service is at that moment."""

    service: str
    status: str
    desired: int
    running: int
    since: datetime | None
    heartbeat_age_ms: int | None
    instance: str | None
    version: str | None
    restarts_last_hour: int
    last_error: str | None


@record("Process")
class Process:
    """A running instance of a daemon, as it last said."""

    type: str
    component: str
    instance: str
    status: str
    message: str
    heartbeat: datetime
    heartbeat_age_ms: int
    started: datetime
    version: str
    host: str
    work: int
    stale: bool


@record("Processes")
class Processes:
    """Every instance that is known, by daemon."""

    as_of: datetime
    age_ms: int
    items: tuple[Process, ...]


@record("DaemonProcesses")
class DaemonProcesses:
    """A daemon over all its instances."""

    type: str
    healthy: bool
    instances: int
    status: str | None
    heartbeat_age_ms: int | None
    message: str


@record("ProcessHealth")
class ProcessHealth:
    """Whether the daemons that run do their work. One that nobody started is not ill."""

    as_of: datetime
    age_ms: int
    healthy: bool
    items: tuple[DaemonProcesses, ...]
