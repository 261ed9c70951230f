"""The embedded Valkey keeps its log, its password and its place on loopback."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import redis

from local.errors import StoreProblem
from local.ports import free_port
from local.stores.valkey import Valkey
from tests.servers import end, finish


@contextmanager
def serving(server: Valkey) -> Iterator[subprocess.Popen[bytes]]:
    server.initialise()
    process = subprocess.Popen(server.command(), env=server.environment(), stdout=subprocess.DEVNULL)
    try:
        finish(server.wait_until_ready(20))
        yield process
    finally:
        if process.poll() is None:
            end(process, signal.SIGTERM)


def test_what_was_written_survives_a_kill_once_the_log_was_synced(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey", free_port(), "secret")
    with serving(server) as process, redis.Redis.from_url(server.url) as client:
        client.set("kept", "value")
        deadline = time.monotonic() + 10
        while client.info("persistence")["aof_pending_bio_fsync"] or b"kept" not in written(server):
            assert time.monotonic() < deadline
            time.sleep(0.05)

        process.kill()
        process.wait()

    with serving(server), redis.Redis.from_url(server.url) as client:
        assert client.get("kept") == b"value"


def written(server: Valkey) -> bytes:
    return b"".join(path.read_bytes() for path in (server.data / "appendonlydir").glob("*.incr.aof"))


def test_nothing_is_answered_without_the_password(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey", free_port(), "secret", persistent=False)
    with serving(server):
        with pytest.raises(redis.AuthenticationError), redis.Redis(port=server.port) as client:
            client.ping()

        with pytest.raises(StoreProblem, match="another password"):
            finish(Valkey(server.data, server.port, "other").wait_until_ready(20))


def test_the_password_is_in_no_command_line_and_its_file_is_private(tmp_path: Path) -> None:
    server = Valkey(tmp_path / "valkey", free_port(), "secret", persistent=False)
    with serving(server) as process:
        listening = {connection.laddr.ip for connection in psutil.Process(process.pid).net_connections("tcp")}

    assert "secret" not in " ".join(server.command()) + repr(server)
    assert server.configuration.stat().st_mode & 0o777 == 0o600
    assert listening == {"127.0.0.1"}
