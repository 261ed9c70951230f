"""The embedded PostgreSQL under the conditions that a machine can bring: root, kills, half-made and foreign data."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from local.errors import StoreProblem
from local.home import REPOSITORY
from local.ports import free_port
from local.stores import locate, postgres
from local.stores.account import account_for, can_walk, ownership
from local.stores.postgres import Postgres
from tests.servers import UNSAFE_AND_FAST, end, finish, short_directory

as_root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts servers for another account")


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


def a_server(folder: Path, **settings: str) -> Postgres:
    return Postgres(folder / "postgres", free_port(), "secret", {**UNSAFE_AND_FAST, **settings})


@contextmanager
def serving(server: Postgres) -> Iterator[subprocess.Popen[bytes]]:
    server.initialise()
    server.recover()
    process = subprocess.Popen(
        server.command(),
        cwd=server.working_directory,
        env=server.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        **ownership(server.account),
    )
    try:
        finish(server.wait_until_ready(20))
        yield process
    finally:
        if process.poll() is None:
            end(process, signal.SIGINT)


async def execute(server: Postgres, statement: str) -> object:
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def test_what_was_committed_survives_a_kill_of_the_whole_group(folder: Path) -> None:
    server = a_server(folder, synchronous_commit="on", fsync="on", full_page_writes="on")
    with serving(server) as process:
        finish(execute(server, "CREATE TABLE kept AS SELECT generate_series(1, 20000) AS number"))

        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    with serving(server):
        assert finish(execute(server, "SELECT count(*) FROM kept")) == 20_000


def test_a_pid_file_that_names_a_stranger_does_not_keep_the_server_from_starting(folder: Path) -> None:
    server = a_server(folder)
    with serving(server):
        pid_file = (server.data / "postmaster.pid").read_text().splitlines()
    stranger = subprocess.Popen(["/bin/sleep", "60"], **ownership(server.account))
    try:
        (server.data / "postmaster.pid").write_text("\n".join([str(stranger.pid), *pid_file[1:], ""]))

        with serving(server):
            answer = finish(execute(server, "SELECT 1"))
    finally:
        end(stranger, signal.SIGKILL)

    assert answer == 1


def test_a_database_whose_making_was_cut_off_is_made_again(folder: Path) -> None:
    server = a_server(folder)
    half_made = server.data.with_name("postgres.new")
    (half_made / "base").mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")

    with serving(server):
        answer = finish(execute(server, "SELECT 1"))

    assert answer == 1
    assert not half_made.exists()


def test_data_of_another_major_version_is_refused_in_one_sentence(folder: Path) -> None:
    server = a_server(folder)
    server.initialise()
    (server.data / "PG_VERSION").write_text("13\n")

    with pytest.raises(StoreProblem, match="made by PostgreSQL 13, this is 18"):
        server.initialise()


def test_another_password_than_the_stored_one_is_said_at_once(folder: Path) -> None:
    server = a_server(folder)
    with serving(server):
        wrong = Postgres(server.data, server.port, "other", server.settings)

        with pytest.raises(StoreProblem, match="another password"):
            finish(wrong.wait_until_ready(20))


def test_the_password_is_in_no_command_line_and_no_representation(folder: Path) -> None:
    server = a_server(folder)
    server.initialise()

    assert "secret" not in " ".join(server.command())
    assert "secret" not in repr(server)


@as_root_only
def test_as_root_the_server_runs_as_nobody_behind_a_folder_only_root_may_walk(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    server = a_server(closed)

    with serving(server) as process:
        owner = Path(f"/proc/{process.pid}").stat().st_uid
        answer = finish(execute(server, "SELECT 1"))

    assert (owner, answer) == (pwd.getpwnam("nobody").pw_uid, 1)
    assert closed.stat().st_mode & 0o777 == 0o700


@as_root_only
def test_as_root_programs_that_nobody_cannot_read_are_copied_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = locate.postgres_programs()
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for part in found.parts:
        shutil.copytree(found.root / part, closed / part, symlinks=True)
    moved = replace(found, directory=closed / found.directory.relative_to(found.root), root=closed)
    folder.chmod(0o755)
    monkeypatch.setattr(postgres, "postgres_programs", lambda: moved)
    monkeypatch.setattr(postgres, "SYSTEM_CACHE", folder / "cache")
    server = a_server(folder)

    with serving(server):
        answer = finish(execute(server, "SELECT 1"))
    [copy] = (folder / "cache").iterdir()
    first_made = copy.stat().st_mtime_ns
    command = server.command()

    assert answer == 1
    assert command[0].startswith(str(copy))
    assert copy.stat().st_mtime_ns == first_made


@as_root_only
def test_as_root_existing_data_is_served_by_its_owner(folder: Path) -> None:
    entry = pwd.getpwnam("daemon")
    (folder / "postgres").mkdir()
    os.chown(folder / "postgres", entry.pw_uid, entry.pw_gid)

    account = account_for(folder / "postgres")

    assert account is not None
    assert account.name == "daemon"


@as_root_only
def test_an_ordinary_user_serves_from_a_folder_of_their_own(folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    interpreter = a_python_for_nobody()
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    script = (
        "import asyncio, asyncpg, signal, subprocess, sys\n"
        "from pathlib import Path\n"
        "from local.stores.postgres import Postgres\n"
        f"server = Postgres(Path({str(folder)!r}) / 'data', {free_port()}, 'secret')\n"
        "server.initialise()\n"
        "process = subprocess.Popen(server.command(), cwd=server.working_directory, env=server.environment())\n"
        "asyncio.run(server.wait_until_ready(20))\n"
        "process.send_signal(signal.SIGINT)\n"
        "sys.exit(process.wait())\n"
    )

    finished = subprocess.run(
        [interpreter, "-c", script],
        cwd=folder,
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path.startswith("/"))},
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stderr
    assert (folder / "data").stat().st_uid == nobody.pw_uid


def a_python_for_nobody() -> str:
    """An interpreter of this version that another account may run, with this checkout where it may read."""
    account = account_for(Path("/nonexistent"))
    assert account is not None
    version = "{}.{}".format(*sys.version_info)
    for candidate in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        if Path(candidate).exists() and can_walk(Path(candidate).resolve(), account) and can_walk(REPOSITORY, account):
            return candidate
    pytest.skip("this checkout, or every Python of this version, lies in a folder that only root may walk")


def test_without_the_wheel_the_newest_postgresql_of_the_system_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9", "14", "17"):
        directory = tmp_path / version / "bin"
        directory.mkdir(parents=True)
        for name in ("postgres", "initdb"):
            (directory / name).touch()
    monkeypatch.setattr(locate, "_package_directory", lambda name: None)
    monkeypatch.setattr(locate, "DEBIAN_POSTGRES", tmp_path)
    monkeypatch.setenv("PATH", "/nonexistent")

    found = locate.postgres_programs()

    assert (found.directory, found.origin) == (tmp_path / "17" / "bin", "path")


def test_without_any_program_the_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate, "_package_directory", lambda name: None)
    monkeypatch.setattr(locate, "DEBIAN_POSTGRES", tmp_path)
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(StoreProblem, match="or set DATABASE_URL"):
        locate.postgres_programs()
    with pytest.raises(StoreProblem, match="or set REDIS_URL"):
        locate.valkey_program()
