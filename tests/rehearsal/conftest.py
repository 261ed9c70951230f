"""One MiniStack with the tiny installation, for all tests of one process; the tests are grouped for that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.errors import MachineProblem
from local.ports import free_port
from local.rehearsal.assembly import read
from local.rehearsal.deploy import Deployed, Deployer
from local.rehearsal.emulator import Emulator, connect
from local.rehearsal.ministack import ensure_environment, ministack_part
from local.supervisor.readiness import wait_for_port
from tests.rehearsal import tiny
from tests.servers import finish

#: A daemon that says what it was given.
WORKER = """
import os, signal, sys, time
print("started", os.environ["GREETING"], os.environ["PASSWORD"], os.environ["ADDRESS"], flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    time.sleep(0.05)
"""


@pytest.hookimpl(tryfirst=True)  # before the runner reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/rehearsal/" in str(item.path):  # one emulator for all, and rehearsals one at a time
            item.add_marker(pytest.mark.xdist_group("rehearsal"))


@dataclass(frozen=True)
class Installed:
    """The tiny installation in its emulator."""

    emulator: Emulator
    stacks: dict[str, Deployed]

    @property
    def http_api(self) -> str:
        return self.emulator.api(self.stacks["Apis"].outputs["Api"], "$default")

    @property
    def websocket_api(self) -> str:
        return self.emulator.api(self.stacks["Apis"].outputs["Sockets"], "ws")


@pytest.fixture(scope="session")
def interpreter() -> Path:
    """MiniStack's interpreter; skips where its packages can be had from nowhere."""
    try:
        return ensure_environment()
    except MachineProblem as problem:
        pytest.skip(f"the emulator cannot be installed here: {problem.detail}")


@pytest.fixture(scope="session")
def emulator(interpreter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A MiniStack of its own on loopback."""
    part = ministack_part(interpreter, free_port(), tmp_path_factory.mktemp("ministack"), os.environ)
    command = part.command()
    process = subprocess.Popen(
        command.arguments,
        cwd=command.directory,
        env=dict(command.environment),
        stdout=(command.directory / "ministack.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        assert part.port is not None
        finish(wait_for_port(part.port))
        yield finish(connect(f"http://127.0.0.1:{part.port}"))
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)


@pytest.fixture(scope="session")
def installed(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The tiny installation, deployed."""
    folder = tiny.assembly(
        tmp_path_factory.mktemp("assembly"),
        {
            "Daemons": (tiny.daemons([sys.executable, "-c", WORKER]), ["Base"]),
            "Apis": (tiny.apis(), ["Base"]),
            "Base": (tiny.base(), []),
        },
    )
    deployer = Deployer(emulator, {"Greeting": "hello", "NotDeclared": "x"})

    async def deploy() -> dict[str, Deployed]:
        await deployer.bootstrap()
        return {stack.identifier: await deployer.deploy(stack) for stack in read(folder)}

    return Installed(emulator, finish(deploy()))
