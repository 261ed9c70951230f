"""Carries out unit files without systemd: each service's commands, in the order and with the environment it says."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from local.server.environment import read

START_SECONDS = 90


@dataclass
class Unit:
    """A service's file: what it says, by section and name; several values in their order."""

    name: str
    values: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Unit:
        unit = cls(path.stem)
        for line in path.read_text().splitlines():
            name, separator, value = line.partition("=")
            if separator:
                unit.values.setdefault(name, []).append(value)
        return unit

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def one(self, name: str) -> str:
        [value] = self.all(name)
        return value

    @property
    def requires(self) -> set[str]:
        return {name.removesuffix(".service") for line in self.all("Requires") for name in line.split()}


@contextmanager
def running_units(folder: Path, state: Path, logs: Path) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Run every service of a folder until the block ends; nothing of them may be left."""
    units = {path.stem: Unit.read(path) for path in folder.glob("*.service")}
    state.mkdir(mode=0o711)
    logs.mkdir()
    running: dict[str, subprocess.Popen[str]] = {}
    up: set[str] = set()
    with ExitStack() as stack:
        while len(up) < len(units):
            unit = next(unit for unit in units.values() if unit.name not in up and unit.requires <= up)
            environment = _environment(unit, state, logs)
            if unit.one("Type") == "oneshot":
                for command in unit.all("ExecStart"):
                    _to_its_end(unit, command, environment)
            else:
                running[unit.name] = stack.enter_context(_running(unit, environment, logs / f"{unit.name}.log"))
                for command in unit.all("ExecStartPost"):
                    _until_it_works(unit, command, environment)
            up.add(unit.name)
        yield running


def _environment(unit: Unit, state: Path, logs: Path) -> dict[str, str]:
    file = Path(unit.one("EnvironmentFile"))
    own = {"STATE_DIRECTORY": str(state), "LOGS_DIRECTORY": str(logs)}
    return {"PATH": os.environ["PATH"], **read(file.read_text()), **own}


def _to_its_end(unit: Unit, command: str, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        shlex.split(command),
        cwd=unit.one("WorkingDirectory"),
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def _until_it_works(unit: Unit, command: str, environment: Mapping[str, str]) -> None:
    """systemd would start the whole service again (``Restart=always``); here only the command is."""
    assert unit.one("Restart") == "always"
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            _to_its_end(unit, command, environment)
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


@contextmanager
def _running(unit: Unit, environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[str]]:
    with log.open("w") as output:
        process = subprocess.Popen(
            shlex.split(unit.one("ExecStart")),
            cwd=unit.one("WorkingDirectory"),
            env=dict(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.Signals[(unit.all("KillSignal") or ["SIGTERM"])[0]])
        try:
            process.wait(60)
        finally:
            _, alive = psutil.wait_procs(family, timeout=30)
            for left in alive:
                left.kill()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(60)
        assert not alive, f"left behind by {unit.name}: {alive}"
