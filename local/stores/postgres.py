"""An embedded PostgreSQL: one data directory, served on loopback, password only.

The server is a foreground child in its own session and is stopped by SIGINT ("fast": transactions are rolled
back, nothing is lost). After SIGKILL the next start replays the log by itself; only a pid file that now names a
stranger has to be removed. No Unix socket is opened, so the length of the path does not matter. There is no TLS
in the embedded server: local addresses say `sslmode=disable` by omission, cloud settings say `verify-full`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from local.errors import StoreProblem
from local.stores.account import Account, account_for, can_walk, give, ownership
from local.stores.locate import Programs, postgres_programs

SUPERUSER = "fullon"
SYSTEM_CACHE = Path("/var/cache/fullon")
WORKING_DIRECTORY = Path("/proc/self/cwd")
"""The working directory by a name that needs no permission on its parents (Linux)."""

SERVE_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ",
}


@dataclass(frozen=True)
class Postgres:
    """One embedded server; `port` on 127.0.0.1, `password` of the superuser `fullon`."""

    data: Path
    port: int
    password: str = field(repr=False)
    settings: dict[str, str] = field(default_factory=dict)
    """Server settings over SERVE_SETTINGS."""

    def dsn(self, database: str) -> str:
        """The address of a database on this server, as asyncpg and the settings take it."""
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}"

    @property
    def account(self) -> Account | None:
        return account_for(self.data)

    @property
    def working_directory(self) -> Path:
        """Where the server must be started: it may name its data only relative to this."""
        return self.data

    def initialise(self) -> None:
        """Create the data directory if it is not there yet; 0.4 s when it is new, nothing otherwise.

        Raises StoreProblem for data of another major version, of another account, or half made by hand.
        """
        if (self.data / "PG_VERSION").exists():
            self._check_existing()
            return
        if self.data.exists():
            # An initdb that was cut off leaves no PG_VERSION in a usable cluster; nothing was stored yet.
            shutil.rmtree(self.data)
        building = self.data.with_name(f"{self.data.name}.new")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True, mode=0o700)
        account = account_for(building)
        give(building, account)
        with _password_file(self.password, account) as password_file:
            self._initdb(building, account, password_file)
        building.rename(self.data)

    def command(self) -> list[str]:
        """The foreground server; start it in `working_directory` as `account`."""
        programs = self._programs_for(self.account)
        settings = {**SERVE_SETTINGS, **self.settings}
        arguments = [str(programs.directory / "postgres"), "-D", str(self._named(self.data, self.account))]
        arguments += ["-p", str(self.port)]
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        return arguments

    def environment(self) -> dict[str, str]:
        """The server needs nothing of the caller's environment."""
        return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

    def recover(self) -> None:
        """Remove a pid file whose number now belongs to a process that is not this server.

        Call it only while no process of this data directory runs.
        """
        pid_file = self.data / "postmaster.pid"
        pid_file.unlink(missing_ok=True)

    async def wait_until_ready(self, deadline_seconds: float = 60.0) -> None:
        """Return when a connection works; raises StoreProblem after the deadline."""
        import asyncpg

        loop = asyncio.get_running_loop()
        deadline = loop.time() + deadline_seconds
        while True:
            try:
                connection = await asyncpg.connect(self.dsn("postgres"), timeout=5)
            except (OSError, asyncpg.PostgresError, TimeoutError) as error:
                if isinstance(error, asyncpg.InvalidPasswordError):
                    raise StoreProblem(
                        f"PostgreSQL's data in {self.data} has another password than secrets.json.",
                        "Restore secrets.json, or move the data away to start empty.",
                    ) from error
                if loop.time() > deadline:
                    raise StoreProblem(f"PostgreSQL does not answer on port {self.port}.") from error
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return

    def _check_existing(self) -> None:
        version = (self.data / "PG_VERSION").read_text().strip()
        account = self.account
        if account is None and self.data.stat().st_uid != os.geteuid():
            raise StoreProblem(
                f"The database in {self.data} belongs to another account.",
                "Start as root or as its owner, or choose another FULLON_HOME.",
            )
        offered = _major_version(self._programs_for(account))
        if offered != version:
            raise StoreProblem(
                f"The database in {self.data} was made by PostgreSQL {version}, this is {offered}.",
                "Install that version, or move the data away to start empty.",
            )

    def _initdb(self, directory: Path, account: Account | None, password_file: Path) -> None:
        programs = self._programs_for(account)
        finished = subprocess.run(
            [
                str(programs.directory / "initdb"),
                "-D", str(self._named(directory, account)),
                "--username", SUPERUSER, "--pwfile", str(password_file),
                "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync",
                "--no-instructions",
            ],
            cwd=directory, env=self.environment(), capture_output=True, text=True,
            check=False, **ownership(account),
        )  # fmt: skip
        if finished.returncode != 0:
            lines = finished.stderr.strip().splitlines() or ["no reason given"]
            raise StoreProblem(f"The database could not be created in {directory}: {lines[-1]}")

    @staticmethod
    def _named(directory: Path, account: Account | None) -> Path:
        absolute = directory.absolute()
        if account is None or can_walk(absolute, account):
            return absolute
        return WORKING_DIRECTORY

    @staticmethod
    def _programs_for(account: Account | None) -> Programs:
        programs = postgres_programs()
        if account is None or can_walk(programs.directory / "postgres", account):
            return programs
        return _copied(programs)


@contextmanager
def _password_file(password: str, account: Account | None) -> Iterator[Path]:
    """A short-lived file that only the account may read; initdb takes the password in no better way."""
    descriptor, name = tempfile.mkstemp(prefix="fullon-")
    try:
        with os.fdopen(descriptor, "w") as handle:
            if account is not None:
                os.fchown(handle.fileno(), account.user, account.group)
            handle.write(password)
        yield Path(name)
    finally:
        Path(name).unlink()


def _copied(programs: Programs) -> Programs:
    """The programs in a directory that every account may read; 41 MB, 0.16 s, once per version."""
    stamp = int((programs.directory / "postgres").stat().st_mtime)
    size = (programs.directory / "postgres").stat().st_size
    target = SYSTEM_CACHE / f"postgres-{_major_version(programs)}-{size:x}-{stamp:x}"
    moved = replace(programs, directory=target / programs.directory.relative_to(programs.root), root=target)
    if moved.directory.is_dir():
        return moved
    building = target.with_name(f"{target.name}.{os.getpid()}")
    building.mkdir(parents=True, mode=0o755)
    for part in programs.parts:
        shutil.copytree(programs.root / part, building / part, symlinks=True)
    try:
        building.rename(target)
    except OSError:
        shutil.rmtree(building)  # another start was faster
    return moved


def _major_version(programs: Programs) -> str:
    output = subprocess.run(
        [str(programs.directory / "postgres"), "--version"],
        capture_output=True, text=True, check=True, env={"PATH": os.defpath},
    ).stdout  # fmt: skip
    return output.split()[2].split(".")[0].removesuffix("devel")
