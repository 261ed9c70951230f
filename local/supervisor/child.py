"""One supervised process: started, watched until it serves, started again when it dies, stopped for good.

States: stopped → starting → running → (died) restarting → running … → stopped. A process that cannot get through
its first start is reported with its last logged line and is not tried again; one that has served once is always
tried again, with a growing pause.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.errors import MachineProblem
from local.stores.account import Account, ownership
from local.supervisor import orphans
from local.supervisor.environment import MARK, PART
from local.supervisor.logfiles import last_words, open_log
from local.supervisor.state import ProcessRecord, created_at

PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_SECONDS = 60.0
"""After this long the next death starts with the shortest pause again."""
FIRST_ATTEMPTS = 2


@dataclass(frozen=True)
class Command:
    """What to run: arguments, complete environment, working directory and account."""

    arguments: list[str]
    environment: Mapping[str, str]
    directory: Path
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM


@dataclass(frozen=True)
class Part:
    """A process of the platform.

    `command` is asked before every start. `ready` returns once the process serves and may be cancelled. `port` is
    what it listens on, for display.
    """

    name: str
    title: str
    port: int | None
    command: Callable[[], Command]
    ready: Callable[[], Awaitable[None]]


class ChildFailed(MachineProblem):
    """A process did not get through its first start."""


class Child:
    """Supervises one part.

    `say` gets one line for a person at each death and return; `changed` is called whenever `record` changed.
    """

    def __init__(
        self, part: Part, instance: str, logs: Path, say: Callable[[str], None], changed: Callable[[], None]
    ) -> None:
        self.part = part
        self.restarts = 0
        self.status = "stopped"
        self._instance = instance
        self._log = logs / f"{part.name}.log"
        self._log_start = 0
        self._say = say
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._created = 0.0
        self._stop_signal = signal.SIGTERM
        self._keeper: asyncio.Task[None] | None = None

    @property
    def record(self) -> ProcessRecord | None:
        """The process as the state file names it, or None before the first start."""
        if self._process is None:
            return None
        return ProcessRecord(
            self.part.name, self._process.pid, self._created, self.part.port, self.status, self.restarts
        )

    async def start(self) -> None:
        """Start and return once it serves; from then on it is kept running.

        Raises:
            ChildFailed: it ended before it served, more than once; the sentence carries its last words.
        """
        for attempt in range(FIRST_ATTEMPTS):
            await self._spawn()
            if await self._served():
                self._set("running")
                self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.part.name}")
                self._keeper.add_done_callback(self._report_loss)
                return
            if attempt + 1 < FIRST_ATTEMPTS:
                await asyncio.sleep(PAUSES_SECONDS[0])
        words = last_words(self._log, self._log_start)
        raise ChildFailed(
            f"{self.part.title} cannot start ({self._ending()})" + (f": {words}" if words else "."),
            f"Its log is {self._log}.",
        )

    async def stop(self, grace_seconds: float) -> None:
        """End the process and everything below it: politely, and after the grace by force."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        process = self._process
        if process is None:
            return
        self._set("stopping")
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(self._stop_signal)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), grace_seconds)
        await self._end_group()
        self._set("stopped")

    def kill(self) -> None:
        """End the process group at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _spawn(self) -> None:
        command = await asyncio.to_thread(self.part.command)
        environment = {**command.environment, MARK: self._instance, PART: self.part.name}
        with open_log(self._log) as log:
            self._log_start = log.seek(0, os.SEEK_END)
            self._process = await asyncio.create_subprocess_exec(
                *command.arguments,
                cwd=command.directory,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **ownership(command.account),
            )
        self._created = created_at(self._process.pid) or 0.0
        self._stop_signal = command.stop_signal
        self._set("starting")

    async def _served(self) -> bool:
        """Whether it serves (True) or ended first (False)."""
        assert self._process is not None
        ready = asyncio.ensure_future(self.part.ready())
        ended = asyncio.ensure_future(self._process.wait())
        try:
            await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return False
            ready.result()
            return True
        finally:
            for waiting in (ready, ended):
                waiting.cancel()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        pauses = 0
        while True:
            assert self._process is not None
            served_since = loop.time()
            await self._process.wait()
            if loop.time() - served_since > STEADY_SECONDS:
                pauses = 0
            self._set("restarting")
            words = "" if self._was_ended() else last_words(self._log, self._log_start)
            pause = PAUSES_SECONDS[min(pauses, len(PAUSES_SECONDS) - 1)]
            self._say(f"{self.part.title} ended ({self._ending()}); starting it again in {pause:g} s. {words}".strip())
            pauses += 1
            await self._end_group()
            await asyncio.sleep(pause)
            self.restarts += 1
            try:
                await self._spawn()
                served = await self._served()
            except (OSError, MachineProblem) as error:
                self._say(f"{self.part.title} cannot be started: {error}")
                continue
            if served:
                self._set("running")
                self._say(f"{self.part.title} is back.")

    def _report_loss(self, keeper: asyncio.Task[None]) -> None:
        if not keeper.cancelled() and keeper.exception() is not None:
            self._say(f"{self.part.title} is not watched any more: {keeper.exception()!r}")

    async def _end_group(self) -> None:
        """End what the process left behind: its group, and descendants that made groups of their own."""
        assert self._process is not None
        if self._process.returncode is None:
            self.kill()
            await self._process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        remaining = await asyncio.to_thread(orphans.descendants_of, self._instance, self.part.name)
        if remaining:
            await asyncio.to_thread(orphans.end_all, remaining, 1.0)

    def _set(self, status: str) -> None:
        self.status = status
        self._changed()

    def _was_ended(self) -> bool:
        """Whether somebody ended it from outside; its last words then say nothing about the reason."""
        outside = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT}
        return self._process is not None and self._process.returncode in outside

    def _ending(self) -> str:
        code = self._process.returncode if self._process is not None else None
        if code is None:
            return "no process"
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}"
