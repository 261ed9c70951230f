"""What runs, in a file: for `fullon status`, and for the next start if this one is killed."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from local.home import Home, read_mapping, write_private

FORMAT = 1


@dataclass(frozen=True)
class ProcessRecord:
    """A process that cannot be mistaken for a later one with the same number.

    `created` is the start time in epoch seconds, as psutil tells it.
    """

    name: str
    pid: int
    created: float
    port: int | None
    status: str
    restarts: int = 0


@dataclass
class RunState:
    """The present run of a home."""

    home: Path
    supervisor: ProcessRecord
    ports: dict[str, int]
    addresses: dict[str, str]
    children: dict[str, ProcessRecord] = field(default_factory=dict)
    phase: str = "starting"

    def save(self) -> None:
        """Write `state.json`, readable by its owner only; it holds no secrets."""
        document = {
            "format": FORMAT,
            "phase": self.phase,
            "home": str(self.home),
            "supervisor": asdict(self.supervisor),
            "ports": self.ports,
            "addresses": self.addresses,
            "children": {name: asdict(record) for name, record in self.children.items()},
        }
        write_private(Home(self.home).state, document)


def recorded_processes(home: Home) -> list[ProcessRecord]:
    """The supervisor and children that the state file names; empty without a usable file."""
    document = read_state(home)
    entries = [document.get("supervisor"), *(document.get("children") or {}).values()]
    records = []
    for entry in entries:
        try:
            records.append(ProcessRecord(**entry))
        except TypeError:
            continue
    return records


def read_state(home: Home) -> dict[str, Any]:
    """The state document of this format, or an empty one."""
    document = read_mapping(home.state)
    return document if document.get("format") == FORMAT else {}


def own_record() -> ProcessRecord:
    """This process."""
    return ProcessRecord("supervisor", os.getpid(), created_at(os.getpid()) or 0.0, None, "running")


def created_at(pid: int) -> float | None:
    """When a process started, or None when there is none."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None
