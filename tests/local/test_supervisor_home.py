"""A home: who has it, what may be written, what is random and stays."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from local.credentials import Credentials
from local.errors import MachineProblem
from local.home import AlreadyRunning, Home, HomeLock, environment_of, holder_of
from local.ports import choose_ports, free_port
from local.supervisor import preflight
from local.supervisor.environment import children_environment
from local.supervisor.options import Options

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def test_a_second_holder_is_told_the_process_that_has_the_home(home: Home) -> None:
    lock = HomeLock(home)
    lock.acquire()

    with pytest.raises(AlreadyRunning) as refusal:
        HomeLock(home).acquire()

    assert refusal.value.pid == os.getpid()
    assert holder_of(home) == os.getpid()
    lock.release()
    assert not home.lock.exists()
    assert holder_of(home) is None


def test_a_lock_file_of_a_killed_holder_is_taken_over(home: Home) -> None:
    script = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from local.home import Home, HomeLock\n"
        f"HomeLock(Home(Path({str(home.path)!r}))).acquire()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert home.lock.exists()

    lock = HomeLock(home)
    lock.acquire()

    assert holder_of(home) == os.getpid()
    lock.release()


def test_a_folder_without_permission_is_one_sentence_with_a_way_out(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        read_only = Path("/proc/fullon")
        with pytest.raises(MachineProblem) as refusal:
            Home(read_only).prepare()
    else:
        tmp_path.chmod(0o500)
        with pytest.raises(MachineProblem) as refusal:
            Home(tmp_path / "home").prepare()

    assert "FULLON_HOME" in refusal.value.next_step
    assert "\n" not in str(refusal.value)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")

    with pytest.raises(MachineProblem, match="is not a folder"):
        Home(tmp_path / "home").prepare()


def test_a_nearly_full_disk_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 7_000_000))

    with pytest.raises(MachineProblem, match="Only 7 MB are free"):
        Home(tmp_path / "home").prepare()


def test_secrets_are_made_once_and_only_their_owner_may_read_them(home: Home) -> None:
    first = Credentials.of(home)
    second = Credentials.of(home)

    assert first == second
    assert home.secrets.stat().st_mode & 0o777 == 0o600
    assert first != Credentials.generate()
    assert first.jwt_secret_key not in repr(first)


def test_damaged_secrets_beside_data_stop_the_start(home: Home) -> None:
    Credentials.of(home)
    home.postgres.mkdir()
    home.secrets.write_text("{")

    with pytest.raises(MachineProblem, match="damaged"):
        Credentials.of(home)


def test_the_shell_wins_over_the_env_file_and_empty_means_unset(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FULLON_PORT=9001\nLOG_LEVEL=DEBUG\nADMIN_MAIL=a@b\n")

    merged = environment_of(tmp_path, {"FULLON_PORT": "9002", "LOG_LEVEL": ""})

    assert (merged["FULLON_PORT"], merged["LOG_LEVEL"], merged["ADMIN_MAIL"]) == ("9002", "DEBUG", "a@b")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FULLON_PORT", "http"),
        ("FULLON_PORT", "0"),
        ("FULLON_PORT", "70000"),
        ("FULLON_PAPER_SPEED", "fast"),
        ("FULLON_PAPER_SPEED", "0"),
        ("FULLON_PAPER_SPEED", "nan"),
        ("DATABASE_URL", "mysql://host/db"),
        ("DATABASE_URL", "postgresql://host"),
        ("REDIS_URL", "host:6379"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str) -> None:
    with pytest.raises(MachineProblem, match=name):
        Options.of({name: value})


def test_children_get_the_platforms_own_aws_identity_and_no_admin_password() -> None:
    options = Options.of({})
    credentials = Credentials.generate()
    inherited = {
        "PATH": "/bin",
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "real",
        "FULLON_ADMIN_PASSWORD": "secret",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HTTPS_PROXY": "http://proxy:1",
        "EXCHANGE_URL_KRAKEN": "http://other",
    }

    environment = children_environment(
        inherited,
        credentials,
        options,
        {"ecs": 1, "management": 2, "paper": 3},
        database_url="postgresql://x/fullon",
        redis_url="redis://x",
    )

    assert environment["AWS_ACCESS_KEY_ID"] == credentials.aws_access_key_id
    assert environment["EXCHANGE_URL_KRAKEN"] == "http://other"
    assert environment["NO_PROXY"] == "127.0.0.1,localhost"
    for withheld in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "FULLON_ADMIN_PASSWORD", "PYTHONDONTWRITEBYTECODE"):
        assert withheld not in environment


def test_ports_stay_the_same_from_start_to_start_while_they_are_free() -> None:
    first = choose_ports(["a", "b"], {}, 8000)

    again = choose_ports(["a", "b"], first, 8000)
    reserved = choose_ports(["a", "b"], first, first["a"])

    assert again == first
    assert reserved["a"] != first["a"]
    assert len(set(reserved.values())) == 2


def test_a_taken_port_is_said_with_who_has_it() -> None:
    import socket

    port = free_port()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(MachineProblem) as refusal:
        preflight.require_free(port)

    assert refusal.value.detail.startswith(f"Port {port} is taken by ")
    assert f"(process {os.getpid()})" in refusal.value.detail
    assert f"FULLON_PORT={port + 1}" in refusal.value.next_step


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_disk_that_fills_up_while_secrets_are_written_is_one_sentence(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not let root mount")
    try:
        with pytest.raises(OSError, match="No space"):
            (disk / "filler").write_bytes(b"x" * 1_000_000)

        with pytest.raises(MachineProblem, match=r"The disk of .* is full"):
            Credentials.of(Home(disk))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_private_file_is_never_seen_half_written(home: Home) -> None:
    from local.home import read_mapping, write_private

    write_private(home.ports, {"a": 1})
    write_private(home.ports, {"a": 2})

    assert read_mapping(home.ports) == json.loads(home.ports.read_text()) == {"a": 2}
    assert list(home.path.glob("*.new")) == []


def test_the_account_for_tests_exists() -> None:
    assert pwd.getpwnam("nobody").pw_uid != 0
