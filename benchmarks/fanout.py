"""A tick on its way from the venue to N subscribers: gateway and streamer, against the plain loop of a tutorial.

The paper venue makes ticks, the ticker daemon writes them to Valkey, and both servers get the same messages from there
and serve the same clients, in turns. What ours does more: subscriptions, snapshots and numbered frames for each client,
a signed HTTP request for each delivery, conflation, and two processes that can each be restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import psutil
from pydantic import SecretStr
from redis.asyncio import Redis

from benchmarks.figures import median, percentile, table
from fullon.fleet.model import HEARTBEAT_SECONDS
from fullon.market import keys
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from functions.migrate.migrations import upgrade
from local import seed_venues
from local.ports import free_port
from tests.local.platform import until
from tests.paper_venue import SYMBOLS as VENUE_SYMBOLS
from tests.paper_venue import RunningVenue, paper_venue
from tests.people import a_session
from tests.servers import running_postgres, running_valkey, short_directory

SUBSCRIBERS = tuple(int(text) for text in os.environ.get("FANOUT_SUBSCRIBERS", "1,100,1000").split(","))
ROUNDS, SECONDS, TICKS_A_SECOND = 3, 3, 10
#: Bursts of the venue, ticks a second, sent through the whole chain.
RATES = tuple(int(text) for text in os.environ.get("FANOUT_RATES", "10000,20000,25000,30000,40000").split(","))
BURST_SECONDS = 5
CONNECTIONS_A_USER = 20
DRAINED_BATCHES, DRAINED_BATCH = 400, 250
SYMBOLS = tuple(f"COIN{number}/USDT" for number in range(50))
BTC = "BTC/USDT"


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
    with (
        short_directory() as folder,
        running_postgres(folder) as postgres,
        running_valkey(folder) as valkey,
        paper_venue("--control", "--log-level", "WARNING") as venue,
    ):
        environment = await _environment(postgres, valkey.url, venue)
        async with Redis.from_url(valkey.url) as client:
            rows = []
            with _plain(environment) as plain:
                async with _ours(folder, environment, client) as ours:
                    tokens = await _tokens(environment, max(10, *SUBSCRIBERS, 0))
                    async with _ticker(environment, client, BTC):
                        for count in SUBSCRIBERS:
                            rows += await _compare(venue, (ours, plain), count, tokens)
                    async with _ticker(environment, client, *VENUE_SYMBOLS) as ticker:
                        chain = await _chain(client, venue, ours, ticker, tokens)
                    drained = await _drain(client, ours, tokens)
    columns = ["subscribers", "way", "p50 ms", "p99 ms", "CPU µs a delivery", "p50 ×", "CPU ×", "joined"]
    table(f"Tick at the venue to subscriber, {TICKS_A_SECOND} ticks a second and more", columns, rows)
    columns = [
        "ticks/s asked for",
        "venue sent /s",
        "daemon wrote /s",
        "streamer took /s",
        "frames pushed /s",
        "lost",
        "CPU s a s",
    ]
    table(f"Venue, ticker daemon, Valkey, streamer: {BURST_SECONDS} s each", columns, chain)
    table("Ticks from Valkey into the streamer, with 10 subscribers of all symbols", ["ticks/s", "ticks"], [drained])


async def _compare(
    venue: RunningVenue, servers: tuple[Server, Server], count: int, tokens: list[str]
) -> list[list[str]]:
    samples: dict[str, list[float]] = {server.name: [] for server in servers}
    spent: dict[str, list[list[float]]] = {server.name: [] for server in servers}
    direct: list[float] = []
    sent = dict.fromkeys(samples, 0)
    for _ in range(ROUNDS):
        for server in servers:
            with _swarm() as swarm:
                await swarm.do(connect=_wanted(server, tokens[:count]), port=server.port)
                await swarm.do(venue="/ws/btcusdt@bookTicker", port=int(venue.host.rpartition(":")[2]))
                await asyncio.sleep(0.3)
                before = server.cpu_seconds()
                burst = {"ticks_per_second": TICKS_A_SECOND, "seconds": SECONDS}
                collecting = asyncio.create_task(swarm.do(collect=SECONDS + 1.0))
                await asyncio.sleep(0.2)
                _control(venue, burst=burst)
                found = await collecting
                samples[server.name] += [value / 1e6 for value in found["subscribers"]]
                direct += [value / 1e6 for value in found["venue"]]
                sent[server.name] += len(found["venue"]) * count
                spent[server.name].append([b - a for a, b in zip(before, server.cpu_seconds(), strict=True)])
            await server.settled()
    half = {name: median(values) for name, values in samples.items()}
    cost = {
        name: [sum(process) * 1e6 / len(samples[name]) for process in zip(*rounds, strict=True)]
        for name, rounds in spent.items()
    }
    plain = servers[1].name
    straight = [str(count), "the venue's own stream", f"{median(direct):.2f}", f"{percentile(direct, 0.99):.2f}"]
    return [
        [*straight, "", "", "", ""],
        *(
            [
                str(count),
                name,
                f"{half[name]:.2f}",
                f"{percentile(samples[name], 0.99):.2f}",
                " + ".join(f"{each:.0f}" for each in cost[name]),
                f"{half[name] / half[plain]:.2f}",
                f"{sum(cost[name]) / sum(cost[plain]):.2f}",
                f"{max(0, sent[name] - len(samples[name])) / sent[name]:.1%}",
            ]
            for name in samples
        ),
    ]


async def _chain(
    client: Redis, venue: RunningVenue, server: Server, ticker: psutil.Process, tokens: list[str]
) -> list[list[str]]:
    subscribe = json.dumps({"action": "subscribe", "channel": "tickers", "exchange": "paper"})
    with _swarm() as swarm:
        await swarm.do(connect=[[_target(each), subscribe] for each in tokens[:10]], port=server.port)
        return [await _burst(client, venue, server, ticker, swarm, rate) for rate in RATES]


async def _burst(
    client: Redis, venue: RunningVenue, server: Server, ticker: psutil.Process, swarm: Swarm, rate: int
) -> list[str]:
    """What comes of a burst at the venue; a tick that any part was too slow for is lost, its successor is not."""

    def cpu() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in (ticker, psutil.Process(venue.process.pid)))

    before = await _work(client)
    await swarm.do(frames=True)
    spent = cpu() + sum(server.cpu_seconds())
    _control(venue, burst={"ticks_per_second": rate, "seconds": BURST_SECONDS})
    await asyncio.sleep(BURST_SECONDS + 0.5)
    spent = cpu() + sum(server.cpu_seconds()) - spent
    sent = _control(venue)["burst_sent"]
    after = await _work(client)
    wrote, took = (b - a for a, b in zip(before, after, strict=True))
    pushed = await swarm.do(frames=True)
    took -= pushed  # the streamer counts both
    figures = [f"{value / BURST_SECONDS:,.0f}" for value in (sent, wrote, took, pushed)]
    return [f"{rate:,}", *figures, f"{max(0, sent - took) / sent:.1%}", f"{spent / BURST_SECONDS:.2f}"]


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
    subscribe = json.dumps({"action": "subscribe", "channel": "tickers", "exchange": "paper", "symbol": BTC})
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


async def _work(client: Redis) -> list[int]:
    """What the daemons did so far, as their last heartbeats say."""
    await asyncio.sleep(2 * HEARTBEAT_SECONDS + 1)
    records = [await client.hgetall(f"processes:{{{name}}}") for name in ("ticker", "streamer")]
    return [sum(orjson.loads(record)["work"] for record in found.values()) for found in records]


def _control(venue: RunningVenue, **fault: Any) -> Any:
    """Switch something at the venue; what is switched on then."""
    request = urllib.request.Request(venue.control, json.dumps(fault).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.loads(answer.read())


async def _written(client: Redis, count: int) -> bool:
    return int(await client.hlen(keys.ticks("paper"))) == count


@contextlib.asynccontextmanager
async def _ticker(environment: dict[str, str], client: Redis, *symbols: str) -> AsyncIterator[psutil.Process]:
    """The ticker daemon with these symbols of the paper venue."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    try:
        await connection.execute("UPDATE symbols SET active = symbol = ANY($1)", list(symbols))
    finally:
        await connection.close()
    process = subprocess.Popen([sys.executable, "-m", "daemons.ticker"], env=environment)  # noqa: ASYNC220 - as below
    try:
        await until(lambda: _written(client, len(symbols)), 60)
        await asyncio.sleep(1)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


async def _environment(postgres: Any, valkey_url: str, venue: RunningVenue) -> dict[str, str]:
    connection = await asyncpg.connect(postgres.dsn("postgres"))
    for name in ("fullon", "fullon_ohlcv"):
        await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    await upgrade(postgres.dsn("fullon"), postgres.dsn("fullon_ohlcv"))
    connection = await asyncpg.connect(postgres.dsn("fullon"))
    await seed_venues.seed(connection)
    await connection.close()
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
        "EXCHANGE_URL_PAPER": venue.url,
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


async def _tokens(environment: dict[str, str], count: int) -> list[str]:
    """Access tokens of as many users as that many connections need."""
    secret = SecretStr(environment["JWT_SECRET_KEY"])
    tokens = Container(Settings(environment="local", jwt_secret_key=secret)).tokens
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    try:
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
