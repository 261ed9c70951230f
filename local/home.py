"""The folder of one local platform: where everything lies, what may be written, and who has it.

`FULLON_HOME` (default `.fullon/` in the checkout) holds the stores' data, logs, secrets and the state of the run.
Removing it removes the platform; nothing is kept elsewhere, except a copy of the PostgreSQL programs in the
system's cache when root's checkout cannot be read by the account that serves the database.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.errors import MachineProblem

REPOSITORY = Path(__file__).resolve().parents[1]
DEFAULT_NAME = ".fullon"
LEAST_FREE_MEGABYTES = 300
"""A new database takes 60 MB, its first log segments and a day of candles the rest."""


class AlreadyRunning(MachineProblem):
    """Another supervisor has this home; `pid` is its process."""

    def __init__(self, home: Path, pid: int | None) -> None:
        holder = f"process {pid}" if pid else "another process"
        super().__init__(
            f"Fullon already runs on {home} ({holder}).",
            "Stop that one first, or set FULLON_HOME and FULLON_PORT to run a second.",
        )
        self.pid = pid


def environment_of(root: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment over the `.env` file of the checkout: what the shell says wins, empty values count as unset."""
    from dotenv import dotenv_values

    file = root / ".env"
    from_file = dotenv_values(file) if file.is_file() else {}
    merged = {name: value for name, value in from_file.items() if value}
    return {**merged, **{name: value for name, value in environment.items() if value or name not in merged}}


@dataclass(frozen=True)
class Home:
    """Paths below one folder."""

    path: Path

    @classmethod
    def named(cls, environment: Mapping[str, str]) -> Home:
        """The home that the environment asks for."""
        name = environment.get("FULLON_HOME", "").strip()
        chosen = Path(name).expanduser() if name else REPOSITORY / DEFAULT_NAME
        return cls(Path(os.path.abspath(chosen)))  # resolve() would follow a link the user made

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    @property
    def valkey(self) -> Path:
        return self.path / "valkey"

    @property
    def ecs(self) -> Path:
        return self.path / "ecs"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def spans(self) -> Path:
        return self.logs / "spans.jsonl"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def state(self) -> Path:
        return self.run / "state.json"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def ports(self) -> Path:
        return self.path / "ports.json"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets.json"

    @property
    def seeded(self) -> Path:
        return self.path / "seeded.json"

    @property
    def venue(self) -> Path:
        return self.path / "venue.json"

    @property
    def paper_books(self) -> Path:
        """Accounts, orders and fills of the paper venue."""
        return self.path / "paper.sqlite"

    @property
    def paper_account(self) -> Path:
        """Key and secret of the demo account at the paper venue."""
        return self.path / "paper-account.json"

    @property
    def session(self) -> Path:
        return self.path / "cli-session.json"

    def prepare(self) -> None:
        """Make the folders and see that they can be written and that there is room.

        Raises:
            MachineProblem: a missing permission, a file in the way, a full disk.
        """
        try:
            # Others may pass through, which the account that serves the database needs, and read nothing.
            self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            for folder in (self.run, self.logs, self.ecs):
                folder.mkdir(mode=0o700, exist_ok=True)
            probe = self.run / f"probe-{os.getpid()}"
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
        except OSError as error:
            raise cannot_write(self.path, error) from error
        free = shutil.disk_usage(self.path).free // 1_000_000
        if free < LEAST_FREE_MEGABYTES:
            raise MachineProblem(
                f"Only {free} MB are free on the disk of {self.path}; the platform needs {LEAST_FREE_MEGABYTES} MB.",
                "Free some space or set FULLON_HOME to another disk.",
            )


def cannot_write(path: Path, error: OSError) -> MachineProblem:
    """The sentence for an operating system error on a path."""
    place = error.filename or path
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return MachineProblem(f"The disk of {path} is full.", "Free some space or set FULLON_HOME to another disk.")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return MachineProblem(
            f"{place} cannot be written by this account.",
            "Give it the permission or set FULLON_HOME to a folder of your own.",
        )
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return MachineProblem(f"{place} is not a folder.", "Remove it or set FULLON_HOME to another folder.")
    return MachineProblem(f"{place} cannot be used: {error.strerror}.", "Set FULLON_HOME to another folder.")


def write_private(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a JSON file that only its owner may read; readers see the old or the new one, never half."""
    replacement = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(replacement, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            json.dump(value, handle, indent=2)
        replacement.replace(path)
    except OSError:
        replacement.unlink(missing_ok=True)
        raise


def read_mapping(path: Path) -> dict[str, Any]:
    """A JSON object from a file; empty when there is none or it is not one."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


class HomeLock:
    """At most one supervisor on a home. The kernel lets go of it when the holder dies, however it dies."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock; raises AlreadyRunning with the holder's process id."""
        while self._descriptor is None:
            descriptor = os.open(self._home.lock, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.read(descriptor, 32).decode(errors="replace").strip()
                os.close(descriptor)
                raise AlreadyRunning(self._home.path, int(holder) if holder.isdigit() else None) from error
            if self._is_current(descriptor):
                self._descriptor = descriptor
            else:
                os.close(descriptor)  # the former holder removed the file between our open and our lock
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let go and remove the file; nothing to do when it was never taken."""
        if self._descriptor is not None:
            self._home.lock.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.fstat(descriptor).st_ino == self._home.lock.stat().st_ino
        except FileNotFoundError:
            return False


def holder_of(home: Home) -> int | None:
    """The process id of the supervisor that has this home, or None when nobody does."""
    try:
        descriptor = os.open(home.lock, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip()
        return int(holder) if holder.isdigit() else 0
    else:
        return None
    finally:
        os.close(descriptor)
