"""`fullon up` as its user meets it: started, stopped, killed, started again, refused. All parts are the real ones."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import psutil
import pytest

from local.home import REPOSITORY, Home
from local.ports import free_port
from local.supervisor import orphans
from local.supervisor.environment import MARK
from tests.servers import short_directory

pytestmark = [pytest.mark.xdist_group("platform"), pytest.mark.timeout(240)]


@dataclass
class Run:
    """One `fullon up` and what it printed."""

    home: Home
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        return (self.home.path.parent / f"{self.home.path.name}.txt").read_text()

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("FULLON_", "DATABASE_URL", "REDIS_URL"))}
        with (self.home.path.parent / f"{self.home.path.name}.txt").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "local.cli.main", "up"],
                cwd=REPOSITORY,
                env={
                    **kept,
                    "FULLON_HOME": str(self.home.path),
                    "FULLON_PORT": str(self.port),
                    "SERVICES_TO_AUTO_START": "streamer",
                    **self.environment,
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.process

    def wait_until_up(self) -> None:
        until(lambda: "Up after" in self.output or self.ended, 120)
        assert not self.ended, self.output

    @property
    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def instance(self) -> str:
        return str(json.loads(self.home.secrets.read_text())["instance"])

    def family(self) -> list[psutil.Process]:
        """Everything below the running supervisor."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def left(self) -> list[psutil.Process]:
        """Everything that belongs to this home and is not below a running supervisor of this test."""
        return orphans.left_behind(self.home, self.instance(), []) if self.home.secrets.exists() else []

    def sql(self, statement: str) -> str:
        """One value from the platform database."""
        import asyncpg

        from tests.servers import finish

        secrets = json.loads(self.home.secrets.read_text())
        port = json.loads(self.home.state.read_text())["ports"]["postgres"]

        async def fetch() -> object:
            connection = await asyncpg.connect(
                host="127.0.0.1", port=port, user="fullon", password=secrets["database_password"], database="fullon"
            )
            try:
                return await connection.fetchval(statement)
            finally:
                await connection.close()

        return str(finish(fetch()))


def until(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)


@pytest.fixture
def run() -> Iterator[Run]:
    with short_directory() as folder:
        folder.chmod(0o711)
        run = Run(Home(folder / "home"), free_port())
        yield run
        if run.process is not None and not run.ended:
            run.process.kill()
            run.process.wait()
        orphans.end_all(run.left(), 2)


def test_one_start_serves_and_one_signal_leaves_nothing(run: Run) -> None:
    run.start()
    run.wait_until_up()
    ready = httpx2.get(f"http://127.0.0.1:{run.port}/health/ready", timeout=10)
    password = re.search(r"Log in\s+admin@fullon, password (\S+) \(shown this once\)", run.output)
    of_trader = re.search(r"As trader\s+trader@fullon, password (\S+) \(shown this once\)", run.output)
    family = run.family()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (run.home.secrets, run.home.state)}
    listening = {
        connection.laddr.ip
        for process in family
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    said_once = run.output

    assert run.process is not None
    run.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    code = run.process.wait(60)
    stopping = time.monotonic() - began

    assert ready.status_code == 200
    assert password is not None
    assert of_trader is not None
    assert modes == {"secrets.json": 0o600, "state.json": 0o600}
    assert listening == {"127.0.0.1"}
    assert len(family) >= 6
    assert code == 0
    assert stopping < 10
    assert run.left() == []
    assert not run.home.lock.exists()
    assert not run.home.state.exists()
    assert "Traceback" not in run.output
    # The passwords work, are printed at the first start only and are in no file of the home.
    run.start()
    run.wait_until_up()
    files = [path for path in run.home.path.rglob("*") if path.is_file() and path.suffix in {".json", ".log", ".conf"}]
    for mail, its in (("admin@fullon", password[1]), ("trader@fullon", of_trader[1])):
        login = {"username": mail, "password": its}
        answer = httpx2.post(f"http://127.0.0.1:{run.port}/api/v1/auth/login", data=login, timeout=20)
        assert answer.status_code == 200, answer.text
        assert its in said_once
        assert its not in run.output
        assert not [path for path in files if its in path.read_text(errors="replace")]
    assert "password as set at the first start" in run.output


def test_after_a_kill_of_the_supervisor_the_next_start_ends_the_orphans_and_keeps_the_data(run: Run) -> None:
    run.start(FULLON_ADMIN_PASSWORD="given by the test")
    run.wait_until_up()
    run.sql("CREATE TABLE kept AS SELECT 42 AS answer")
    assert run.process is not None
    run.process.kill()
    run.process.wait()
    orphaned = run.left()

    run.start()
    run.wait_until_up()

    assert len(orphaned) >= 6
    assert not [process for process in orphaned if orphans.lives(process)]
    assert "Ending an earlier run" in run.output
    assert run.sql("SELECT answer FROM kept") == "42"


def test_a_killed_server_comes_back_and_the_platform_with_it(run: Run) -> None:
    run.start()
    run.wait_until_up()
    state = json.loads(run.home.state.read_text())

    for name in ("postgres", "valkey", "gateway"):
        psutil.Process(state["children"][name]["pid"]).kill()

    def healed() -> bool:
        children = json.loads(run.home.state.read_text())["children"]
        names = ("postgres", "valkey", "gateway")
        if not all(children[name]["status"] == "running" and children[name]["restarts"] == 1 for name in names):
            return False
        return httpx2.get(f"http://127.0.0.1:{run.port}/health/ready", timeout=10).status_code == 200

    until(healed, 60)
    for title in ("PostgreSQL", "Valkey", "Gateway"):
        assert f"{title} ended (killed by SIGKILL); starting it again in 0.2 s." in run.output
        assert f"{title} is back." in run.output


def test_a_second_start_on_the_same_home_names_the_first(run: Run) -> None:
    run.start()
    run.wait_until_up()
    assert run.process is not None
    first = run.process.pid

    second = subprocess.run(
        [sys.executable, "-m", "local.cli.main", "up"],
        cwd=REPOSITORY,
        env={**os.environ, "FULLON_HOME": str(run.home.path), "FULLON_PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert second.returncode == 1
    assert f"(process {first})" in second.stdout
    assert len(second.stdout.splitlines()) == 1
    assert httpx2.get(f"http://127.0.0.1:{run.port}/health/ready", timeout=10).status_code == 200


def test_a_second_interrupt_forces_the_end(run: Run) -> None:
    run.start()
    run.wait_until_up()
    state = json.loads(run.home.state.read_text())
    stuck = psutil.Process(state["children"]["gateway"]["pid"])
    stuck.suspend()
    assert run.process is not None

    run.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    run.process.send_signal(signal.SIGINT)
    code = run.process.wait(60)

    assert code == 0
    assert run.left() == []


def test_a_taken_port_is_one_line_and_starts_nothing(run: Run) -> None:
    with socket.create_server(("127.0.0.1", run.port)):
        process = run.start()
        code = process.wait(60)

    [line] = run.output.splitlines()
    assert code == 1
    assert f"Port {run.port} is taken by" in line
    assert f"FULLON_PORT={run.port + 1}" in line
    assert run.left() == []
    assert not run.home.lock.exists()


def test_a_setting_that_cannot_be_used_is_one_line(run: Run) -> None:
    process = run.start(FULLON_PAPER_SPEED="fast")

    assert process.wait(60) == 1
    [line] = run.output.splitlines()
    assert "FULLON_PAPER_SPEED is 'fast'" in line


def test_a_home_that_cannot_be_written_is_one_line(run: Run) -> None:
    run.home.path.write_text("a file in the way")

    process = run.start()

    assert process.wait(60) == 1
    [line] = run.output.splitlines()
    assert "is not a folder" in line


def test_a_vital_part_that_cannot_start_is_said_and_everything_else_is_stopped(run: Run) -> None:
    process = run.start(JWT_ALGORITHM="none")

    code = process.wait(90)

    assert code == 1
    assert "JWT_ALGORITHM" in run.output
    assert "Traceback" not in run.output
    assert run.left() == []
    assert not run.home.lock.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk_is_one_line(run: Run, tmp_path: Path) -> None:
    run.home.path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(run.home.path)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not let root mount")
    try:
        code = run.start().wait(60)
        [line] = run.output.splitlines()
    finally:
        subprocess.run(["umount", "-l", str(run.home.path)], check=True)

    assert code == 1
    assert "8 MB are free" in line


def test_servers_named_by_the_settings_are_used_instead_of_embedded_ones(run: Run) -> None:
    from tests.servers import running_postgres, running_valkey

    with short_directory() as folder, running_postgres(folder) as postgres, running_valkey(folder) as valkey:
        run.start(DATABASE_URL=postgres.dsn("platform_of_mine"), REDIS_URL=valkey.url)
        run.wait_until_up()
        children = json.loads(run.home.state.read_text())["children"]

        assert set(children) == {"paper", "gateway", "ecs"}
        assert not run.home.postgres.exists()
        assert run.process is not None
        run.process.send_signal(signal.SIGTERM)
        run.process.wait(60)


def test_every_process_carries_the_mark_of_its_home(run: Run) -> None:
    run.start()
    run.wait_until_up()

    unmarked = [
        process.name()
        for process in run.family()
        if process.name() not in orphans.STORE_NAMES and process.environ().get(MARK) != run.instance()
    ]

    assert unmarked == []
