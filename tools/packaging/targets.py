"""What an artefact is built for, and how this machine finds a Python of that version."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.bootstrap import environment


class PackagingFailed(Exception):
    """One sentence that says what is wrong with an artefact, or what is lacking to build it."""


@dataclass(frozen=True, slots=True)
class Target:
    """A Lambda runtime, or something that stands in for one.

    Attributes:
        platform: as uv's ``--python-platform``. The runtimes since Python 3.12 have glibc 2.34 (Amazon Linux 2023); for
            an older platform than manylinux_2_28 the resolver takes old releases without a word.
        python: minor version, ``3.13``.
    """

    platform: str
    python: str

    @property
    def machine(self) -> str:
        """The processor: ``aarch64``, ``x86_64``."""
        return self.platform.partition("-")[0]

    @property
    def runs_here(self) -> bool:
        """Whether an artefact can be imported on this machine: same processor and system, and such a Python."""
        return self.platform == _own_platform() and find_python(self.python) is not None

    @classmethod
    def local(cls) -> Target:
        """The interpreter this runs in, on this machine."""
        return cls(_own_platform(), ".".join(map(str, sys.version_info[:2])))

    def twin(self) -> Target:
        """The same Python on this machine's processor: what of an artefact for another one can be tried here."""
        return Target(_own_platform(), self.python)


#: What is deployed.
ARM64 = Target("aarch64-manylinux_2_28", "3.13")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of this machine. ``magic`` names the form of its byte code."""

    path: Path
    magic: str


@cache
def find_python(version: str) -> Interpreter | None:
    """An interpreter of a minor version: this one, on PATH, of pyenv or of uv; None where there is none.

    Nothing is downloaded for it.
    """
    for candidate in _candidates(version):
        if (found := _probe(candidate, version)) is not None:
            return found
    return None


def find_uv() -> Path:
    """The uv of this environment, else the one on PATH.

    Raises:
        PackagingFailed: there is none.
    """
    own = Path(sys.executable).parent / "uv"
    found = str(own) if own.exists() else shutil.which("uv")
    if found is None:
        raise PackagingFailed("uv was not found; `tools/setup dev` installs it.")
    return Path(found)


def _candidates(version: str) -> list[str]:
    if version == ".".join(map(str, sys.version_info[:2])):
        return [sys.executable]
    found = [f"python{version}"]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found += [str(path) for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"), reverse=True)]
    asked = [str(find_uv()), "python", "find", "--no-python-downloads", "--no-project", version]
    answer = subprocess.run(asked, env=environment(), capture_output=True, text=True, check=False).stdout.strip()
    return [*found, *([answer] if answer else [])]


def _probe(candidate: str, version: str) -> Interpreter | None:
    """Whether it is that version; a pyenv shim exists also where the version it stands for was not chosen."""
    question = (
        "import sys, importlib.util as u; print(sys.executable, '.'.join(map(str, sys.version_info[:2])),"
        " sys.implementation.cache_tag + '-' + u.MAGIC_NUMBER.hex(), sep='\\n')"
    )
    try:
        answer = subprocess.run([candidate, "-I", "-S", "-c", question], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    path, found, magic = answer.stdout.split("\n")[:3]
    return Interpreter(Path(path), magic) if found == version else None


def _own_platform() -> str:
    machine = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    return f"{machine}-apple-darwin" if sys.platform == "darwin" else f"{machine}-manylinux_2_28"
