"""Finds every process of a task, also when the endpoint that started it is gone.

A process number alone proves nothing, since numbers are used again. The leader is known by its number together with
its start time; it and whatever it started, by the task's id in their environment.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path

import psutil

from local.ecs.model import Task

VARIABLE = "FULLON_TASK"
"""Set in the environment of each task; holds its id."""


def process_mark(pid: int) -> str | None:
    """What tells this process from an earlier or later one with the same number; None if there is none.

    On Linux the boot and the tick of the start, which no change of the clock can move; elsewhere the start time.
    """
    try:
        # The name in parentheses may hold anything; the start time is field 22, the 20th after it (proc_pid_stat(5)).
        ticks = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19].decode()
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}:{ticks}"
    except (FileNotFoundError, ProcessLookupError, IndexError):
        try:
            return f"{psutil.Process(pid).create_time():.2f}"
        except psutil.Error:
            return None


def processes_of(tasks: Iterable[Task]) -> dict[str, list[psutil.Process]]:
    """The living processes of each task, in one walk over the machine's processes."""
    found: dict[str, list[psutil.Process]] = {task.id: [] for task in tasks}
    leaders = {task.pid: task for task in tasks if task.pid is not None}
    for process in psutil.process_iter():
        leader = leaders.get(process.pid)
        if leader is not None and leader.mark == process_mark(process.pid):
            found[leader.id].append(process)
            continue
        try:
            owner = process.environ().get(VARIABLE)
        except (psutil.Error, OSError):
            continue
        if owner in found and process.pid != os.getpid():
            found[owner].append(process)
    return found


def end(processes: list[psutil.Process], grace: float) -> None:
    """SIGTERM, then SIGKILL after ``grace`` seconds; blocks until they are gone."""
    if grace > 0:
        for process in processes:
            _send(process, signal.SIGTERM)
        _, processes = psutil.wait_procs(processes, timeout=grace)
    for process in processes:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(processes, timeout=2)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return
