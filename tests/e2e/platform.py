"""A whole platform for a test: `fullon up` as its user starts it, on ports and in a folder of its own."""

from __future__ import annotations

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


@dataclass
class Platform:
    """A running platform.

    Attributes:
        url: address of the gateway.
        home: its folder.
        process: the supervisor.
    """

    url: str
    home: Home
    process: subprocess.Popen[str]
    environment: dict[str, str]

    def client(self, token: str | None = None, **options: Any) -> httpx2.AsyncClient:
        """An HTTP client, with a bearer token or without."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=30, **options)

    async def login(self, mail: str = ADMIN, password: str = PASSWORD) -> dict[str, Any]:
        """The token pair of a user."""
        async with self.client() as client:
            answer = await client.post("/api/v1/auth/login", data={"username": mail, "password": password})
        assert answer.status_code == 200, answer.text
        pair: dict[str, Any] = answer.json()
        return pair

    async def token(self, mail: str = ADMIN, password: str = PASSWORD) -> str:
        """An access token of a user."""
        return str((await self.login(mail, password))["access_token"])

    async def new_user(self, role: str = "trader") -> tuple[str, str, str]:
        """Create a user as admin; returns uid, mail and an access token."""
        mail = f"{os.urandom(6).hex()}@example.test"
        async with self.client(await self.token()) as client:
            body = {"mail": mail, "password": PASSWORD, "name": "A", "lastname": "B", "role": role}
            answer = await client.post("/api/v1/orm/users", json=body)
            assert answer.status_code == 201, answer.text
        return answer.json()["uid"], mail, await self.token(mail)

    @asynccontextmanager
    async def socket(self, token: str) -> AsyncIterator[websockets.ClientConnection]:
        """A WebSocket, opened with a ticket as a browser would."""
        async with self.client(token) as client:
            answer = await client.post("/api/v1/auth/ws-ticket")
            assert answer.status_code in (200, 201), answer.text
        address = self.url.replace("http://", "ws://")
        async with websockets.connect(f"{address}/ws?ticket={answer.json()['ticket']}", max_size=2**20) as socket:
            yield socket

    def child(self, name: str) -> psutil.Process:
        """The process of a part: ``postgres``, ``valkey``, ``paper``, ``gateway`` or ``ecs``."""
        state = json.loads(self.home.state.read_text())
        return psutil.Process(int(state["children"][name]["pid"]))

    def daemon(self, name: str) -> psutil.Process:
        """The process of a daemon, below the ECS endpoint."""
        for process in self.child("ecs").children(recursive=True):
            if f"daemons.{name}" in process.cmdline():
                return process
        raise LookupError(f"no process runs daemons.{name}")


async def until(condition: Any, seconds: float = 30, what: str = "the condition") -> Any:
    """Await ``condition()`` repeatedly until it is true; fail after ``seconds``."""
    import asyncio

    deadline = time.monotonic() + seconds
    while True:
        value = await condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        await asyncio.sleep(0.2)


@contextmanager
def running_platform(extra: Mapping[str, str] | None = None, seconds: float = 90) -> Iterator[Platform]:
    """Start a platform, wait until it is usable, and stop it; nothing of it may be left."""
    with tempfile.TemporaryDirectory(prefix="fullon-") as folder:
        Path(folder).chmod(0o711)
        port = free_port()
        environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("FULLON_", "DATABASE", "REDIS"))
            },
            "FULLON_HOME": folder,
            "FULLON_PORT": str(port),
            "FULLON_ADMIN_PASSWORD": PASSWORD,
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
        platform = Platform(f"http://127.0.0.1:{port}", Home(Path(folder)), process, environment)
        family: list[psutil.Process] = []
        try:
            _wait_until_ready(platform, log, seconds)
            yield platform
        finally:
            if process.poll() is None:
                family = psutil.Process(process.pid).children(recursive=True)
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                finally:
                    _, alive = psutil.wait_procs(family, timeout=5)
                    for left in alive:
                        left.kill()
                assert not alive, f"left behind: {alive}"


def _wait_until_ready(platform: Platform, log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        if platform.process.poll() is not None:
            raise AssertionError(f"the platform ended by itself:\n{log.read_text()}")
        try:
            if httpx2.get(f"{platform.url}/health/ready", timeout=2).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        assert time.monotonic() < deadline, f"not ready within {seconds} s:\n{log.read_text()}"
        time.sleep(0.1)
