"""Processes of the ECS endpoint: how they end, what survives a restart, what a killed endpoint leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fullon.runtime.manifest import Daemon, Manifest
from local.ecs.provision import provision
from tests.local.ecs_endpoint import (
    ACCESS_KEY,
    CLUSTER,
    GOOD,
    SECRET_KEY,
    Endpoint,
    Fleet,
    alive,
    endpoint_in,
    until,
)

STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal,time; signal.signal(15, 1); time.sleep(99)"])
print("ready", child.pid, flush=True)
time.sleep(99)
"""
WITH_CHILD = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"], start_new_session=True)
print("ready", child.pid, flush=True)
time.sleep(99)
"""


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    with endpoint_in(tmp_path) as endpoint:
        yield endpoint


def child_of(endpoint: Endpoint, name: str) -> int:
    """The process number that a daemon printed after "ready"."""
    line = until(lambda: [one for one in endpoint.daemon_log(name).splitlines() if one.startswith("ready")])[-1]
    return int(line.split()[1])


def test_what_ignores_sigterm_is_killed_with_its_whole_group_after_the_stop_timeout(endpoint: Endpoint) -> None:
    fleet = Fleet(endpoint.client())
    fleet.create("stubborn", STUBBORN, stopTimeout=1)
    leader, child = fleet.pid("stubborn"), child_of(endpoint, "stubborn")

    fleet.client.update_service(cluster=CLUSTER, service="stubborn", desiredCount=0)

    until(lambda: not alive(leader) and not alive(child))
    (task,) = until(lambda: [t for t in fleet.tasks("stubborn", "STOPPED") if t["lastStatus"] == "STOPPED"])
    assert task["containers"][0]["exitCode"] == 137
    assert (task["stoppedAt"] - task["stoppingAt"]).total_seconds() >= 0.9


def test_when_the_main_process_ends_nothing_that_it_started_goes_on(endpoint: Endpoint) -> None:
    fleet = Fleet(endpoint.client())
    fleet.create("parent", WITH_CHILD)
    leader, child = fleet.pid("parent"), child_of(endpoint, "parent")

    os.kill(leader, signal.SIGKILL)

    until(lambda: not alive(child))


def test_on_sigterm_every_child_ends_however_long_it_was_given_and_the_counts_are_kept(endpoint: Endpoint) -> None:
    fleet = Fleet(endpoint.client())
    fleet.create("good", GOOD)
    fleet.create("stubborn", STUBBORN, stopTimeout=120)
    fleet.create("idle", GOOD, desired=0)
    processes = [fleet.pid("good"), fleet.pid("stubborn"), child_of(endpoint, "stubborn")]

    began = time.monotonic()
    code = endpoint.stop()

    assert code == 0
    assert time.monotonic() - began < 60, "it waited for as long as the stubborn one was given"
    assert not any(alive(pid) for pid in processes)
    endpoint.start()
    assert fleet.pid("good") != fleet.pid("stubborn")
    assert [fleet.service(name)["desiredCount"] for name in ("good", "stubborn", "idle")] == [1, 1, 0]
    assert fleet.client.describe_task_definition(taskDefinition="good:1")["taskDefinition"]["family"] == "good"


def test_a_killed_endpoint_ends_its_orphans_before_it_starts_new_ones(endpoint: Endpoint) -> None:
    fleet = Fleet(endpoint.client())
    fleet.create("good", GOOD)
    fleet.create("parent", WITH_CHILD)
    orphans = [fleet.pid("good"), fleet.pid("parent"), child_of(endpoint, "parent")]

    endpoint.kill()
    assert all(alive(pid) for pid in orphans)
    os.kill(orphans[1], signal.SIGKILL)  # its child is known by the environment alone
    endpoint.start()

    assert not any(alive(pid) for pid in orphans)
    assert fleet.pid("good") not in orphans
    ended = [task for task in fleet.tasks("good", "STOPPED") if task["stopCode"] == "TerminationNotice"]
    assert len(ended) == 1


def test_another_process_with_the_number_of_an_old_task_is_left_alone(endpoint: Endpoint) -> None:
    fleet = Fleet(endpoint.client())
    fleet.create("good", GOOD)
    fleet.pid("good")
    endpoint.kill()
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"])
    try:
        state = json.loads(endpoint.state_file.read_text())
        state["tasks"][0]["pid"] = bystander.pid
        endpoint.state_file.write_text(json.dumps(state))

        endpoint.start()

        fleet.pid("good")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_damaged_state_file_is_put_aside(endpoint: Endpoint) -> None:
    endpoint.stop()
    endpoint.state_file.write_text('{"format": 1, "clus')

    endpoint.start()

    assert endpoint.client().list_clusters()["clusterArns"] == []
    assert endpoint.state_file.with_suffix(".damaged").exists()


def test_a_second_endpoint_on_the_same_state_or_port_says_so_in_one_line(endpoint: Endpoint, tmp_path: Path) -> None:
    def run(port: int, state: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "local.ecs", "--port", str(port), "--state", str(state)]
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        return subprocess.run(
            [*command, "--log-dir", str(tmp_path)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    taken = run(endpoint.port, tmp_path / "other")
    in_use = run(0, endpoint.state_file.parent)

    assert (taken.returncode, in_use.returncode) == (1, 1)
    assert taken.stderr == f"The ECS endpoint cannot use 127.0.0.1:{endpoint.port}: Address already in use.\n"
    assert in_use.stderr == f"Another ECS endpoint works with {endpoint.state_file.parent}.\n"


def test_a_daemon_log_is_put_aside_when_it_grows_too_large(tmp_path: Path) -> None:
    with endpoint_in(tmp_path, "--log-bytes", "10000") as endpoint:
        fleet = Fleet(endpoint.client())
        # More than four times what one read of a pipe can give at most (64 KiB), however late the reads come.
        fleet.define("writer", "for number in range(30_000): print('line', number, flush=True)")

        arn = fleet.client.run_task(cluster=CLUSTER, taskDefinition="writer")["tasks"][0]["taskArn"]
        until(lambda: fleet.client.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]["lastStatus"] == "STOPPED")

        files = sorted((tmp_path / "logs" / "daemons").iterdir())
        assert [file.name for file in files] == ["writer.log", "writer.log.1", "writer.log.2", "writer.log.3"]
        assert all(file.stat().st_size <= 75_536 for file in files)
        assert endpoint.daemon_log("writer").endswith("line 29999\n")
        assert files[0].stat().st_mode & 0o077 == 0


def test_provisioning_twice_changes_nothing_and_never_touches_a_desired_count(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    command = ("python", "-c", GOOD)
    manifest = Manifest(
        api_prefix="/api/v1",
        functions=(),
        daemons=tuple(Daemon(name, command, "a daemon", 256, 512, 0, 2) for name in ("ticker", "streamer")),
    )
    fleet = Fleet(endpoint.client())

    first = provision(endpoint.url, manifest, {"GREETING": "one"}, ["streamer"])
    fleet.client.update_service(cluster=CLUSTER, service="streamer", desiredCount=0)
    fleet.client.update_service(cluster=CLUSTER, service="ticker", desiredCount=1)
    pid = fleet.pid("ticker")
    again = provision(endpoint.url, manifest, {"GREETING": "one"}, ["streamer"])

    assert first == ["ticker created with 0 tasks", "streamer created with 1 tasks"]
    assert again == []
    assert [fleet.service(name)["desiredCount"] for name in ("ticker", "streamer")] == [1, 0]
    assert fleet.pid("ticker") == pid

    changed = provision(endpoint.url, manifest, {"GREETING": "two"}, ["streamer"])

    assert changed == ["ticker updated", "streamer updated"]
    until(lambda: " two " in endpoint.daemon_log("ticker"))
    assert [fleet.service(name)["desiredCount"] for name in ("ticker", "streamer")] == [1, 0]
    with pytest.raises(ValueError, match="no daemon nobody"):
        provision(endpoint.url, manifest, {}, ["nobody"])


def test_the_endpoint_leaves_no_process_of_its_own_behind(endpoint: Endpoint) -> None:
    fleet = Fleet(endpoint.client())
    fleet.create("good", GOOD)
    fleet.pid("good")
    assert endpoint.process is not None
    descendants = psutil.Process(endpoint.process.pid).children(recursive=True)
    assert descendants

    endpoint.stop()

    assert not [process for process in descendants if alive(process.pid)]
