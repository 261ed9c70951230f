"""The platform as a plain server runs it: the unit files of an installation, carried out for tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from local.ports import free_port
from local.server.environment import read
from local.server.install import write_files
from local.server.layout import Layout
from tests.e2e.platform import PASSWORD, Platform, daemon_below, wait_until_ready
from tests.e2e.units import running_units

WORKERS = 2
"""Processes that hold connections; the streamer must find the right one."""


@dataclass(kw_only=True)
class ContainerPlatform(Platform):
    """A server and what runs beside it.

    Attributes:
        server: uvicorn.
        agent: the ECS endpoint with the daemons below it.
        database_url: of the platform database.
    """

    server: psutil.Process
    agent: psutil.Process
    database_url: str

    def daemon(self, name: str) -> psutil.Process:
        """The process of a daemon, below the ECS endpoint."""
        return daemon_below(self.agent, name)


@contextmanager
def running_container(speed: str, seconds: float = 60) -> Iterator[ContainerPlatform]:
    """Install a server below a folder, run its services, wait until it is ready, and stop it all."""
    with tempfile.TemporaryDirectory(prefix="fullon-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        layout = Layout(
            units=folder / "units",
            configuration=folder / "etc",
            state=folder / "state",
            logs=folder / "logs",
            port=free_port(),
            workers=WORKERS,
            postgres_port=free_port(),
            valkey_port=free_port(),
            ecs_port=free_port(),
            paper_port=free_port(),
            demo=True,
            paper_options=("--speed", speed, "--control"),
        )
        installed = write_files(layout, {"ADMIN_PASSWORD": PASSWORD})
        settings = read(installed.layout.environment_file.read_text())
        with running_units(layout.units, layout.state, layout.logs) as services:
            server = services["fullon-server"]
            wait_until_ready(f"http://127.0.0.1:{layout.port}", server, layout.logs / "fullon-server.log", seconds)
            yield ContainerPlatform(
                target="container",
                url=f"http://127.0.0.1:{layout.port}",
                websocket_url=f"ws://127.0.0.1:{layout.port}/ws",
                venue_url=f"http://127.0.0.1:{layout.paper_port}",
                logs=layout.logs,
                server=psutil.Process(server.pid),
                agent=psutil.Process(services["fullon-agent"].pid),
                database_url=settings["DATABASE_URL"],
            )
