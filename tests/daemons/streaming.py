"""A gateway with the real websocket function, and the real streamer as a process, on this test's stores."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import asyncpg
import orjson
import websockets
from redis.asyncio import Redis

from fullon.identity.model import Identity, Role
from fullon.market import keys
from tests.local.platform import REPOSITORY, a_function, a_manifest, until
from tests.local.sockets import ACCESS_KEY, SocketGateway
from tests.local.sockets import running_with as gateway_with
from tests.people import a_session, a_venue

if TYPE_CHECKING:
    Pool = asyncpg.Pool[Any]

ROUTES = ("$connect", "$disconnect", "$default", "subscribe", "unsubscribe", "get", "ping", "list")


@dataclass
class Client:
    """A socket and what it heard."""

    socket: websockets.ClientConnection
    early: list[dict[str, Any]] = field(default_factory=list)

    async def ask(self, **frame: Any) -> dict[str, Any]:
        """Send a frame and return its answer; pushes that come before it wait."""
        await self.socket.send(json.dumps({"request_id": "ask", **frame}))
        while True:
            answer = await self._receive()
            if answer.get("request_id") == "ask":
                return answer
            self.early.append(answer)

    async def subscribe(self, channel: str, **members: Any) -> dict[str, Any]:
        """Subscribe, and have it acknowledged."""
        answer = await self.ask(action="subscribe", channel=channel, **members)
        assert answer["type"] == "ack", answer
        return answer

    async def frame(self) -> dict[str, Any]:
        """The next frame."""
        return self.early.pop(0) if self.early else await self._receive()

    async def _receive(self, seconds: float = 60) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            found: dict[str, Any] = json.loads(await self.socket.recv())
        return found

    async def pushed(self, count: int, *kinds: str) -> list[dict[str, Any]]:
        """The next pushed frames, of these types only if any are named."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            frame = await self.frame()
            if frame["type"] in (kinds or ("snapshot", "update", "gap", "bye")):
                found.append(frame)
        return found

    async def farewell(self, seconds: float = 6) -> dict[str, Any]:
        """The reason the server gives before it closes; within five seconds and a little."""
        bye: dict[str, Any] = {}
        async with asyncio.timeout(seconds):
            try:
                async for text in self.socket:
                    frame = json.loads(text)
                    bye = frame if frame["type"] == "bye" else bye
            except websockets.ConnectionClosed:
                pass
        return bye


@dataclass
class Streaming:
    """What runs."""

    gateway: SocketGateway
    valkey: Redis
    database: Pool
    streamer: Process
    environment: dict[str, str]
    log: Path

    def connect(self, identity: Identity, **options: Any) -> websockets.connect:
        """A socket of somebody."""
        claimed = quote(json.dumps(identity.to_context()))
        return self.gateway.connect(f"?identity={claimed}", **options)

    @asynccontextmanager
    async def client(self, identity: Identity) -> AsyncIterator[Client]:
        """A socket of somebody, closed when the block ends."""
        async with self.connect(identity) as socket:
            yield Client(socket)

    async def tick(self, symbol: str = "BTC/USDT", exchange: str = "paper", **values: Any) -> dict[str, Any]:
        """A tick as the collector writes it."""
        record = {
            "exchange": exchange,
            "symbol": symbol,
            "price": "100.5",
            "bid": "100.4",
            "ask": "100.6",
            "last": "100.5",
            "volume": "12",
            "change_24h": "0.5",
            "time": int(time.time() * 1000),
            **values,
        }
        data = orjson.dumps(record)
        pipeline = self.valkey.pipeline(transaction=False)
        pipeline.hset(keys.ticks(exchange), symbol, data)
        pipeline.publish(keys.TICKERS_CHANNEL, b"[" + data + b"]")
        await pipeline.execute()
        return record

    async def bar(self, record: list[Any], symbol: str = "BTC/USDT", timeframe: str = "1m") -> None:
        """A bar as the collector writes it."""
        change = {"exchange": "paper", "symbol": symbol, "bars": {timeframe: record}}
        pipeline = self.valkey.pipeline(transaction=False)
        pipeline.hset(keys.bars("paper", symbol), timeframe, orjson.dumps(record))
        pipeline.publish(keys.BARS_CHANNEL, orjson.dumps([change]))
        await pipeline.execute()

    async def trades(self, numbers: range, symbol: str = "BTC/USDT") -> None:
        """Trades as the collector writes them, one entry for each ten."""
        pipeline = self.valkey.pipeline(transaction=False)
        for first in range(numbers.start, numbers.stop, 10):
            some = range(first, min(first + 10, numbers.stop))
            records = [[str(number), 1_700_000_000_000 + number, "100.5", "0.25", "buy"] for number in some]
            entry = {"exchange": "paper", "symbol": symbol, "trades": records}
            pipeline.xadd(keys.TRADES_STREAM, {keys.TRADES_FIELD: orjson.dumps(entry)}, maxlen=100_000)
        await pipeline.execute()

    async def restart_streamer(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the streamer and start another one."""
        await end(self.streamer, how)
        self.streamer = await start_streamer(self.environment, self.log)

    async def published_to(self, channel: str) -> bool:
        """Whether the streamer listens."""
        [(_, count)] = await self.valkey.pubsub_numsub(channel)
        return bool(count)


async def somebody(streaming: Streaming, role: Role = Role.TRADER, **options: Any) -> Identity:
    """Somebody new who has logged in."""
    async with streaming.database.acquire() as connection:
        return await a_session(connection, role, **options)


async def start_streamer(environment: dict[str, str], log: Path) -> Process:
    """The daemon as the container runs it."""
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "daemons.streamer", cwd=REPOSITORY, env=environment, stdout=output, stderr=output
        )


async def end(process: Process, how: signal.Signals = signal.SIGTERM) -> int:
    """Stop a process and wait for it."""
    if process.returncode is None:
        process.send_signal(how)
    async with asyncio.timeout(60):
        return await process.wait()


@asynccontextmanager
async def running_streaming(
    home: Path, platform_database: str, candles_database: str, valkey_url: str, **settings: Any
) -> AsyncIterator[Streaming]:
    """Everything runs and listens; ``settings`` are fields of ``GatewaySettings``."""
    environment = {
        **os.environ,
        "ENVIRONMENT": "local",
        "DATABASE_URL": platform_database,
        "DB_OHLCV_NAME": candles_database.rsplit("/", 1)[1],
        "REDIS_URL": valkey_url,
        "JWT_SECRET_KEY": "a-test-secret-of-more-than-thirty-two-bytes-7f3a",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": "any",
        "SOCKET_RECORD": str(home / "record"),
        "LOG_LEVEL": "INFO",
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    functions = a_manifest(
        a_function("authorizer", "tests.local.functions_under_test.sockets.identity", kind="authorizer"),
        a_function("websocket", "functions.websocket.handler.handler", kind="websocket", websocket_routes=ROUTES),
    )
    pool = await asyncpg.create_pool(platform_database, min_size=0, max_size=4)
    valkey = Redis.from_url(valkey_url)
    try:
        async with gateway_with(functions, home, environment, **settings) as gateway:
            environment["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] = gateway.part.management_url
            log = home / "streamer.log"
            streamer = await start_streamer(environment, log)
            streaming = Streaming(gateway, valkey, pool, streamer, environment, log)
            try:
                async with pool.acquire() as connection:
                    await a_venue(connection, "paper", "BTC/USDT", "ETH/USDT")
                await until(lambda: streaming.published_to(keys.TICKERS_CHANNEL))
                yield streaming
            finally:
                await end(streaming.streamer)
    finally:
        await valkey.aclose()
        pool.terminate()
