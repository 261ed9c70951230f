"""Stores of a test's own that it stops and starts again while everything else runs."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from local.ports import free_port
from local.stores.account import ownership
from local.stores.postgres import Postgres
from local.stores.valkey import Valkey
from tests.servers import UNSAFE_AND_FAST, end, finish, short_directory


@dataclass
class Store:
    """A server that can be stopped and started."""

    server: Postgres | Valkey
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it and wait until it answers."""
        server = self.server
        account: dict[str, Any] = {}
        if isinstance(server, Postgres):
            account = {"cwd": server.working_directory, **ownership(server.account)}
        self._process = subprocess.Popen(
            server.command(),
            env=server.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **account,
        )
        finish(server.wait_until_ready())

    def stop(self) -> None:
        """Stop it quickly; its clients are cut off."""
        if self._process is not None:
            end(self._process, signal.SIGINT if isinstance(self.server, Postgres) else signal.SIGTERM)
            self._process = None


@contextmanager
def a_valkey() -> Iterator[Store]:
    """A Valkey that keeps nothing when it stops."""
    with short_directory() as directory:
        yield from _running(Valkey(directory / "valkey", free_port(), "test-password", persistent=False))


@contextmanager
def a_postgres() -> Iterator[Store]:
    """A PostgreSQL with nothing of ours in it."""
    with short_directory() as directory:
        yield from _running(Postgres(directory / "postgres", free_port(), "test-password", UNSAFE_AND_FAST))


def _running(server: Postgres | Valkey) -> Iterator[Store]:
    server.initialise()
    store = Store(server)
    store.start()
    try:
        yield store
    finally:
        store.stop()
