"""`fullon doctor`: what this machine needs, each with its state and how to mend it."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from local.cli.output import print_json, print_table
from local.errors import MachineProblem
from local.home import LEAST_FREE_MEGABYTES, REPOSITORY, Home, environment_of, holder_of
from local.stores.account import account_for, can_walk
from local.stores.locate import postgres_programs, valkey_program
from local.supervisor.options import Options

LEAST_MEMORY_MEGABYTES = 1_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `status` is ok, warning or broken, `mend` what to do about it."""

    name: str
    status: str
    found: str
    mend: str = ""


def show(*, as_json: bool) -> int:
    """Print all findings; returns 1 when something is broken."""
    findings = examine()
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(
            ["check", "status", "found", "how to mend"], [list(asdict(finding).values()) for finding in findings]
        )
    return int(any(finding.status == "broken" for finding in findings))


def examine() -> list[Finding]:
    """Everything that `fullon up` and the tests need of this machine."""
    environment = environment_of(REPOSITORY, os.environ)
    home = Home.named(environment)
    checks: dict[str, Callable[[], Finding]] = {
        "Python": _python,
        "Packages": _packages,
        "PostgreSQL": lambda: _postgres(home, environment),
        "Valkey": lambda: _valkey(environment),
        "Settings": lambda: _settings(environment),
        "Port": lambda: _port(home, environment),
        "Home": lambda: _home(home),
        "Disk": lambda: _disk(home),
        "Memory": _memory,
        "Lock": lambda: _lock(home),
        "Account": lambda: _database_account(home),
        "Clock": _clock,
        "git": lambda: _program("git", "git", "needed to develop, not to run"),
        "Browser": _browser,
    }
    return [_guarded(name, check) for name, check in checks.items()]


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except MachineProblem as problem:
        return Finding(name, "broken", problem.detail, problem.next_step)
    except PermissionError as error:
        return Finding(name, "broken", f"{error.filename} cannot be read by this account", "Run as its owner.")


def _python() -> Finding:
    newest_known = (3, 14)
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] > newest_known:
        return Finding("Python", "warning", version, "Newer than what the pinned packages were made for.")
    return Finding("Python", "ok", f"{version}, {sys.executable}")


def _packages() -> Finding:
    from importlib import metadata

    wanted = {"asyncpg": "PostgreSQL driver", "redis": "Valkey driver", "fastapi": "functions", "uvicorn": "gateway"}
    if sys.platform == "linux":
        wanted["awslambdaric"] = "Lambda runtime client"
    missing = []
    for name, purpose in wanted.items():
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(f"{name} ({purpose})")
    if missing:
        return Finding("Packages", "broken", f"missing: {', '.join(missing)}", "Run `make run`, or `make clean` first.")
    return Finding("Packages", "ok", "installed")


def _postgres(home: Home, environment: dict[str, str]) -> Finding:
    if environment.get("DATABASE_URL"):
        return Finding("PostgreSQL", "ok", "server named by DATABASE_URL")
    try:
        programs = postgres_programs()
    except MachineProblem as problem:
        return Finding("PostgreSQL", "broken", problem.detail, problem.next_step)
    account = account_for(home.postgres)
    readable = account is None or can_walk(programs.directory / "postgres", account)
    note = "" if readable else f"; {account.name if account else ''} gets a copy in the system's cache"
    return Finding("PostgreSQL", "ok", f"{programs.origin}: {programs.directory}{note}")


def _valkey(environment: dict[str, str]) -> Finding:
    if environment.get("REDIS_URL"):
        return Finding("Valkey", "ok", "server named by REDIS_URL")
    try:
        return Finding("Valkey", "ok", str(valkey_program()))
    except MachineProblem as problem:
        return Finding("Valkey", "broken", problem.detail, problem.next_step)


def _settings(environment: dict[str, str]) -> Finding:
    try:
        Options.of(environment)
    except MachineProblem as problem:
        return Finding("Settings", "broken", problem.detail, "Correct it in the shell or in .env.")
    return Finding("Settings", "ok", ".env is read" if (REPOSITORY / ".env").is_file() else "from the environment")


def _port(home: Home, environment: dict[str, str]) -> Finding:
    from local.ports import is_free
    from local.supervisor.preflight import listener_on

    port = Options.of(environment).port
    try:
        if is_free(port):
            return Finding("Port", "ok", f"{port} is free")
    except MachineProblem as problem:
        return Finding("Port", "broken", problem.detail, problem.next_step)
    if holder_of(home) is not None:
        return Finding("Port", "ok", f"{port} is served by this platform")
    holder = listener_on(port) or "another program"
    return Finding("Port", "broken", f"{port} is taken by {holder}", "Stop it or set FULLON_PORT.")


def _home(home: Home) -> Finding:
    existing = next(path for path in (home.path, *home.path.parents) if path.exists())
    if not existing.is_dir():
        return Finding("Home", "broken", f"{existing} is not a folder", "Set FULLON_HOME to a folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        return Finding("Home", "broken", f"{existing} cannot be written", "Set FULLON_HOME to a folder of your own.")
    return Finding("Home", "ok", f"{home.path}{'' if home.path.exists() else ' (will be made)'}")


def _disk(home: Home) -> Finding:
    existing = next(path for path in (home.path, *home.path.parents) if path.exists())
    free = shutil.disk_usage(existing).free // 1_000_000
    if free < LEAST_FREE_MEGABYTES:
        return Finding(
            "Disk", "broken", f"{free} MB free", f"Free {LEAST_FREE_MEGABYTES} MB or set FULLON_HOME to another disk."
        )
    if free < 4 * LEAST_FREE_MEGABYTES:
        return Finding("Disk", "warning", f"{free} MB free", "Long runs collect candles and trades; make some room.")
    return Finding("Disk", "ok", f"{free / 1000:.0f} GB free")


def _memory() -> Finding:
    import psutil

    available = psutil.virtual_memory().available // 1_000_000
    if available < LEAST_MEMORY_MEGABYTES:
        return Finding(
            "Memory", "warning", f"{available} MB available", "The platform takes about 900 MB; close something."
        )
    return Finding("Memory", "ok", f"{available / 1000:.1f} GB available")


def _lock(home: Home) -> Finding:
    from local.supervisor.orphans import is_alive
    from local.supervisor.state import recorded_processes

    try:
        holder = holder_of(home)
    except PermissionError:
        return Finding("Lock", "broken", f"{home.lock} belongs to another account", "Run as the account that made it.")
    if holder is not None:
        return Finding("Lock", "ok", f"held by process {holder}: the platform runs")
    left = [record.name for record in recorded_processes(home) if is_alive(record)]
    if left:
        return Finding("Lock", "warning", f"a killed run left {', '.join(left)}", "`fullon up` ends them and recovers.")
    if home.lock.exists():
        return Finding(
            "Lock", "warning", "a stale lock file of a killed run", "Nothing to do: `fullon up` takes it over."
        )
    return Finding("Lock", "ok", "nothing runs")


def _database_account(home: Home) -> Finding:
    if os.geteuid() != 0:
        if home.postgres.exists() and home.postgres.stat().st_uid != os.geteuid():
            return Finding(
                "Account", "broken", f"{home.postgres} belongs to another account", "Start as its owner or as root."
            )
        return Finding("Account", "ok", "an ordinary user")
    account = account_for(home.postgres)
    return Finding("Account", "ok", f"root; PostgreSQL runs as {account.name if account else 'nobody'}")


def _clock() -> Finding:
    newest = max(path.stat().st_mtime for path in (REPOSITORY / "pyproject.toml", Path(__file__)))
    if time.time() < newest - 86_400:
        return Finding(
            "Clock", "broken", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), "Set the clock: tokens depend on it."
        )
    return Finding("Clock", "ok", f"{time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime())} on {socket.gethostname()}")


def _program(title: str, program: str, purpose: str) -> Finding:
    found = shutil.which(program)
    return (
        Finding(title, "ok", found)
        if found
        else Finding(title, "warning", "not found", f"Install {program}; {purpose}.")
    )


def _browser() -> Finding:
    for name in BROWSERS:
        if found := shutil.which(name):
            return Finding("Browser", "ok", found)
    return Finding("Browser", "warning", "not found", "Browser tests are skipped; Debian: apt-get install chromium.")
