"""Carries out a Dockerfile without an engine: each stage is a folder, and the base is a fresh virtual environment.

Only what our Dockerfile uses is known; another instruction is an error. Commands run as written, which is why the
Dockerfile names what they write by relative paths. What needs a kernel's help is left to the caller: the user, and
that nothing but the volumes can be written to.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tools.bootstrap import environment

_SECONDS = 600


@dataclass
class Stage:
    """A stage that was carried out; the last one is the image.

    Attributes:
        root: folder that stands for ``/``.
        python: of the virtual environment that stands for the base image.
    """

    root: Path
    python: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = ""
    volumes: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    health: tuple[str, ...] = ()
    health_options: tuple[str, ...] = ()

    def inside(self, path: str) -> Path:
        """Where a path of the image lies here."""
        return self.root / str(Path(self.folder, path)).lstrip("/")

    def variables(self) -> dict[str, str]:
        """The image's environment, paths as they are here, and what pip of this machine needs."""
        moved = {key: re.sub(r"(^|:)/", rf"\g<1>{self.root}/", value) for key, value in self.environment.items()}
        return moved | {"PATH": f"{self.python.parent}:{os.defpath}"}

    def arguments(self, command: tuple[str, ...]) -> list[str]:
        """A command of the image, its program found as the image would find it."""
        program = shutil.which(command[0], path=self.variables()["PATH"])
        assert program is not None, f"{command[0]} is not in the image"
        return [program, *command[1:]]

    def contents(self) -> dict[str, tuple[int, float]]:
        """Every file outside of the volumes, with its size and time."""
        volumes = tuple(self.inside(volume) for volume in self.volumes)
        return {
            str(path): (path.lstat().st_size, path.lstat().st_mtime)
            for path in self.root.rglob("*")
            if not any(volume in (path, *path.parents) for volume in volumes)
        }


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile and their arguments, continued lines joined, without comments."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            keyword, _, arguments = line.strip().partition(" ")
            yield keyword.upper(), " ".join(arguments.split()) if keyword.upper() != "RUN" else arguments.strip()


class Builder:
    """Carries out the stages that a target needs, each once.

    Args:
        context: what ``.dockerignore`` lets through.
        into: where the stages' folders are made.
        python: of the virtual environment that stands for the base image.
    """

    def __init__(self, dockerfile: Path, context: Path, into: Path, python: Path) -> None:
        self._context, self._into, self._python = context, into, python
        self._written: dict[str, tuple[str, list[tuple[str, str]]]] = {}
        self._stages: dict[str, Stage] = {}
        for keyword, arguments in instructions(dockerfile):
            if keyword == "FROM":
                base, _, name = arguments.partition(" AS ")
                self._written[name] = (base, [])
            elif self._written:
                self._written[name][1].append((keyword, arguments))
            else:
                assert (keyword, arguments.partition("=")[0]) == ("ARG", "PYTHON_IMAGE")

    @property
    def default(self) -> str:
        """The stage that is built when none is named."""
        return list(self._written)[-1]

    def stage(self, name: str) -> Stage:
        """A stage, carried out if need be."""
        if name not in self._stages:
            base, listed = self._written[name]
            stage = Stage(self._into / name, self._python)
            if base in self._written:
                before = self.stage(base)
                shutil.copytree(before.root, stage.root)
                stage = replace(before, root=stage.root, environment=dict(before.environment))
            else:
                assert base == "${PYTHON_IMAGE}"
                stage.inside("/tmp").mkdir(parents=True)
            for keyword, arguments in listed:
                self._carry_out(stage, keyword, arguments)
            self._stages[name] = stage
        return self._stages[name]

    def _carry_out(self, stage: Stage, keyword: str, arguments: str) -> None:
        match keyword:
            case "WORKDIR":
                stage.folder = str(Path(stage.folder, arguments))
                stage.inside(".").mkdir(parents=True, exist_ok=True)
            case "ENV":
                stage.environment |= dict(word.split("=", 1) for word in shlex.split(arguments))
            case "COPY":
                self._copy(stage, arguments)
            case "RUN":
                done = subprocess.run(
                    ["sh", "-ec", arguments], cwd=stage.inside("."), env={**environment(), **stage.variables()},
                    timeout=_SECONDS, capture_output=True, text=True, check=False,
                )  # fmt: skip
                assert done.returncode == 0, f"RUN {arguments}:\n{done.stdout}\n{done.stderr}"
            case "USER":
                stage.user = arguments
            case "VOLUME":
                stage.volumes = tuple(json.loads(arguments))
            case "CMD":
                stage.command = tuple(json.loads(arguments))
            case "HEALTHCHECK":
                options, _, command = arguments.partition(" CMD ")
                stage.health, stage.health_options = tuple(json.loads(command)), tuple(options.split())
            case "STOPSIGNAL" | "EXPOSE":
                pass
            case _:
                raise AssertionError(f"{keyword} is not known here")

    def _copy(self, stage: Stage, arguments: str) -> None:
        origin = self._context
        words = arguments.split()
        if words[0].startswith("--from="):
            origin = self.stage(words.pop(0).removeprefix("--from=")).root
        *sources, destination = words
        to = stage.inside(destination)
        for source in sources:
            found = sorted(origin.glob(source.lstrip("/")))
            assert found, f"COPY {source}: not in the context"
            for path in found:
                if path.is_dir():
                    shutil.copytree(path, to, dirs_exist_ok=True)
                else:
                    folder = to if destination.endswith("/") else to.parent
                    folder.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, folder / path.name if destination.endswith("/") else to)


def send_context(root: Path, ignored: Path, into: Path) -> None:
    """Copy what an ignore file lets through: the last pattern that matches a path or a folder above it decides."""
    patterns = [line.strip() for line in ignored.read_text().splitlines() if line.strip() and not line.startswith("#")]
    top = {pattern[1:].split("/")[0] for pattern in patterns if pattern.startswith("!")}
    for name in sorted(top):
        for path in sorted((root / name).rglob("*")):
            inside = path.relative_to(root)
            if path.is_file() and not _ignored(inside, patterns):
                (into / inside).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, into / inside)


def _ignored(path: Path, patterns: list[str]) -> bool:
    ignored = False
    for pattern in patterns:
        bare = pattern.removeprefix("!")
        names = [str(each) for each in (path, *path.parents)][:-1]
        if any(_matches(name, bare) for name in names):
            ignored = not pattern.startswith("!")
    return ignored


def _matches(name: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatchcase(name.rsplit("/", 1)[-1], pattern[3:])
    return name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)
