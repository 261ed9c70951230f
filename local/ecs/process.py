"""A container as a process: own session, output to its log, ended as a whole."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from local.ecs.logfile import LogFile

OUTPUT_CHUNK = 65_536
LAST_OUTPUT_SECONDS = 2.0


class TaskProcess:
    """The running main process of a task, made by :meth:`start`."""

    def __init__(self, process: asyncio.subprocess.Process, output: int, log: LogFile) -> None:
        self._process = process
        self._output = output
        self._log = log
        self._output_ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(output, self._copy_output)

    @classmethod
    async def start(
        cls, command: Sequence[str], environment: Mapping[str, str], directory: Path | None, log: LogFile
    ) -> TaskProcess:
        """Start ``command`` as leader of a new session.

        Raises:
            OSError: it cannot be executed.
            ValueError: a word of it holds a NUL.
        """
        # A pipe of our own: asyncio's would delay the end of the main process until its last descendant let go of it.
        output, output_of_child = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output_of_child,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(environment),
                cwd=directory,
                start_new_session=True,
            )
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(output_of_child)
        os.set_blocking(output, False)
        return cls(process, output, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ended(self) -> int:
        """Wait for the end of the main process; as in a container, that is the end of its group too.

        Returns:
            the exit code as a container reports it: 128 + the signal for a killed one.
        """
        code = await self._process.wait()
        self.kill()
        return 128 - code if code < 0 else code

    async def drain(self) -> None:
        """Write what was printed last, once nobody can print any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_OUTPUT_SECONDS):
                await self._output_ended.wait()
        self._close_output()

    async def stop(self, seconds: float) -> None:
        """SIGTERM to the main process, SIGKILL to the whole group when it has not ended after ``seconds``."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _copy_output(self) -> None:
        try:
            data = os.read(self._output, OUTPUT_CHUNK)
        except BlockingIOError:
            return
        if data:
            self._log.write(data)
        else:
            self._close_output()

    def _close_output(self) -> None:
        if not self._output_ended.is_set():
            self._output_ended.set()
            asyncio.get_running_loop().remove_reader(self._output)
            os.close(self._output)
