"""Recognises and ends what an earlier run left behind.

Three independent marks, because each has a gap: the pid and start time in the state file (written after the start of
a process), the home's mark in the environment (servers overwrite theirs to show a title), and a store that works in
this home's data directory. A bare pid is never enough: numbers are used again.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress

import psutil

from local.home import Home
from local.supervisor.environment import MARK, PART
from local.supervisor.state import ProcessRecord

CLOCK_TOLERANCE_SECONDS = 2.0
"""psutil derives start times from the boot time, which moves when the clock is set."""
KILL_SECONDS = 2.0
STORE_NAMES = ("postgres", "valkey-server", "redis-server")


def is_alive(record: ProcessRecord) -> bool:
    """Whether exactly this process still runs."""
    return _process_of(record) is not None


def left_behind(home: Home, instance: str, records: Iterable[ProcessRecord]) -> list[psutil.Process]:
    """Every process of this home except the caller and its own children."""
    found: dict[int, psutil.Process] = {}
    for record in records:
        process = _process_of(record)
        if process is not None:
            found[process.pid] = process
            for descendant in _descendants(process):
                found[descendant.pid] = descendant
    for process in psutil.process_iter():
        if process.pid not in found and (_is_marked(process, instance, None) or _serves_from(process, home)):
            found[process.pid] = process
    ours = {os.getpid(), *(child.pid for child in _descendants(psutil.Process()))}
    return [process for pid, process in found.items() if pid not in ours]


def descendants_of(instance: str, part: str) -> list[psutil.Process]:
    """Processes that a supervised process started, however far down, also after it died."""
    return [process for process in psutil.process_iter() if _is_marked(process, instance, part)]


def end_all(processes: list[psutil.Process], grace_seconds: float) -> int:
    """Stop processes politely from the top, kill what is left after the grace; returns how many there were.

    A server stops its own workers in its own way, so a process is asked only once its parent is gone.
    """
    deadline = time.monotonic() + grace_seconds
    alive, asked = processes, set[int]()
    while (alive := [process for process in alive if lives(process)]) and time.monotonic() < deadline:
        remaining = {process.pid for process in alive}
        for process in alive:
            if process.pid not in asked and _parent(process) not in remaining:
                asked.add(process.pid)
                _signal(process, signal.SIGINT if _name(process) == "postgres" else signal.SIGTERM)
        time.sleep(0.02)
    for process in alive:
        _signal(process, signal.SIGKILL)
    deadline = time.monotonic() + KILL_SECONDS
    while any(lives(process) for process in alive) and time.monotonic() < deadline:
        time.sleep(0.02)
    return len(processes)


def lives(process: psutil.Process) -> bool:
    """Whether it still runs; one that has ended and waits for its parent to notice does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.Error):
        process.send_signal(number)


def _parent(process: psutil.Process) -> int:
    try:
        return int(process.ppid())
    except psutil.Error:
        return 0


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return ""


def _process_of(record: ProcessRecord) -> psutil.Process | None:
    try:
        process = psutil.Process(record.pid)
        same = abs(process.create_time() - record.created) <= CLOCK_TOLERANCE_SECONDS
    except psutil.Error:
        return None
    return process if same and lives(process) else None


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _is_marked(process: psutil.Process, instance: str, part: str | None) -> bool:
    try:
        environment = process.environ()
    except (psutil.Error, OSError):
        return False
    return environment.get(MARK) == instance and (part is None or environment.get(PART) == part)


def _serves_from(process: psutil.Process, home: Home) -> bool:
    try:
        return _name(process) in STORE_NAMES and process.cwd() in {str(home.postgres), str(home.valkey)}
    except (psutil.Error, OSError):
        return False
