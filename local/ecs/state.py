"""What survives a restart of the endpoint, in one file that is replaced as a whole.

The new content is on the disk before the name points to it, so a crash leaves the old file or the new one.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from local.ecs.model import Definition, Deployment, Service, Task

FORMAT = 1
STOPPED_TASKS_KEPT_SECONDS = 3600
"""As long as Amazon ECS shows them."""

Record = TypeVar("Record", Definition, Deployment, Service, Task)
_log = logging.getLogger("local.ecs")


@dataclass
class State:
    """Everything the endpoint knows. Services are keyed by cluster and name, definitions by family, oldest first."""

    clusters: list[str] = field(default_factory=list)
    definitions: dict[str, list[Definition]] = field(default_factory=dict)
    services: dict[tuple[str, str], Service] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)

    def definition(self, arn: str) -> Definition:
        """The revision with that ARN, which something refers to."""
        family = arn.rsplit("/", 1)[-1].rsplit(":", 1)[0]
        return next(definition for definition in self.definitions[family] if definition.arn == arn)

    def tasks_of(self, service: Service) -> list[Task]:
        """Its tasks that have not ended, oldest first."""
        return [
            task
            for task in self.tasks.values()
            if task.cluster == service.cluster and task.group == service.group and not task.has_ended
        ]

    def forget_old_tasks(self, now: float) -> None:
        """Drop tasks that ended more than an hour ago."""
        for task in list(self.tasks.values()):
            if task.stopped_at is not None and now - task.stopped_at > STOPPED_TASKS_KEPT_SECONDS:
                del self.tasks[task.id]


class StateInUse(Exception):
    """Another endpoint works with this directory."""


class StateFile:
    """The file ``state.json`` of a directory that one endpoint owns at a time."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "state.json"
        self._directory = directory
        self._writing = asyncio.Lock()
        self._owned: int | None = None

    def own(self) -> None:
        """Make sure that nobody else works with the directory; given up with the process, however it ends.

        Raises:
            StateInUse: somebody does.
            OSError: the directory cannot be made or opened.
        """
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise StateInUse(str(self._directory)) from error
        self._owned = descriptor

    def load(self) -> State:
        """The state as it was last saved; an empty one at first. A damaged file is put aside, not overwritten."""
        try:
            return decode(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return State()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            aside = self._path.with_suffix(".damaged")
            self._path.replace(aside)
            _log.error("state file damaged, starting empty", extra={"kept_as": str(aside), "cause": repr(error)})
            return State()

    async def save(self, state: State) -> None:
        """Write everything, durably, before this returns.

        Raises:
            OSError: it could not be written; the file is as it was.
        """
        async with self._writing:
            content = json.dumps(encode(state), separators=(",", ":")).encode()
            await asyncio.to_thread(self._replace, content)

    def _replace(self, content: bytes) -> None:
        draft = self._path.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        draft.replace(self._path)
        if self._owned is not None:
            os.fsync(self._owned)


def encode(state: State) -> dict[str, Any]:
    """The state as JSON can hold it."""
    return {
        "format": FORMAT,
        "clusters": state.clusters,
        "definitions": [asdict(one) for revisions in state.definitions.values() for one in revisions],
        "services": [asdict(service) for service in state.services.values()],
        "tasks": [asdict(task) for task in state.tasks.values()],
    }


def decode(data: dict[str, Any]) -> State:
    """What :func:`encode` made.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is something else.
    """
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']}")
    state = State(clusters=[str(name) for name in data["clusters"]])
    for item in data["definitions"]:
        definition = _record(Definition, item)
        state.definitions.setdefault(definition.family, []).append(definition)
    for item in data["services"]:
        service = _record(Service, item)
        service.deployments = [_record(Deployment, one) for one in item["deployments"]]
        state.services[service.cluster, service.name] = service
    for item in data["tasks"]:
        task = _record(Task, item)
        state.tasks[task.id] = task
    return state


def _record(kind: type[Record], item: dict[str, Any]) -> Record:
    known = {one.name for one in fields(kind)}
    return kind(**{name: value for name, value in item.items() if name in known})
