"""A platform of its own for a script: `fullon up` in a temporary folder, on free ports, until the block ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fullon_client import Client, ClientError, Retries, health
from local.home import REPOSITORY
from local.ports import free_port

SPEED = "60"
SECONDS_TO_START = 120.0
SECONDS_TO_STOP = 60.0


class NotStarted(Exception):
    """There is no platform to use."""


@contextmanager
def started_platform(password: str, trader_password: str) -> Iterator[str]:
    """Start one, whose admin and trader have these passwords, and give its address; it is gone afterwards with all its
    data.

    Raises:
        NotStarted: it did not become ready; the sentence has the end of what it said.
    """
    with tempfile.TemporaryDirectory(prefix="fullon-example-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL may run as another user
        port = free_port()
        chosen = ("FULLON_", "DATABASE", "REDIS", "SERVICES_TO_AUTO_START")
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(chosen)},
            "FULLON_HOME": folder,
            "FULLON_PORT": str(port),
            "FULLON_ADMIN_PASSWORD": password,
            "FULLON_TRADER_PASSWORD": trader_password,
            "FULLON_PAPER_SPEED": SPEED,
        }
        said = Path(folder) / "said.txt"
        with said.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "local.cli.main", "up"],
                cwd=REPOSITORY,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process, said)
            yield url
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)  # the supervisor ends its children first
                process.wait(SECONDS_TO_STOP)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], said: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    with Client(url, retries=Retries(attempts=1), timeout=5) as client:
        while True:
            if process.poll() is not None:
                raise NotStarted(f"The platform ended by itself:\n{_end_of(said)}")
            try:
                client.send(health.ready())
            except ClientError as error:
                if time.monotonic() > deadline:
                    raise NotStarted(f"The platform is not ready ({error.detail}):\n{_end_of(said)}") from error
            else:
                return
            time.sleep(0.1)


def _end_of(said: Path) -> str:
    return "\n".join(said.read_text().splitlines()[-20:])
