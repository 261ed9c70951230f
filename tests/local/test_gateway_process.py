"""``python -m local.gateway`` as a process: its one line, its exit, and that it never leaves a child behind."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
import pytest

from local.ports import free_port
from tests.local.platform import HANDLERS, REPOSITORY, is_alive, until

MANIFEST = f"""
[prefix]
api = "/api/v1"

[[function]]
name = "echo"
kind = "http"
handler = "{HANDLERS}.echo"
description = "Answers with its event"
memory = 512
timeout = 29
routes = ["/echo"]

[[function]]
name = "sleep"
kind = "http"
handler = "{HANDLERS}.sleep"
description = "Takes a minute"
memory = 512
timeout = 29
routes = ["/sleep"]
"""


@dataclass(frozen=True)
class Running:
    """A gateway process that said it is ready."""

    process: asyncio.subprocess.Process
    address: str
    home: Path

    def workers(self) -> list[int]:
        """Process ids of its functions."""
        return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]


async def start(
    home: Path, *arguments: str, manifest: str = MANIFEST, **environment: str
) -> asyncio.subprocess.Process:
    file = home / "manifest.toml"
    file.write_text(manifest)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.gateway", "--manifest", str(file), "--home", str(home), *arguments),
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def running(home: Path, *arguments: str, **environment: str) -> AsyncIterator[Running]:
    process = await start(home, "--port", "0", "--no-reload", *arguments, **environment)
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
        assert line.startswith("gateway: ready on http://127.0.0.1:"), await rest_of(process)
        yield Running(process, line.split()[-1], home)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def rest_of(process: asyncio.subprocess.Process) -> str:
    """What a process that has ended, or is about to, says on standard error."""
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    return errors.decode()


async def get(address: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=60) as client:
        return await client.get(address)


async def test_it_says_when_it_is_ready_and_serves(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        response = await get(f"{gateway.address}/echo")

        assert response.status_code == 200
        assert response.json()["event"]["rawPath"] == "/echo"


async def test_functions_inherit_its_environment(tmp_path: Path) -> None:
    manifest = MANIFEST.replace("echo", "variables")
    (tmp_path / "other.toml").write_text(manifest)
    async with running(tmp_path, "--manifest", str(tmp_path / "other.toml"), REDIS_URL="redis://there") as gateway:
        response = await get(f"{gateway.address}/variables")

        assert response.json()["REDIS_URL"] == "redis://there"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_when_told_with_code_zero_and_without_a_child(tmp_path: Path, number: signal.Signals) -> None:
    async with running(tmp_path) as gateway:
        await get(f"{gateway.address}/echo")
        workers = gateway.workers()
        assert workers

        gateway.process.send_signal(number)
        errors = await rest_of(gateway.process)

        assert gateway.process.returncode == 0
        assert errors == ""
        assert not any(is_alive(pid) for pid in workers)


async def test_it_ends_within_ten_seconds_although_a_function_is_busy(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        under_way = asyncio.create_task(get(f"{gateway.address}/sleep"))
        await until(lambda: b'"start"' in (tmp_path / "logs/functions/sleep.log").read_bytes())
        workers = gateway.workers()

        gateway.process.terminate()
        await asyncio.wait_for(gateway.process.communicate(), 60)

        assert gateway.process.returncode == 0
        assert not any(is_alive(pid) for pid in workers)
        await asyncio.gather(under_way, return_exceptions=True)


async def test_killed_it_leaves_no_child_not_even_a_busy_one(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway:
        await get(f"{gateway.address}/echo")
        under_way = asyncio.create_task(get(f"{gateway.address}/sleep"))
        await until(lambda: b'"start"' in (tmp_path / "logs/functions/sleep.log").read_bytes())
        workers = gateway.workers()
        assert len(workers) == 2

        gateway.process.kill()

        await until(lambda: not any(is_alive(pid) for pid in workers))
        await asyncio.gather(under_way, return_exceptions=True)


async def test_warmed_functions_run_before_their_first_request(tmp_path: Path) -> None:
    async with running(tmp_path, "--warm", "echo") as gateway:
        await until(lambda: len(gateway.workers()) == 1)

        assert (await get(f"{gateway.address}/echo")).json()["calls"] == 1


async def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        process = await start(tmp_path, "--port", str(port))

        expected = f"gateway: Port {port} is taken. Choose another one with FULLON_PORT or --port.\n"
        assert await rest_of(process) == expected
        assert process.returncode == 1


@pytest.mark.parametrize(
    ("manifest", "environment", "expected"),
    [
        ("nonsense", {}, "not valid TOML"),
        (MANIFEST.replace("memory = 512", "memory = 5"), {}, "`memory` must be a whole number from 128 to 10240"),
        (MANIFEST, {"CORS_ORIGINS": "*"}, "* is refused because answers carry credentials"),
    ],
)
async def test_what_it_cannot_start_with_is_one_clear_line(
    tmp_path: Path, manifest: str, environment: dict[str, str], expected: str
) -> None:
    process = await start(tmp_path, "--port", str(free_port()), manifest=manifest, **environment)
    errors = await rest_of(process)

    assert process.returncode == 1
    assert errors.startswith("gateway: ")
    assert errors.count("\n") == 1
    assert expected in errors


async def test_help_names_every_argument(tmp_path: Path) -> None:
    process = await start(tmp_path, "--help")
    output, _ = await asyncio.wait_for(process.communicate(), 60)

    assert process.returncode == 0
    for argument in ("--host", "--port", "--management-port", "--home", "--manifest", "--no-reload", "--identity-ttl"):
        assert argument in output.decode()
