"""One supervised process, with real processes: starts, deaths, returns and ends."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from local.ports import free_port
from local.supervisor import orphans
from local.supervisor.child import Child, ChildFailed, Command, Part
from local.supervisor.readiness import wait_for_port

SERVES = """
import signal, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    listener.accept()[0].close()
"""
IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVES
HAS_A_CHILD_OF_ITS_OWN_SESSION = (
    "import subprocess, sys\n"
    "print(subprocess.Popen(['/bin/sleep', '300'], start_new_session=True).pid, flush=True)\n" + SERVES
)
DIES_WITH_WORDS = (
    """import json; print(json.dumps({"event": "no licence", "exception": "Traceback\\nValueError: 42"})); exit(3)"""
)


class Supervised:
    """Makes children that are ended after the test."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.said: list[str] = []
        self.instance = f"test-{os.getpid()}-{time.monotonic_ns()}"
        self.children: list[Child] = []

    def child(self, script: str) -> Child:
        port = free_port()
        command = Command([sys.executable, "-c", script, str(port)], {"PATH": os.defpath}, self.logs)
        part = Part("part", "The part", port, lambda: command, lambda: wait_for_port(port))
        self.children.append(Child(part, self.instance, self.logs, self.said.append, lambda: None))
        return self.children[-1]


@pytest.fixture
async def supervised(tmp_path: Path) -> AsyncIterator[Supervised]:
    supervised = Supervised(tmp_path)
    yield supervised
    for child in supervised.children:
        await child.stop(1)


async def until(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.02)


def pid_of(child: Child) -> int:
    assert child.record is not None
    return child.record.pid


async def test_a_child_that_dies_is_started_again_and_both_are_said_in_a_line(supervised: Supervised) -> None:
    child = supervised.child(SERVES)
    await child.start()
    first = pid_of(child)

    psutil.Process(first).kill()
    await until(lambda: len(supervised.said) == 2)

    assert pid_of(child) != first
    assert (child.status, child.restarts) == ("running", 1)
    assert supervised.said == [
        "The part ended (killed by SIGKILL); starting it again in 0.2 s.",
        "The part is back.",
    ]


async def test_the_pause_grows_with_every_death_in_a_row(supervised: Supervised) -> None:
    child = supervised.child(SERVES)
    await child.start()

    for deaths in (2, 4):
        psutil.Process(pid_of(child)).kill()
        await until(lambda deaths=deaths: len(supervised.said) == deaths)  # type: ignore[misc]

    assert "in 0.2 s" in supervised.said[0]
    assert "in 0.5 s" in supervised.said[2]


async def test_a_child_that_cannot_start_is_reported_with_its_last_words(supervised: Supervised) -> None:
    child = supervised.child(DIES_WITH_WORDS)

    with pytest.raises(ChildFailed) as failure:
        await child.start()

    assert failure.value.detail == "The part cannot start (exit code 3): no licence: ValueError: 42"
    assert str(supervised.logs / "part.log") in failure.value.next_step


async def test_who_does_not_heed_sigterm_is_killed_after_the_grace(supervised: Supervised) -> None:
    child = supervised.child(IGNORES_SIGTERM)
    await child.start()
    pid = pid_of(child)

    await child.stop(0.3)

    assert not psutil.pid_exists(pid)
    assert child.status == "stopped"


async def test_descendants_in_sessions_of_their_own_end_with_a_killed_child(supervised: Supervised) -> None:
    child = supervised.child(HAS_A_CHILD_OF_ITS_OWN_SESSION)
    await child.start()
    grandchild = psutil.Process(int((supervised.logs / "part.log").read_text().split()[0]))

    psutil.Process(pid_of(child)).kill()
    await until(lambda: child.restarts == 1 and child.status == "running")

    assert not orphans.lives(grandchild)


async def test_stopping_ends_descendants_too(supervised: Supervised) -> None:
    child = supervised.child(HAS_A_CHILD_OF_ITS_OWN_SESSION)
    await child.start()
    grandchild = psutil.Process(int((supervised.logs / "part.log").read_text().split()[0]))

    await child.stop(2)

    assert not orphans.lives(grandchild)


async def test_a_stopped_child_is_not_started_again(supervised: Supervised) -> None:
    child = supervised.child(SERVES)
    await child.start()

    await child.stop(2)
    await asyncio.sleep(0.4)

    assert supervised.said == []
    assert child.status == "stopped"
