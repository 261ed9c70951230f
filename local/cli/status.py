"""`fullon status`: the processes of this home, their ports and whether the platform is usable."""

from __future__ import annotations

import asyncio
import shlex
import time
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from local.cli.errors import NOT_RUNNING, CommandFailed
from local.cli.output import print_json, print_table
from local.cli.platform import process_environment, running_state, this_home
from local.home import Home
from local.supervisor.orphans import is_alive
from local.supervisor.readiness import get
from local.supervisor.state import ProcessRecord

PROBE_SECONDS = 5.0
EXPORTED = (
    "DATABASE_URL", "DB_OHLCV_NAME", "REDIS_URL", "AWS_ENDPOINT_URL_ECS", "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI",
    "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "ECS_CLUSTER", "EXCHANGE_URL_PAPER",
    "JWT_SECRET_KEY", "ENCRYPTION_KEY", "ADMIN_MAIL", "ENVIRONMENT",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One process. `up_seconds` and `memory_mb` (resident) are None when it does not run."""

    name: str
    kind: str
    status: str
    pid: int | None
    port: int | None
    up_seconds: float | None
    memory_mb: float | None
    restarts: int


def show(*, as_json: bool, as_environment: bool) -> None:
    """Print the state; raises CommandFailed with exit code 3 when nothing runs or it is not usable."""
    home = this_home()
    if as_environment:
        environment = process_environment(home)
        url = running_state(home)["addresses"]["API"].removesuffix("/api/v1")
        for name, value in {"FULLON_URL": url, **{name: environment[name] for name in EXPORTED}}.items():
            print(f"export {name}={shlex.quote(value)}")
        return
    state = running_state(home)
    rows = _rows(state)
    health = _health(int(state["ports"]["gateway"]))
    if as_json:
        print_json(_document(home, state, rows, health))
    else:
        print_table(
            ["process", "kind", "status", "pid", "port", "up", "memory", "restarts"],
            [
                [r.name, r.kind, r.status, r.pid, r.port, _age(r.up_seconds), _size(r.memory_mb), r.restarts or ""]
                for r in rows
            ],
        )
        print()
        for name, address in state["addresses"].items():
            print(f"{name:<10} {address}")
        print(f"{'Home':<10} {home.path}")
        print(f"{'Health':<10} {health}")
    if health != "ready":
        raise CommandFailed(f"The platform is {health}.", "`fullon logs` shows why.", exit_code=NOT_RUNNING)


def _document(home: Home, state: dict[str, Any], rows: list[Row], health: str) -> dict[str, Any]:
    return {
        "phase": state["phase"],
        "health": health,
        "home": str(home.path),
        "addresses": state["addresses"],
        "ports": state["ports"],
        "processes": [asdict(row) for row in rows],
    }


def _rows(state: dict[str, Any]) -> list[Row]:
    rows = [_row(ProcessRecord(**state["supervisor"]), "supervisor")]
    for child in state["children"].values():
        record = ProcessRecord(**child)
        rows.append(_row(record, "server"))
        if record.name in {"gateway", "ecs"}:
            rows += _below(record)
    return rows


def _row(record: ProcessRecord, kind: str) -> Row:
    alive = is_alive(record)
    up_seconds, memory = _measured(record.pid) if alive else (None, None)
    status = record.status if alive or record.status == "restarting" else "dead"
    return Row(
        record.name, kind, status, record.pid if alive else None, record.port, up_seconds, memory, record.restarts
    )


def _below(record: ProcessRecord) -> list[Row]:
    """Function workers of the gateway, daemons of the ECS endpoint."""
    try:
        children = psutil.Process(record.pid).children()
    except psutil.Error:
        return []
    rows = []
    for process in children:
        named = _function_or_daemon(process)
        if named is not None:
            name, kind = named
            up_seconds, memory = _measured(process.pid)
            rows.append(Row(name, kind, "running", process.pid, None, up_seconds, memory, 0))
    return sorted(rows, key=lambda row: (row.kind, row.name))


def _function_or_daemon(process: psutil.Process) -> tuple[str, str] | None:
    try:
        for argument in process.cmdline():
            if argument.startswith("daemons."):
                return argument.removeprefix("daemons."), "daemon"
            if argument.startswith("functions."):
                return argument.split(".")[1], "function"
    except psutil.Error:
        return None
    return None


def _measured(pid: int) -> tuple[float | None, float | None]:
    try:
        process = psutil.Process(pid)
        return time.time() - process.create_time(), process.memory_info().rss / 1_000_000
    except psutil.Error:
        return None, None


def _health(port: int) -> str:
    async def probe() -> int:
        status, _ = await asyncio.wait_for(get(port, "/health/ready"), PROBE_SECONDS)
        return status

    try:
        status = asyncio.run(probe())
    except (OSError, ValueError, TimeoutError):
        return "not answering"
    return "ready" if status == 200 else f"not ready ({status})"


def _age(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _size(megabytes: float | None) -> str:
    return "" if megabytes is None else f"{megabytes:.0f} MB"
