"""The heartbeat in a file, and the container's health check that reads it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from fullon.fleet.heartbeat import Heartbeat
from fullon.fleet.heartbeat_file import HeartbeatFile, judge
from fullon.fleet.model import STALE_AFTER, ProcessRecord, ProcessStatus
from fullon.kernel.clock import ManualClock, SystemClock
from fullon.kernel.errors import Unavailable

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def a_record(status: ProcessStatus = ProcessStatus.RUNNING, message: str = "") -> ProcessRecord:
    return ProcessRecord("ticker", "i-1", status, START, START, "0.1.0", "here", message)


def a_heartbeat(file: HeartbeatFile, clock: ManualClock) -> Heartbeat:
    """Of a daemon whose stores are away."""

    async def no_database() -> Any:
        raise Unavailable("The database is away.")

    nowhere = Redis(host="127.0.0.1", port=1)
    return Heartbeat(
        name="ticker", instance="i-1", version="0.1.0", host="here",
        valkey=nowhere, database=no_database, clock=clock, file=file,
    )  # fmt: skip


def healthcheck(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The command of the image, as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "fullon.runtime.healthcheck"],
        env={"PATH": os.defpath, **environment}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (ProcessStatus.RUNNING, ""),
        (ProcessStatus.IDLE, "waiting for the lease"),
        (ProcessStatus.ERROR, "The venue does not answer."),
    ],
)
def test_a_daemon_that_works_or_waits_is_healthy(tmp_path: Path, status: ProcessStatus, message: str) -> None:
    clock = ManualClock(START)
    file = HeartbeatFile(tmp_path / "new" / "heartbeat.json", clock)

    file.show(a_record(status, message))
    clock.advance(STALE_AFTER.total_seconds())
    verdict = judge(tmp_path / "new" / "heartbeat.json", clock.now())

    assert verdict.healthy
    assert message in verdict.sentence


def test_a_daemon_that_is_silent_for_three_heartbeats_is_not_healthy(tmp_path: Path) -> None:
    clock = ManualClock(START)
    HeartbeatFile(tmp_path / "heartbeat.json", clock).show(a_record())

    clock.advance(STALE_AFTER.total_seconds() + 0.001)
    verdict = judge(tmp_path / "heartbeat.json", clock.now())

    assert not verdict.healthy
    assert "silent" in verdict.sentence


def test_a_daemon_that_has_ended_or_never_began_is_not_healthy(tmp_path: Path) -> None:
    clock = ManualClock(START)
    HeartbeatFile(tmp_path / "ended.json", clock).show(a_record(ProcessStatus.STOPPED, "stopped as asked"))

    ended = judge(tmp_path / "ended.json", clock.now())
    never = judge(tmp_path / "never.json", clock.now())

    assert not ended.healthy
    assert not never.healthy
    assert "does not exist" in never.sentence


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "null", '{"name": "x", "status": "odd", "message": "", "heartbeat": 1}']
)
def test_a_file_that_is_no_heartbeat_is_not_healthy(tmp_path: Path, content: str) -> None:
    (tmp_path / "heartbeat.json").write_text(content)

    verdict = judge(tmp_path / "heartbeat.json", START)

    assert not verdict.healthy
    assert "no heartbeat" in verdict.sentence


def test_signs_of_work_reach_the_file_while_both_stores_are_away(tmp_path: Path) -> None:
    clock = ManualClock(START)
    heartbeat = a_heartbeat(HeartbeatFile(tmp_path / "heartbeat.json", clock), clock)

    heartbeat.idle("waiting for the lease")
    waiting = judge(tmp_path / "heartbeat.json", clock.now())
    clock.advance(20)
    silent = judge(tmp_path / "heartbeat.json", clock.now())
    heartbeat.work()
    working = judge(tmp_path / "heartbeat.json", clock.now())
    clock.advance(20)
    heartbeat.work()
    still_working = judge(tmp_path / "heartbeat.json", clock.now())

    assert waiting.healthy
    assert "waiting for the lease" in waiting.sentence
    assert not silent.healthy
    assert "running" in working.sentence
    assert still_working.healthy


def test_the_file_is_written_once_an_interval_however_often_there_is_work(tmp_path: Path) -> None:
    clock = ManualClock(START)
    file = HeartbeatFile(tmp_path / "heartbeat.json", clock, interval=5)
    written = []

    for _ in range(12):
        file.show(a_record())
        written.append((tmp_path / "heartbeat.json").stat().st_ino)
        clock.advance(1)

    assert [before != after for before, after in pairwise(written)].count(True) == 2


def test_a_file_that_cannot_be_written_is_said_once_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock(START)
    (tmp_path / "file").write_text("no folder")
    file = HeartbeatFile(tmp_path / "file" / "heartbeat.json", clock)

    for _ in range(3):
        file.show(a_record())
        clock.advance(10)

    assert [record.message for record in caplog.records] == ["heartbeat file not written"]


def test_the_command_tells_by_its_exit_code_and_one_line(tmp_path: Path) -> None:
    path = tmp_path / "heartbeat.json"
    clock = SystemClock()
    HeartbeatFile(path, clock).show(a_record())

    healthy = healthcheck({"HEARTBEAT_FILE": str(path)})
    HeartbeatFile(path, ManualClock(clock.now() - timedelta(minutes=1))).show(a_record())
    silent = healthcheck({"HEARTBEAT_FILE": str(path)})
    unset = healthcheck({})

    assert (healthy.returncode, silent.returncode, unset.returncode) == (0, 1, 1)
    assert [len(each.stdout.splitlines()) for each in (healthy, silent, unset)] == [1, 1, 1]
    assert "HEARTBEAT_FILE is not set" in unset.stdout


def test_the_check_imports_no_driver_and_no_settings_model() -> None:
    listed = subprocess.run(
        [sys.executable, "-c", "import sys, fullon.runtime.healthcheck; print(' '.join(sys.modules))"],
        capture_output=True, text=True, timeout=30, check=True,
    ).stdout.split()  # fmt: skip

    assert not {"pydantic", "asyncpg", "redis", "asyncio"} & set(listed)
