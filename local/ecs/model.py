"""What the endpoint keeps: clusters, task definitions, services, tasks. Times are epoch seconds, as on the wire.

The records are changed in place by the one event loop of the endpoint and written as a whole by :mod:`local.ecs.state`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ACCOUNT = "000000000000"
MOST_EVENTS = 100
DEFAULT_STOP_TIMEOUT = 30

Document = dict[str, Any]
"""A piece of the ECS protocol that is kept and given back as it came."""


@dataclass
class Definition:
    """A revision of a task definition, in the shape of the protocol; it has exactly one container."""

    family: str
    revision: int
    document: Document

    @property
    def arn(self) -> str:
        return str(self.document["taskDefinitionArn"])

    @property
    def container(self) -> Document:
        container: Document = self.document["containerDefinitions"][0]
        return container

    @property
    def stop_timeout(self) -> float:
        """Seconds between SIGTERM and SIGKILL."""
        return float(self.container.get("stopTimeout", DEFAULT_STOP_TIMEOUT))


@dataclass
class Deployment:
    """One roll-out of a service; its id is the ``startedBy`` of its tasks."""

    id: str
    definition: str
    created_at: float
    updated_at: float
    failed_tasks: int = 0


@dataclass
class Service:
    """A service and what its scheduler remembers.

    Attributes:
        deployments: the present one first, older ones while they still have tasks.
        restarts: when crashed tasks were replaced, within the last hour.
        not_before: earliest time of the next replacement.
        held: given up on after too many restarts, until an admin acts.
    """

    name: str
    cluster: str
    desired: int
    created_at: float
    deployments: list[Deployment]
    minimum_percent: int = 100
    maximum_percent: int = 200
    launch_type: str = "FARGATE"
    network: Document = field(default_factory=dict)
    status: str = "ACTIVE"
    events: list[Document] = field(default_factory=list)
    restarts: list[float] = field(default_factory=list)
    not_before: float = 0.0
    restart_due: bool = False
    held: bool = False
    steady: bool = True

    @property
    def primary(self) -> Deployment:
        return self.deployments[0]

    @property
    def group(self) -> str:
        """The ``group`` of its tasks."""
        return f"service:{self.name}"


@dataclass
class Task:
    """One run of a container.

    Attributes:
        pid: leader of the process group; None before the start.
        mark: tells this process from a later one with the same number.
    """

    id: str
    cluster: str
    definition: str
    container: str
    group: str
    started_by: str
    created_at: float
    launch_type: str = "FARGATE"
    overrides: Document = field(default_factory=dict)
    desired_status: str = "RUNNING"
    last_status: str = "PROVISIONING"
    started_at: float | None = None
    stopping_at: float | None = None
    stopped_at: float | None = None
    stop_code: str | None = None
    stopped_reason: str | None = None
    exit_code: int | None = None
    container_reason: str | None = None
    pid: int | None = None
    mark: str | None = None
    version: int = 1

    @property
    def has_ended(self) -> bool:
        return self.last_status == "STOPPED"

    @property
    def is_wanted(self) -> bool:
        return self.desired_status == "RUNNING" and not self.has_ended
