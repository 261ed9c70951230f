"""Many clients at once on the route of time series: wrk with 10, 50, 200 and 500 connections.

Every connection is kept alive and sends its next request when it has the answer. Asked for is a week of hours made of
stored minutes, through gateway, authorizer (whose answer the gateway remembers) and execution environments; against it
the same app under bare uvicorn, one process without any of these. wrk runs on the same cores. Whatever is not 2xx is
counted by status; what wrk calls errors (no connection, none any more, no answer within its time) is lost.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import table
from benchmarks.gateway import Client, bare_uvicorn, functions_environment, token_of
from fullon.kernel.clock import to_milliseconds
from fullon.kernel.timeframes import DAY_MS, HOUR_MS, MINUTE_MS
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from fullon.venues import store
from tests.e2e.platform import running_platform
from tests.market_builder import add_minutes, minutes

CONNECTIONS = (10, 50, 200, 500)
SECONDS, WARM_UP_SECONDS = 6, 2
#: So long a client waits for an answer before it counts as lost.
PATIENCE_SECONDS = 20
DAYS = 8
HOURS = 168
PATH = f"/api/v1/ohlcv/timeseries/paper/BTC/USDT/ohlcv?timeframe=1h&limit={HOURS}"
_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True)
class Seen:
    """What wrk saw.

    Attributes:
        answers: of any status, in ``seconds``.
        p50_us: microseconds from request to answer; as are ``p99_us`` and ``slowest_us``.
        refused: answers that are not 2xx, by status.
        lost: connections that could not be made or ended, and answers that did not come in time.
    """

    answers: int
    seconds: float
    p50_us: int
    p99_us: int
    slowest_us: int
    refused: dict[str, int]
    lost: int


def main() -> None:
    """Measure and print."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed; it is a package of most systems: apt-get install wrk.")
    with running_platform({"LOG_LEVEL": "WARNING", "RATE_LIMIT_USER_READS": "0"}) as platform:
        token = token_of(platform)
        for name, value in functions_environment(platform).items():
            os.environ[name] = value
        asyncio.run(_filled(Settings.load()))
        rows = []
        with bare_uvicorn("ohlcv", token) as port:
            ways = {"gateway": int(platform.url.rsplit(":", 1)[1]), "bare uvicorn": port}
            for at in ways.values():
                _look(Client(at, PATH, token).get())
            for connections in CONNECTIONS:
                for way, at in ways.items():
                    _wrk(at, connections, token, WARM_UP_SECONDS)
                    rows.append(_row(connections, way, _wrk(at, connections, token, SECONDS)))
    columns = ["connections: way", "answers/s", "p50 ms", "p99 ms", "slowest ms", "not 2xx", "lost"]
    table(f"A week of hours, {SECONDS} s each", columns, rows)


def _look(answer: bytes) -> None:
    items = json.loads(answer)["items"]
    if len(items) != HOURS:
        raise SystemExit(f"{len(items)} hours were answered instead of {HOURS}.")


def _wrk(port: int, connections: int, token: str, seconds: int) -> Seen:
    """Run wrk; the token goes by the environment, where a list of processes does not show it."""
    command = [
        "wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
        "--timeout", f"{PATIENCE_SECONDS}s", "--script", str(_SCRIPT), f"http://127.0.0.1:{port}{PATH}",
    ]  # fmt: skip
    finished = subprocess.run(
        command,
        env={**os.environ, "LOAD_TOKEN": token},
        capture_output=True,
        timeout=seconds + 2 * PATIENCE_SECONDS + 30,
        check=False,
    )
    if finished.returncode:
        raise SystemExit(f"wrk failed: {finished.stderr.decode().strip()}")
    return Seen(**json.loads(finished.stdout.splitlines()[-1]))


def _row(connections: int, way: str, seen: Seen) -> list[str]:
    refused = ", ".join(f"{count:,} × {status}" for status, count in sorted(seen.refused.items()))
    good = seen.answers - sum(seen.refused.values())
    return [
        f"{connections}: {way}",
        f"{good / seen.seconds:,.0f}",
        *(f"{each / 1000:,.1f}" for each in (seen.p50_us, seen.p99_us, seen.slowest_us)),
        refused or "0",
        f"{seen.lost:,}",
    ]


async def _filled(settings: Settings) -> None:
    """Minutes of eight days up to half an hour, of a symbol that the seed entered; no collector runs."""
    container = Container(settings)
    async with container.connection() as connection:
        [symbol] = [each for each in await store.symbols_named(connection, "BTC/USDT") if each.exchange == "paper"]
    end = to_milliseconds(container.clock.now()) // HOUR_MS * HOUR_MS - HOUR_MS // 2
    await add_minutes(container, symbol, minutes(end - DAYS * DAY_MS, DAYS * DAY_MS // MINUTE_MS))
    await container.close()


if __name__ == "__main__":
    main()
