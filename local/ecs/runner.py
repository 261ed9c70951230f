"""Runs the processes of tasks and keeps their records true: started, stopping, ended and why."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from fullon.kernel.clock import Clock
from local.ecs import orphans
from local.ecs.logfile import LARGEST_BYTES, LogFile
from local.ecs.model import Definition, Document, Task
from local.ecs.process import TaskProcess
from local.ecs.state import State, StateFile

_log = logging.getLogger("local.ecs")

WITHHELD = {"PYTHONDONTWRITEBYTECODE"}
"""Would cost every start of a daemon its byte code."""


class Runner:
    """Owns every child process of the endpoint.

    Args:
        environment: what each task gets below its own variables.
        on_end: called with a task when it has ended, whatever the reason.
    """

    def __init__(
        self,
        state: State,
        file: StateFile,
        clock: Clock,
        logs: Path,
        environment: Mapping[str, str],
        on_end: Callable[[Task], None],
        log_bytes: int = LARGEST_BYTES,
    ) -> None:
        self._state = state
        self._file = file
        self._clock = clock
        self._logs = logs
        self._environment = environment
        self._on_end = on_end
        self._log_bytes = log_bytes
        self._files: dict[str, LogFile] = {}
        self._processes: dict[str, TaskProcess] = {}
        self._work: set[asyncio.Task[None]] = set()

    def now(self) -> float:
        return self._clock.now().timestamp()

    async def save(self) -> None:
        """Keep the state; a full disk is said and survived, the processes go on."""
        try:
            await self._file.save(self._state)
        except OSError as error:
            _log.error("state not saved", extra={"cause": error.strerror})

    async def launch(self, task: Task) -> None:
        """Start the process of a task that is new. Its record is on the disk before, so it can never be lost."""
        definition = self._state.definition(task.definition)
        task.last_status = "PENDING"
        await self.save()
        if not task.is_wanted:
            self._finish(task, None, None)
            return
        try:
            command, environment, directory = self._plan(definition, task)
            process = await TaskProcess.start(command, environment, directory, self._log_of(task))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            task.stop_code = task.stop_code or "TaskFailedToStart"
            task.stopped_reason = task.stopped_reason or f"CannotStartContainerError: {reason}"
            self._finish(task, None, f"CannotStartContainerError: {reason}")
            return
        task.pid = process.pid
        task.mark = orphans.process_mark(process.pid)
        self._processes[task.id] = process
        self._in_background(self._watch(task, process))
        if task.desired_status == "RUNNING":
            task.last_status = "RUNNING"
            task.started_at = self.now()
            task.version += 1
            _log.info("task started", extra={"group": task.group, "task": task.id, "pid": process.pid})
        else:  # asked to stop while it was being started
            self._in_background(process.stop(definition.stop_timeout))
        await self.save()

    def stop(self, task: Task, code: str, reason: str, longest: float | None = None) -> None:
        """Ask a task to end: SIGTERM, after the stop time-out (or ``longest`` seconds) SIGKILL."""
        if not task.is_wanted:
            return
        task.desired_status = "STOPPED"
        task.stop_code = code
        task.stopped_reason = reason
        task.stopping_at = self.now()
        task.version += 1
        process = self._processes.get(task.id)
        if process is None:
            return
        task.last_status = "STOPPING"
        seconds = self._state.definition(task.definition).stop_timeout
        self._in_background(process.stop(seconds if longest is None else min(seconds, longest)))

    async def close(self, grace: float) -> None:
        """End every task: politely all at once, for good after ``grace`` seconds; returns when none is left."""
        for task in self._state.tasks.values():
            self.stop(task, "TerminationNotice", "The endpoint is shutting down", grace)
        for last_wait in (grace + 0.5, 3.0):
            if self._work:
                await asyncio.wait(self._work, timeout=last_wait)
            self.kill_all()  # those that were being stopped before, with a longer time-out of their own
        for file in self._files.values():
            file.close()

    def kill_all(self) -> None:
        """SIGKILL to everything, at once."""
        for process in self._processes.values():
            process.kill()

    async def end_leftovers(self) -> int:
        """End what an earlier endpoint started and could not end; returns the number of processes."""
        unfinished = [task for task in self._state.tasks.values() if not task.has_ended]
        if not unfinished:
            return 0
        found = await asyncio.to_thread(orphans.processes_of, unfinished)
        processes = list({process.pid: process for group in found.values() for process in group}.values())
        await asyncio.to_thread(orphans.end, processes, 5.0)
        for task in unfinished:
            task.desired_status = task.last_status = "STOPPED"
            task.stop_code = task.stop_code or "TerminationNotice"
            task.stopped_reason = task.stopped_reason or "The endpoint that ran it has ended"
            task.stopped_at = self.now()
            task.version += 1
        await self.save()
        return len(processes)

    async def _watch(self, task: Task, process: TaskProcess) -> None:
        code = await process.ended()
        stray = await asyncio.to_thread(orphans.processes_of, [task])
        await asyncio.to_thread(orphans.end, stray[task.id], 0)
        await process.drain()
        self._finish(task, code, None)
        await self.save()

    def _finish(self, task: Task, exit_code: int | None, container_reason: str | None) -> None:
        self._processes.pop(task.id, None)
        if task.desired_status == "RUNNING":
            task.stop_code = task.stop_code or "EssentialContainerExited"
            task.stopped_reason = task.stopped_reason or "Essential container in task exited"
        task.desired_status = task.last_status = "STOPPED"
        task.exit_code = exit_code
        task.container_reason = container_reason
        task.stopped_at = self.now()
        task.stopping_at = task.stopping_at or task.stopped_at
        task.version += 1
        _log.info(
            "task ended",
            extra={"group": task.group, "task": task.id, "stop_code": task.stop_code, "exit_code": exit_code},
        )
        self._on_end(task)

    def _plan(self, definition: Definition, task: Task) -> tuple[list[str], dict[str, str], Path | None]:
        """Command, environment and directory of a task; the definition's variables over ours, overrides over both."""
        container = definition.container
        override: Document = next(
            (one for one in task.overrides.get("containerOverrides", []) if one.get("name") == task.container), {}
        )
        environment = {name: value for name, value in self._environment.items() if name not in WITHHELD}
        # As in the image, "python" is the one that has the product's libraries.
        path = environment.get("PATH", os.defpath)
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), path])
        for pairs in (container.get("environment", []), override.get("environment", [])):
            environment |= {pair["name"]: pair["value"] for pair in pairs}
        environment[orphans.VARIABLE] = task.id
        command = [*container.get("entryPoint", []), *(override.get("command") or container.get("command", []))]
        directory = container.get("workingDirectory")
        return command, environment, Path(directory) if directory else None

    def _log_of(self, task: Task) -> LogFile:
        name = task.container
        if name not in self._files:
            self._files[name] = LogFile(self._logs / "daemons" / f"{name}.log", self._log_bytes)
        return self._files[name]

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        running = asyncio.create_task(work)
        self._work.add(running)
        running.add_done_callback(self._work.discard)
