"""The platform as one container or one server runs it, started for tests: ASGI workers, ECS agent, daemons, stores."""

from __future__ import annotations

import base64
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from local.home import REPOSITORY
from local.ports import free_port
from tests.e2e.platform import PASSWORD, Platform, clean_environment, daemon_below, wait_until_ready
from tests.servers import finish, running_postgres, running_valkey

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
    """Start everything a plain server runs, wait until it is ready, and stop it; nothing of it may be left."""
    with tempfile.TemporaryDirectory(prefix="fullon-") as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o711)
        logs = folder / "logs"
        logs.mkdir()
        postgres = stack.enter_context(running_postgres(folder))
        valkey = stack.enter_context(running_valkey(folder))
        port, ecs, venue = free_port(), free_port(), free_port()
        environment = {
            **clean_environment(),
            "ENVIRONMENT": "cloud",
            "DATABASE_URL": postgres.dsn("fullon"),
            "REDIS_URL": valkey.url,
            "JWT_SECRET_KEY": secrets.token_urlsafe(48),
            "ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "AWS_ACCESS_KEY_ID": "SERVER" + secrets.token_hex(8).upper(),
            "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_ECS": f"http://127.0.0.1:{ecs}",
            "MANAGEMENT_HOST": "127.0.0.1",
            "EXCHANGE_URL_PAPER": f"http://127.0.0.1:{venue}",
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        finish(_databases(postgres.dsn("fullon"), postgres.dsn("fullon_ohlcv")))
        _run("functions.migrate.handler", environment)
        _run("local.seed", {**environment, "FULLON_ADMIN_PASSWORD": PASSWORD})

        def start(title: str, *arguments: str) -> subprocess.Popen[str]:
            return stack.enter_context(_running(logs / f"{title}.log", arguments, environment))

        start("venue", "local.paper", "--port", str(venue), "--speed", speed, "--control")
        agent = start("agent", "local.ecs", "--port", str(ecs), "--state", str(folder / "ecs"), "--log-dir", str(logs))
        server = start("server", "uvicorn", "fullon.runtime.asgi:app", "--port", str(port), "--workers", str(WORKERS))
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, server, logs / "server.log", seconds)
        _run("local.ecs.provision", environment)
        yield ContainerPlatform(
            target="container",
            url=url,
            websocket_url=f"ws://127.0.0.1:{port}/ws",
            venue_url=f"http://127.0.0.1:{venue}",
            logs=logs,
            server=psutil.Process(server.pid),
            agent=psutil.Process(agent.pid),
            database_url=postgres.dsn("fullon"),
        )


async def _databases(*dsns: str) -> None:
    from local.supervisor.databases import create_if_absent

    for dsn in dsns:
        await create_if_absent(dsn)


def _run(module: str, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=REPOSITORY,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def _running(log: Path, arguments: tuple[str, ...], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A module as a process of its own; with it end all below it."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=REPOSITORY,
            env=dict(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            _, alive = psutil.wait_procs(family, timeout=5)
            for left in alive:
                left.kill()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(5)
        assert not alive, f"left behind: {alive}"
