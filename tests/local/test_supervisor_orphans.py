"""What an earlier run left is recognised by more than a number, and strangers are left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local.home import Home
from local.supervisor import orphans
from local.supervisor.environment import MARK, PART
from local.supervisor.state import ProcessRecord

SLEEPS_BELOW = "import subprocess, time; subprocess.Popen(['/bin/sleep', '300']); time.sleep(300)"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.prepare()
    return home


@pytest.fixture
def detached() -> Iterator[list[int]]:
    """Process ids to end after the test, whoever is their parent."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def orphan(program: list[str], environment: dict[str, str]) -> psutil.Process:
    """A process whose parent has ended, as after a killed supervisor."""
    script = (
        "import subprocess, sys\n"
        "print(subprocess.Popen(sys.argv[1:], start_new_session=True, stdout=-3, stderr=-3).pid)"
    )
    started = subprocess.run(
        [sys.executable, "-c", script, *program],
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return psutil.Process(int(started.stdout))


def record_of(process: psutil.Process, created: float | None = None) -> ProcessRecord:
    return ProcessRecord("x", process.pid, created or process.create_time(), None, "running")


def test_a_recorded_process_is_found_with_everything_below_it(home: Home, detached: list[int]) -> None:
    process = orphan([sys.executable, "-c", SLEEPS_BELOW], {})
    detached.append(process.pid)
    deadline = time.monotonic() + 20
    while not process.children():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    below = process.children()[0]
    detached.append(below.pid)

    found = orphans.left_behind(home, "instance", [record_of(process)])
    ended = orphans.end_all(found, 5)

    assert {each.pid for each in found} == {process.pid, below.pid}
    assert ended == 2
    assert not orphans.lives(process)
    assert not orphans.lives(below)


def test_a_number_that_belongs_to_a_later_process_is_left_alone(home: Home, detached: list[int]) -> None:
    stranger = orphan(["/bin/sleep", "300"], {})
    detached.append(stranger.pid)
    stale = record_of(stranger, created=stranger.create_time() - 3600)

    found = orphans.left_behind(home, "instance", [stale])

    assert found == []
    assert not orphans.is_alive(stale)


def test_a_process_is_recognised_by_the_mark_of_its_home_without_any_record(home: Home, detached: list[int]) -> None:
    ours = orphan(["/bin/sleep", "300"], {MARK: "this-home", PART: "ecs"})
    others = orphan(["/bin/sleep", "300"], {MARK: "another-home", PART: "ecs"})
    detached += [ours.pid, others.pid]

    found = orphans.left_behind(home, "this-home", [])
    of_part = orphans.descendants_of("this-home", "ecs")
    of_other_part = orphans.descendants_of("this-home", "gateway")

    assert [process.pid for process in found] == [ours.pid]
    assert [process.pid for process in of_part] == [ours.pid]
    assert of_other_part == []


def test_who_does_not_heed_the_signal_is_killed(detached: list[int]) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('/dev/null'); time.sleep(300)"
    process = orphan([sys.executable, "-c", stubborn], {})
    detached.append(process.pid)

    orphans.end_all([process], 0.3)

    assert not orphans.lives(process)
