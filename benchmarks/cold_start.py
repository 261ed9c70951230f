"""From process start to the first answer, for every function, with warm page cache and compiled bytecode.

A fresh execution environment each time: the real runtime client loads the handler and answers one event. The floor is a
process that only imports FastAPI and Mangum.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import events
from benchmarks.figures import median, table
from benchmarks.gateway import functions_environment
from fullon.runtime import manifest
from local.home import REPOSITORY
from local.lambda_runtime.pool import FunctionPool
from tests.e2e.platform import SupervisedPlatform, running_platform

RUNS = 5
PATHS = {
    "auth": "/api/v1/auth/verify",
    "orm": "/api/v1/orm/users/me",
    "ohlcv": "/api/v1/ohlcv/pairs",
    "cache": "/api/v1/cache/processes/status",
    "services": "/api/v1/services",
    "health": "/health/ready",
    "docs": "/",
}


def main() -> None:
    """Measure and print."""
    with running_platform({"LOG_LEVEL": "WARNING"}) as platform:
        rows = asyncio.run(_rows(platform))
    table("Process start to first answer", ["function", "p50 ms", "min ms", "× floor"], rows)


async def _rows(platform: SupervisedPlatform) -> list[list[str]]:
    token = await platform.token()
    environment = {**os.environ, **functions_environment(platform)}
    context: dict[str, str] = {}
    floor = median([_floor(environment) for _ in range(RUNS)])
    rows = [["floor: import FastAPI and Mangum", f"{floor:.0f}", "", "1.00"]]
    for function in manifest.load().functions:
        if function.kind == "authorizer":
            event: dict[str, Any] = events.authorize(token)
        elif function.kind == "http":
            event = events.request(PATHS[function.name], context)
        else:
            continue
        times = []
        for _ in range(RUNS):
            with tempfile.TemporaryDirectory() as folder:
                pool = FunctionPool([function], task_root=REPOSITORY, logs=Path(folder), inherited=environment)
                await pool.start()
                started = time.perf_counter()
                answer = await pool.invoke(function.name, event)
                times.append((time.perf_counter() - started) * 1000)
                await pool.stop()
            assert answer.get("isAuthorized") or answer["statusCode"] == 200, answer
        if function.kind == "authorizer":
            context.update(answer["context"])
        rows.append([function.name, f"{median(times):.0f}", f"{min(times):.0f}", f"{median(times) / floor:.2f}"])
    return rows


def _floor(environment: dict[str, str]) -> float:
    clean = {name: value for name, value in environment.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import fastapi, mangum"], check=True, env=clean)
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
