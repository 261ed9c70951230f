"""A command that is run to its end: its output into a file and line by line to whoever listens."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

LONGEST_LINE = 1024 * 1024
GRACE_SECONDS = 5.0


async def run_to_end(
    command: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    output: Path,
    say: Callable[[str], None] | None = None,
) -> int:
    """The exit code; when cancelled, the command is ended first, with everything in its session.

    Raises:
        OSError: it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        limit=LONGEST_LINE,
    )
    assert process.stdout is not None
    try:
        with output.open("wb") as file:
            async for line in process.stdout:
                file.write(line)
                file.flush()
                if say is not None:
                    say(line.decode(errors="replace").rstrip("\n"))
        return await process.wait()
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.returncode is not None:
            break
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GRACE_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # what it left behind in its session


def last_lines(path: Path, count: int) -> list[str]:
    """The end of an output file; empty when there is none."""
    try:
        return path.read_text(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        return []
