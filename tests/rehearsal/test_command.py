"""The command: how it fails, how it is stopped, and that nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local.home import REPOSITORY
from local.rehearsal.emulator import Emulator
from local.rehearsal.ministack import scratch_folder
from tests.local.ecs_endpoint import until
from tests.rehearsal import tiny
from tests.servers import short_directory

Command = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def home() -> Iterator[Path]:
    with short_directory() as folder:
        yield folder / "home"


@pytest.fixture
def command(home: Path) -> Iterator[Command]:
    """Starts the command on a home and an assembly; what a test leaves running is ended."""
    started: list[subprocess.Popen[str]] = []

    def start(assembly: Path, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.rehearsal", "--home", str(home), "--assembly", str(assembly)],
            cwd=REPOSITORY,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)


def processes_of(home: Path) -> list[psutil.Process]:
    """Whatever names the home, or bears its mark."""
    marks = {str(home), instance_of(home)}
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values(), process.cwd()]
        except (psutil.Error, OSError):
            continue
        if any(mark and mark in word for mark in marks for word in words) and process.pid != os.getpid():
            found.append(process)
    return found


def instance_of(home: Path) -> str:
    if home not in _instances and (home / "secrets.json").exists():
        _instances[home] = json.loads((home / "secrets.json").read_text())["instance"]
    return _instances.get(home, "")


_instances: dict[Path, str] = {}


def scratch_of(home: Path) -> Path:
    return scratch_folder(home, instance_of(home))


def needs_a_parameter(folder: Path) -> Path:
    return tiny.assembly(folder, {"Base": (tiny.base(), [])})


@pytest.mark.usefixtures("interpreter")
def test_a_deployment_that_fails_is_one_sentence_and_leaves_logs_but_no_process(
    home: Path, tmp_path: Path, command: Command
) -> None:
    process = command(needs_a_parameter(tmp_path))
    said, _ = process.communicate(timeout=60)

    assert process.returncode == 1, said
    assert "✗ The stack tiny-base needs values for Greeting, which nobody gives." in said
    assert "Traceback" not in said
    assert not processes_of(home)
    assert {path.name for path in home.iterdir()} <= {"logs", "run", "cdk.out"}
    assert (home / "logs" / "ministack.log").exists()


def test_an_emulator_that_runs_is_used_where_a_token_asks_for_it(
    home: Path, tmp_path: Path, emulator: Emulator, command: Command
) -> None:
    process = command(needs_a_parameter(tmp_path), LOCALSTACK_AUTH_TOKEN="ls-none", AWS_ENDPOINT_URL=emulator.endpoint)
    said, _ = process.communicate(timeout=60)

    assert f"at {emulator.endpoint}" in said
    assert not (home / "logs" / "ministack.log").exists()
    assert emulator.client("sts").get_caller_identity()["Account"] == "000000000000"  # it goes on running


@pytest.mark.usefixtures("interpreter")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_and_leaves_nothing(
    number: signal.Signals, home: Path, tmp_path: Path, command: Command
) -> None:
    process = command(tiny.assembly(tmp_path, {"Slow": (slow(), [])}))
    until(lambda: len(processes_of(home)) >= 4, 90)

    process.send_signal(number)
    said, _ = process.communicate(timeout=40)

    assert process.returncode == 130, said
    assert "Stopping…" in said
    assert not processes_of(home)
    assert not [path for path in home.iterdir() if path.name != "run"]
    assert not scratch_of(home).exists()


@pytest.mark.usefixtures("interpreter")
def test_what_a_killed_rehearsal_left_behind_is_ended_by_the_next(home: Path, tmp_path: Path, command: Command) -> None:
    first = command(tiny.assembly(tmp_path, {"Slow": (slow(), [])}))
    until(lambda: len(processes_of(home)) >= 4, 90)
    first.kill()
    first.communicate(timeout=60)
    left = processes_of(home)

    second = command(needs_a_parameter(tmp_path / "second"))
    said, _ = second.communicate(timeout=60)

    assert left
    assert "Ending an earlier rehearsal" in said
    assert not processes_of(home)


@pytest.mark.usefixtures("interpreter")
def test_two_rehearsals_of_one_home_are_refused(home: Path, tmp_path: Path, command: Command) -> None:
    command(tiny.assembly(tmp_path, {"Slow": (slow(), [])}))
    until(lambda: len(processes_of(home)) >= 4, 90)

    second = command(tmp_path)
    said, _ = second.communicate(timeout=30)

    assert second.returncode == 1
    assert "already runs" in said


def slow() -> dict[str, object]:
    """A stack that waits for somebody who never says that it is there."""
    handle = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    properties = {"Handle": {"Ref": "Handle"}, "Timeout": "600", "Count": 1}
    wait = {"Type": "AWS::CloudFormation::WaitCondition", "Properties": properties}
    return {"Resources": {"Handle": handle, "Wait": wait}}
