"""A platform as its users meet it: addresses and a password; and the one of `make run`, started for a test."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil
import websockets

from local.home import REPOSITORY, Home
from local.ports import free_port

ADMIN = "admin@fullon"
PASSWORD = "correct horse battery staple"


@dataclass(kw_only=True)
class Platform:
    """A running platform, wherever it runs.

    Attributes:
        target: what it is: ``run``, ``rehearse`` or ``container``.
        url: address of the HTTP API.
        websocket_url: address of the WebSocket API, without a query.
        venue_url: address of the paper venue, which obeys ``POST /control``.
        admin: mail address of the administrator.
        password: the administrator's.
        logs: folder with everything that the platform writes down, if it can be read here.
    """

    target: str
    url: str
    websocket_url: str
    venue_url: str
    admin: str = ADMIN
    password: str = PASSWORD
    logs: Path | None = None

    def client(self, token: str | None = None, **options: Any) -> httpx2.AsyncClient:
        """An HTTP client, with a bearer token or without."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=30, **options)

    async def login(self, mail: str | None = None, password: str | None = None) -> dict[str, Any]:
        """The token pair of a user; the administrator's without arguments."""
        body = {"username": mail or self.admin, "password": password or self.password}
        async with self.client() as client:
            answer = await client.post("/api/v1/auth/login", data=body)
        assert answer.status_code == 200, answer.text
        pair: dict[str, Any] = answer.json()
        return pair

    async def token(self, mail: str | None = None, password: str | None = None) -> str:
        """An access token of a user; the administrator's without arguments."""
        return str((await self.login(mail, password))["access_token"])

    async def new_user(self, role: str = "trader") -> tuple[str, str, str]:
        """Create a user as admin; returns uid, mail and an access token."""
        mail = f"{os.urandom(6).hex()}@example.test"
        async with self.client(await self.token()) as client:
            body = {"mail": mail, "password": PASSWORD, "name": "A", "lastname": "B", "role": role}
            answer = await client.post("/api/v1/orm/users", json=body)
            assert answer.status_code == 201, answer.text
        return answer.json()["uid"], mail, await self.token(mail, PASSWORD)

    @asynccontextmanager
    async def socket(self, token: str, **options: Any) -> AsyncIterator[websockets.ClientConnection]:
        """A WebSocket, opened with a ticket as a browser would; with options of the client."""
        async with self.client(token) as client:
            answer = await client.post("/api/v1/auth/ws-ticket")
            assert answer.status_code in (200, 201), answer.text
        address = f"{self.websocket_url}?ticket={answer.json()['ticket']}"
        async with websockets.connect(address, max_size=2**20, **options) as socket:
            yield socket

    def daemon(self, name: str) -> psutil.Process:
        """The process of a daemon, where the platform's processes are ours."""
        raise LookupError(f"the processes of the target {self.target!r} are not ours; mark the test with `targets`")


@dataclass(kw_only=True)
class SupervisedPlatform(Platform):
    """The platform of ``make run``: processes of this machine below one supervisor.

    Attributes:
        home: its folder.
        process: the supervisor.
        environment: what the supervisor was started with.
    """

    home: Home
    process: subprocess.Popen[str]
    environment: dict[str, str]

    def child(self, name: str) -> psutil.Process:
        """The process of a part: ``postgres``, ``valkey``, ``paper``, ``gateway`` or ``ecs``."""
        state = json.loads(self.home.state.read_text())
        return psutil.Process(int(state["children"][name]["pid"]))

    def daemon(self, name: str) -> psutil.Process:
        """The process of a daemon, below the ECS endpoint."""
        return daemon_below(self.child("ecs"), name)


def daemon_below(endpoint: psutil.Process, name: str) -> psutil.Process:
    """The process of a daemon that an ECS endpoint runs."""
    for process in endpoint.children(recursive=True):
        if f"daemons.{name}" in process.cmdline():
            return process
    raise LookupError(f"no process runs daemons.{name}")


async def until(condition: Any, seconds: float = 90, what: str = "the condition") -> Any:
    """Await ``condition()`` repeatedly until it is true; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        value = await condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        await asyncio.sleep(0.2)


def clean_environment() -> dict[str, str]:
    """This process's environment without what would choose another platform or its stores."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("FULLON_", "DATABASE", "REDIS"))}


@contextmanager
def running_platform(extra: Mapping[str, str] | None = None, seconds: float = 90) -> Iterator[SupervisedPlatform]:
    """Start a platform as its user does, wait until it is usable, and stop it; nothing of it may be left."""
    with tempfile.TemporaryDirectory(prefix="fullon-") as folder:
        Path(folder).chmod(0o711)
        port = free_port()
        environment = {
            **clean_environment(),
            "FULLON_HOME": folder,
            "FULLON_PORT": str(port),
            "FULLON_ADMIN_PASSWORD": PASSWORD,
            "FULLON_TRADER_PASSWORD": PASSWORD,
            **(extra or {}),
        }
        log = Path(folder) / "supervisor.txt"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "local.cli.main", "up"],
                cwd=REPOSITORY,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        home = Home(Path(folder))
        family: list[psutil.Process] = []
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process, log, seconds)
            yield SupervisedPlatform(
                target="run",
                url=f"http://127.0.0.1:{port}",
                websocket_url=f"ws://127.0.0.1:{port}/ws",
                venue_url=f"http://127.0.0.1:{json.loads(home.state.read_text())['ports']['paper']}",
                logs=home.logs,
                home=home,
                process=process,
                environment=environment,
            )
        finally:
            if process.poll() is None:
                family = psutil.Process(process.pid).children(recursive=True)
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(60)
                finally:
                    _, alive = psutil.wait_procs(family, timeout=30)
                    for left in alive:
                        left.kill()
                assert not alive, f"left behind: {alive}"


def wait_until_ready(url: str, process: subprocess.Popen[str], log: Path, seconds: float) -> None:
    """Ask until ``/health/ready`` is 200; fail with the log when ``process`` ends before, or after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        if process.poll() is not None:
            raise AssertionError(f"the platform ended by itself:\n{log.read_text()}")
        try:
            if httpx2.get(f"{url}/health/ready", timeout=2).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        assert time.monotonic() < deadline, f"not ready within {seconds} s:\n{log.read_text()}"
        time.sleep(0.1)
