"""Many clients at once on the route of time series: 10, 50, 200 and 500 connections, each asking again and again.

Every connection is kept alive and sends its next request when it has the answer. Asked for is a week of hours made of
stored minutes, through gateway, authorizer (whose answer the gateway remembers) and execution environments; against it
the same app under bare uvicorn, one process without any of these. The clients are one process of their own, on the same
cores. Whatever is not 2xx is counted and its time is not; a connection that is lost counts as one and is opened anew.

``python -m benchmarks.load swarm PORT CONNECTIONS`` reads the request from standard input and prints the figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any, cast

import uvloop

from benchmarks.figures import percentile, table

CONNECTIONS = (10, 50, 200, 500)
SECONDS = 4.0
WARM_UP_SECONDS = 1.0
#: So long a client waits for an answer before it counts as lost.
PATIENCE_SECONDS = 20.0
DAYS = 8
HOURS = 168
PATH = f"/api/v1/ohlcv/timeseries/paper/BTC/USDT/ohlcv?timeframe=1h&limit={HOURS}"


@dataclass
class Seen:
    """What clients saw of requests that they sent while it was counted.

    Attributes:
        times: seconds from request to answer, of those with 2xx, also where it came later.
        refused: answers of another status, by status.
        lost: connections that ended, or gave no answer in time.
        in_time: answers with 2xx that came while it was counted, whenever they were asked for.
    """

    times: list[float] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    in_time: int = 0


class Client(asyncio.Protocol):
    """One connection: an answer to each request; HTTP/1.1 with Content-Length, parsed by hand to cost little."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of its subclasses

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the connection ended"))
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) >= length and self._answer is not None and not self._answer.done():
            self._buffer.clear()
            self._answer.set_result(int(head[9:12]))

    async def ask(self, request: bytes) -> int:
        """The status of the answer.

        Raises:
            ConnectionError: there is no connection any more.
        """
        if self._transport is None:
            raise ConnectionError("the connection ended")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()


async def swarm(port: int, connections: int, request: bytes) -> Seen:
    """Keep that many connections busy, and say what they saw."""
    seen = Seen()
    begin = perf_counter() + WARM_UP_SECONDS
    end = begin + SECONDS
    await asyncio.gather(*(_busy(port, request, seen, begin, end) for _ in range(connections)))
    return seen


async def _busy(port: int, request: bytes, seen: Seen, begin: float, end: float) -> None:
    client: Client | None = None
    while (started := perf_counter()) < end:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                if client is None:
                    _, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", port)
                    started = perf_counter()
                status = await client.ask(request)
        except (OSError, TimeoutError):
            if client is not None:
                client.close()
                client = None
            seen.lost += begin <= started
            await asyncio.sleep(0.05)
            continue
        finished = perf_counter()
        is_good = 200 <= status < 300
        seen.in_time += is_good and begin <= finished <= end
        if begin <= started:
            if is_good:
                seen.times.append(finished - started)
            else:
                seen.refused[str(status)] = seen.refused.get(str(status), 0) + 1
    if client is not None:
        client.close()


def main() -> None:
    """Measure and print."""
    from benchmarks.gateway import Client as One
    from benchmarks.gateway import bare_uvicorn, functions_environment, request, token_of
    from fullon.runtime.settings import Settings
    from tests.e2e.platform import running_platform

    with running_platform({"LOG_LEVEL": "WARNING", "RATE_LIMIT_USER_READS": "0"}) as platform:
        token = token_of(platform)
        for name, value in functions_environment(platform).items():
            os.environ[name] = value
        asyncio.run(_filled(Settings.load()))
        rows = []
        with bare_uvicorn("ohlcv", token) as port:
            ways = {"gateway": int(platform.url.rsplit(":", 1)[1]), "bare uvicorn": port}
            for at in ways.values():
                _warm(at, request(PATH, token), One(at, PATH, token).get())
            for connections in CONNECTIONS:
                for way, at in ways.items():
                    rows.append(_row(connections, way, _seen(at, connections, request(PATH, token))))
    columns = ["connections: way", "answers/s", "p50 ms", "p99 ms", "slowest ms", "2xx", "not 2xx", "lost"]
    table(f"A week of hours, {SECONDS:g} s each", columns, rows)


def _warm(port: int, request: bytes, answer: bytes) -> None:
    """The answer is right, and whatever starts with the first requests has started."""
    items = json.loads(answer)["items"]
    if len(items) != HOURS:
        raise RuntimeError(f"{len(items)} hours were answered instead of {HOURS}")
    for _ in range(10):
        if _seen(port, CONNECTIONS[0], request).in_time:
            return
    raise RuntimeError("nothing is answered")


def _seen(port: int, connections: int, request: bytes) -> Seen:
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.load", "swarm", str(port), str(connections)],
        input=request,
        capture_output=True,
        timeout=WARM_UP_SECONDS + SECONDS + 2 * PATIENCE_SECONDS + 30,
        check=True,
    )
    return Seen(**json.loads(finished.stdout))


def _row(connections: int, way: str, seen: Seen) -> list[str]:
    times = [each * 1000 for each in seen.times] or [float("nan")]
    refused = ", ".join(f"{count:,} × {status}" for status, count in sorted(seen.refused.items()))
    return [
        f"{connections}: {way}",
        f"{seen.in_time / SECONDS:,.0f}",
        f"{percentile(times, 0.5):,.1f}",
        f"{percentile(times, 0.99):,.1f}",
        f"{max(times):,.1f}",
        f"{len(seen.times):,}",
        refused or "0",
        f"{seen.lost:,}",
    ]


async def _filled(settings: Any) -> None:
    """Minutes of eight days up to half an hour, of a symbol that the seed entered; no collector runs."""
    from fullon.kernel.clock import to_milliseconds
    from fullon.kernel.timeframes import DAY_MS, HOUR_MS, MINUTE_MS
    from fullon.runtime.container import Container
    from fullon.venues import store
    from tests.market_builder import add_minutes, minutes

    container = Container(settings)
    async with container.connection() as connection:
        [symbol] = [each for each in await store.symbols_named(connection, "BTC/USDT") if each.exchange == "paper"]
    end = to_milliseconds(container.clock.now()) // HOUR_MS * HOUR_MS - HOUR_MS // 2
    await add_minutes(container, symbol, minutes(end - DAYS * DAY_MS, DAYS * DAY_MS // MINUTE_MS))
    await container.close()


async def _print(work: Callable[[], Awaitable[Seen]]) -> None:
    print(json.dumps(asdict(await work())))


if __name__ == "__main__":
    if sys.argv[1:2] == ["swarm"]:
        given = sys.stdin.buffer.read()
        uvloop.run(_print(lambda: swarm(int(sys.argv[2]), int(sys.argv[3]), given)))
    else:
        main()
