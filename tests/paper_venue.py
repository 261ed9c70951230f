"""The paper venue as a process, for every test that needs a venue: real REST and real sockets on a free port."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from fullon.kernel.errors import FullonError
from local import demo_data

START_SECONDS = 90.0
STOP_SECONDS = 10.0
SYMBOLS = ["BTC/USDT", "ETH/USDT", "SOL/USDT"]


@dataclass(frozen=True)
class RunningVenue:
    """A venue that listens at ``url``, ``http://127.0.0.1:port``."""

    url: str
    process: subprocess.Popen[str]

    @property
    def host(self) -> str:
        """``127.0.0.1:port``."""
        return self.url.removeprefix("http://")

    @property
    def control(self) -> str:
        """Where faults are switched."""
        return f"{self.url}/control"

    def stream(self, path: str) -> str:
        """The address of a socket."""
        return f"ws://{self.host}/{path}"


@contextmanager
def paper_venue(*arguments: str) -> Iterator[RunningVenue]:
    """Start a venue on a free port with these command line arguments, and stop it at the end."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        [sys.executable, "-m", "local.paper", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=Path(__file__).resolve().parent.parent,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if ready else ""
        if "listening on" not in line:
            process.kill()
            raise AssertionError(f"the venue did not start: {line}{process.stderr.read()}")
        yield RunningVenue(line.split()[-1], process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()


@cache
def recording() -> Path:
    """The recorded minutes of BTC; the test is skipped where they cannot be fetched."""
    try:
        return demo_data.fetch()
    except FullonError as error:
        pytest.skip(f"the recorded minutes are not reachable: {error.detail}")


def deadline(seconds: float = 90.0) -> Iterator[None]:
    """Turns of a loop that waits for something: ends the test when ``seconds`` have passed without it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
    raise AssertionError(f"it did not happen within {seconds:g} s")
