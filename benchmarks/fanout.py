"""A tick on its way from Valkey to N subscribers: gateway and streamer, against the plain loop of a tutorial.

Both get the same messages from the same Valkey and serve the same clients, in turns. What ours does more:
subscriptions, snapshots and numbered frames for each client, a signed HTTP request for each delivery, conflation, and
two processes that can each be restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import psutil
from pydantic import SecretStr
from redis.asyncio import Redis

from benchmarks.figures import median, percentile, table
from fullon.market import keys
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from functions.migrate.migrations import upgrade
from local.ports import free_port
from tests.people import a_session, a_venue
from tests.servers import running_postgres, running_valkey, short_directory

SUBSCRIBERS = tuple(int(text) for text in os.environ.get("FANOUT_SUBSCRIBERS", "1,100,1000").split(","))
ROUNDS, TICKS, PAUSE_SECONDS = 3, 25, 0.1
CONNECTIONS_A_USER = 20
DRAINED_BATCHES, DRAINED_BATCH = 400, 250
SYMBOLS = tuple(f"COIN{number}/USDT" for number in range(50))


class Server:
    """What is measured: where clients connect, and whose CPU time counts."""

    def __init__(self, name: str, port: int, processes: list[subprocess.Popen[bytes]]) -> None:
        self.name = name
        self.port = port
        self._processes = [psutil.Process(process.pid) for process in processes]

    async def settled(self) -> None:
        """Wait until the clients that left cost nothing more."""
        quiet = 0
        while quiet < 3:
            before = sum(self.cpu_seconds())
            await asyncio.sleep(0.2)
            quiet = quiet + 1 if sum(self.cpu_seconds()) - before < 0.02 else 0

    def cpu_seconds(self) -> list[float]:
        """CPU time of each process so far; that of functions is not in it."""
        return [sum(process.cpu_times()[:2]) for process in self._processes]


class Swarm:
    """The process of the clients."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.swarm"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    async def do(self, **command: Any) -> Any:
        """Send a command and wait for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(await asyncio.to_thread(self._process.stdout.readline))

    def end(self) -> None:
        """All clients are gone."""
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Measure and print."""
    asyncio.run(_main())


async def _main() -> None:
    with short_directory() as folder, running_postgres(folder) as postgres, running_valkey(folder) as valkey:
        environment = await _environment(postgres, valkey.url)
        async with Redis.from_url(valkey.url) as client:
            rows = []
            with _plain(environment) as plain:
                async with _ours(folder, environment, client) as ours:
                    tokens = await _tokens(environment, max(10, *SUBSCRIBERS, 0))
                    for count in SUBSCRIBERS:
                        rows += await _compare(client, (ours, plain), count, tokens)
                    drained = await _drain(client, ours, tokens)
    table("Ticks taken in by the streamer, with 10 subscribers of all symbols", ["ticks/s", "ticks"], [drained])
    columns = ["subscribers", "server", "p50 ms", "p99 ms", "CPU µs a delivery", "p50 ×", "CPU ×", "conflated"]
    table(f"Tick in Valkey to subscriber, {1 / PAUSE_SECONDS:.0f} ticks a second", columns, rows)


async def _compare(client: Redis, servers: tuple[Server, Server], count: int, tokens: list[str]) -> list[list[str]]:
    samples: dict[str, list[float]] = {server.name: [] for server in servers}
    spent: dict[str, list[list[float]]] = {server.name: [] for server in servers}
    for _ in range(ROUNDS):
        for server in servers:
            with _swarm() as swarm:
                await swarm.do(connect=_wanted(server, tokens[:count]), port=server.port)
                await asyncio.sleep(0.3)
                before = server.cpu_seconds()
                collecting = asyncio.create_task(swarm.do(collect=TICKS * PAUSE_SECONDS + 1.0))
                await asyncio.sleep(0.2)
                for _ in range(TICKS):
                    await _publish(client, SYMBOLS[:1])
                    await asyncio.sleep(PAUSE_SECONDS)
                samples[server.name] += [value / 1e6 for value in await collecting]
                spent[server.name].append([b - a for a, b in zip(before, server.cpu_seconds(), strict=True)])
            await server.settled()
    half = {name: median(values) for name, values in samples.items()}
    cost = {
        name: [sum(process) * 1e6 / len(samples[name]) for process in zip(*rounds, strict=True)]
        for name, rounds in spent.items()
    }
    plain = servers[1].name
    return [
        [
            str(count),
            name,
            f"{half[name]:.2f}",
            f"{percentile(samples[name], 0.99):.2f}",
            " + ".join(f"{each:.0f}" for each in cost[name]),
            f"{half[name] / half[plain]:.2f}",
            f"{sum(cost[name]) / sum(cost[plain]):.2f}",
            str(ROUNDS * TICKS * count - len(samples[name])),
        ]
        for name in samples
    ]


async def _drain(client: Redis, server: Server, tokens: list[str]) -> list[str]:
    subscribe = json.dumps({"action": "subscribe", "channel": "tickers", "exchange": "paper"})
    rates = []
    with _swarm() as swarm:
        await swarm.do(connect=[[_target(each), subscribe] for each in tokens[:10]], port=server.port)
        for round_number in range(ROUNDS):
            last = f"9.{round_number}1"
            waiting = asyncio.create_task(swarm.do(until=f'"price":"{last}"', seconds=60))
            await asyncio.sleep(0.2)
            began = time.time_ns()
            for number in range(DRAINED_BATCHES):
                price = last if number == DRAINED_BATCHES - 1 else f"{number}.5"
                await _publish(client, SYMBOLS * (DRAINED_BATCH // len(SYMBOLS)), price)
            rates.append(DRAINED_BATCHES * DRAINED_BATCH / ((await waiting - began) / 1e9))
    return [f"{median(rates):,.0f}", f"{DRAINED_BATCHES * DRAINED_BATCH:,}"]


@contextlib.contextmanager
def _swarm() -> Iterator[Swarm]:
    swarm = Swarm()
    try:
        yield swarm
    finally:
        swarm.end()


def _wanted(server: Server, tokens: list[str]) -> list[list[str | None]]:
    if server.name == "plain loop":
        return [["/", None] for _ in tokens]
    subscribe = json.dumps({"action": "subscribe", "channel": "tickers", "exchange": "paper", "symbol": SYMBOLS[0]})
    return [[_target(token), subscribe] for token in tokens]


def _target(token: str) -> str:
    return f"/ws?token={token}"


async def _publish(client: Redis, symbols: tuple[str, ...], price: str = "60123.1") -> None:
    """As the collector does: the latest of each, and all of them as one message."""
    ticks = [
        {
            "exchange": "paper",
            "symbol": symbol,
            "price": price,
            "bid": "60123.0",
            "ask": "60123.2",
            "last": price,
            "volume": str(time.time_ns()),
            "change_24h": "1.25",
            "time": time.time_ns() // 1_000_000,
        }
        for symbol in symbols
    ]
    pipeline = client.pipeline(transaction=False)
    pipeline.hset(keys.ticks("paper"), mapping={str(tick["symbol"]): orjson.dumps(tick) for tick in ticks})
    pipeline.publish(keys.TICKERS_CHANNEL, orjson.dumps(ticks))
    await pipeline.execute()


async def _environment(postgres: Any, valkey_url: str) -> dict[str, str]:
    connection = await asyncpg.connect(postgres.dsn("postgres"))
    for name in ("fullon", "fullon_ohlcv"):
        await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    await upgrade(postgres.dsn("fullon"), postgres.dsn("fullon_ohlcv"))
    environment = {
        **os.environ,
        "ENVIRONMENT": "local",
        "DATABASE_URL": postgres.dsn("fullon"),
        "REDIS_URL": valkey_url,
        "JWT_SECRET_KEY": "a-benchmark-secret-of-more-than-thirty-two-bytes",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "benchmark",
        "AWS_SECRET_ACCESS_KEY": "benchmark",
        "LOG_LEVEL": "WARNING",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


async def _tokens(environment: dict[str, str], count: int) -> list[str]:
    """Access tokens of as many users as that many connections need."""
    secret = SecretStr(environment["JWT_SECRET_KEY"])
    tokens = Container(Settings(environment="local", jwt_secret_key=secret)).tokens
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        await a_venue(connection, "paper", *SYMBOLS)
        users = [await a_session(connection) for _ in range(-(-count // CONNECTIONS_A_USER))]
    finally:
        await connection.close()
    found = [tokens.sign(user.user_id, user.mail, user.role, user.session) for user in users]
    return [found[number // CONNECTIONS_A_USER] for number in range(count)]


@contextlib.contextmanager
def _plain(environment: dict[str, str]) -> Iterator[Server]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.plain_fanout", str(port)], env=environment)
    try:
        yield Server("plain loop", port, [process])
    finally:
        process.terminate()
        process.wait()


@contextlib.asynccontextmanager
async def _ours(folder: Path, environment: dict[str, str], client: Redis) -> AsyncIterator[Server]:
    port, management = free_port(), free_port()
    endpoint = f"http://127.0.0.1:{management}"
    environment = {**environment, "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": endpoint}
    gateway = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs yet
        [
            *(sys.executable, "-m", "local.gateway", "--port", str(port), "--management-port", str(management)),
            *("--home", str(folder / "home"), "--no-reload"),
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    streamer = subprocess.Popen(  # noqa: ASYNC220 - as above
        [sys.executable, "-m", "daemons.streamer"], env=environment
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if (await client.pubsub_numsub(keys.TICKERS_CHANNEL))[0][1] >= 2 and _listens(port):
                break
            await asyncio.sleep(0.05)
        yield Server("gateway + streamer", port, [gateway, streamer])
    finally:
        for process in (streamer, gateway):
            process.terminate()
            process.wait()


def _listens(port: int) -> bool:
    listening = [each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN and each.laddr]
    return any(tuple(each.laddr)[1:2] == (port,) for each in listening)


if __name__ == "__main__":
    main()
