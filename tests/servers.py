"""Embedded servers for tests: started as plain children, stopped by process id."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from local.ports import free_port
from local.stores.account import ownership
from local.stores.postgres import Postgres
from local.stores.valkey import Valkey

Result = TypeVar("Result")

MEMORY = "/dev/shm"
#: A test's database need not survive the machine.
UNSAFE_AND_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "autovacuum": "off",
}


def finish(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end beside whatever loop the test has."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@contextmanager
def running_postgres(directory: Path, options: Mapping[str, str] = UNSAFE_AND_FAST) -> Iterator[Postgres]:
    """A new PostgreSQL below `directory`, gone when the block ends."""
    server = Postgres(directory / "postgres", free_port(), "test-password", dict(options))
    server.initialise()
    process = subprocess.Popen(
        server.command(),
        cwd=server.working_directory,
        env=server.environment(),
        stdin=subprocess.DEVNULL,
        stdout=(directory / "postgres.log").open("ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **ownership(server.account),
    )
    try:
        finish(server.wait_until_ready())
        yield server
    finally:
        end(process, signal.SIGINT)


@contextmanager
def running_valkey(directory: Path, *, cluster: bool = False) -> Iterator[Valkey]:
    """A new Valkey below `directory`, gone when the block ends; with `cluster` one of a single node."""
    bus_port = free_port() if cluster else None
    server = Valkey(directory / "valkey", free_port(), "test-password", persistent=False, bus_port=bus_port)
    server.initialise()
    process = subprocess.Popen(
        server.command(),
        env=server.environment(),
        stdin=subprocess.DEVNULL,
        stdout=(directory / "valkey.log").open("ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        finish(server.wait_until_ready())
        if cluster:
            finish(server.claim_slots())
        yield server
    finally:
        end(process, signal.SIGTERM)


def _memory() -> str | None:
    """The machine's file system in memory, where it has room for the databases of a test run."""
    try:
        room = shutil.disk_usage(MEMORY).free
    except OSError:
        return None
    return MEMORY if room > 4_000_000_000 and os.access(MEMORY, os.W_OK) else None


def end(process: subprocess.Popen[bytes], how: signal.Signals, seconds: float = 10.0) -> None:
    """Stop a child and its session: politely, then for good."""
    process.send_signal(how)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def short_directory() -> Iterator[Path]:
    """A new directory with a short name, removed with everything in it; in memory where there is room.

    Cloning a migrated database took 282 ms on disk by the log and takes 36 ms in memory by copying files.
    """
    with tempfile.TemporaryDirectory(prefix="fullon-", dir=_memory(), ignore_cleanup_errors=True) as name:
        yield Path(name)
