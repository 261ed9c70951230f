"""The collectors as real processes, on this test's own PostgreSQL and Valkey, against the paper venue."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import asyncpg
import orjson
from redis.asyncio import Redis

from fullon.kernel.clock import to_milliseconds
from fullon.kernel.timeframes import MINUTE_MS
from fullon.market import keys
from fullon.venues.quotes import Bar
from local import seed_venues
from tests.daemons.waiting import until
from tests.paper_venue import RunningVenue

REPOSITORY = Path(__file__).resolve().parent.parent.parent


class Daemon:
    """One process of a collector, with what it logged."""

    def __init__(self, name: str, environment: dict[str, str], command: Sequence[str] = ()) -> None:
        self.name = name
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end
        self.process = subprocess.Popen(
            [sys.executable, "-m", *(command or [f"daemons.{name}"])],
            env=environment,
            cwd=REPOSITORY,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def lines(self) -> list[dict[str, Any]]:
        """Every line of the log."""
        size = self.log.tell()
        self.log.seek(0)
        written = self.log.read()
        self.log.seek(size)
        return [json.loads(line) for line in written.splitlines() if line.startswith(b"{")]

    def said(self, event: str, **fields: object) -> bool:
        """Whether a line of the log is such an event."""
        return any(line["event"] == event and fields.items() <= line.items() for line in self.lines())

    def kill(self) -> None:
        """End it without a chance to put anything away."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 30.0) -> int:
        """Ask it to end, and wait; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def end(self) -> None:
        """Make sure that it is gone; what it logged is shown where a test has failed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGUSR1)
            time.sleep(0.3)
            self.kill()
        self.log.seek(0)
        print(f"--- {self.name} {self.process.pid}", self.log.read().decode()[-60000:], sep="\n")
        self.log.close()


@dataclass
class Stage:
    """Where collectors run.

    Attributes:
        platform, candles: addresses of the two databases.
        valkey_url: address of Valkey.
    """

    venue: RunningVenue
    platform: str
    candles: str
    valkey_url: str
    daemons: list[Daemon] = field(default_factory=list)

    def start(self, name: str, command: Sequence[str] = ()) -> Daemon:
        """A new process of a daemon; ``command`` is another module to run, with its arguments."""
        unwanted = {"PYTHONDONTWRITEBYTECODE"}
        environment = {key: value for key, value in os.environ.items() if key not in unwanted} | {
            "ENVIRONMENT": "local",
            "DATABASE_URL": self.platform,
            "DB_OHLCV_NAME": self.candles.rsplit("/", 1)[1],
            "REDIS_URL": self.valkey_url,
            "JWT_SECRET_KEY": "a-test-secret-of-more-than-thirty-two-bytes-7f3a",
            "LOG_FORMAT": "json",
            "EXCHANGE_URL_PAPER": self.venue.url,
        }
        daemon = Daemon(name, environment, command)
        self.daemons.append(daemon)
        return daemon

    def control(self, **fault: Any) -> None:
        """Make something go wrong at the venue."""
        request = urllib.request.Request(
            self.venue.control, json.dumps(fault).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200

    def asked(self, path: str, **query: object) -> Any:
        """The venue's own answer."""
        address = f"{self.venue.url}/api/v3/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=60) as answer:
            return json.load(answer)

    def venue_minutes(self, symbol: str, start: int, end: int) -> list[Bar]:
        """The venue's closed minutes from ``start`` until before ``end``."""
        bars: list[Bar] = []
        while start < end:
            page = self.asked(
                "klines", symbol=symbol.replace("/", ""), interval="1m", startTime=start, endTime=end - 1, limit=1000
            )
            bars += [Bar.from_record(row[:6]) for row in page]
            start = bars[-1].ts + MINUTE_MS
        return bars

    def venue_trades(self, symbol: str, first: int, last: int) -> list[int]:
        """The numbers of the venue's trades from ``first`` to ``last``."""
        numbers: list[int] = []
        while first <= last:
            page = self.asked("aggTrades", symbol=symbol.replace("/", ""), fromId=first, limit=1000)
            numbers += [row["a"] for row in page if row["a"] <= last]
            first = page[-1]["a"] + 1
        return numbers

    async def minutes(self, symbol: str) -> list[Bar]:
        """What is stored."""
        rows = await self.query(
            "SELECT ts, open, high, low, close, volume FROM candles JOIN series USING (series_id)"
            " WHERE symbol = $1 ORDER BY ts",
            symbol,
        )
        return [Bar(to_milliseconds(row[0]), *row[1:]) for row in rows]

    async def stored_trades(self, symbol: str) -> list[int]:
        """Numbers of the stored trades, in order."""
        rows = await self.query(
            "SELECT trade_id FROM trades JOIN series USING (series_id) WHERE symbol = $1 ORDER BY ts, ordinal", symbol
        )
        return [int(row[0]) for row in rows]

    async def published_trades(self, symbol: str) -> list[int]:
        """Numbers of the trades in Valkey's stream, as they stand there."""
        async with self.valkey() as valkey:
            entries: Any = await valkey.xrange(keys.TRADES_STREAM)
        found = [orjson.loads(fields[keys.TRADES_FIELD]) for _, fields in entries]
        return [int(trade[0]) for entry in found if entry["symbol"] == symbol for trade in entry["trades"]]

    async def query(self, statement: str, *values: object, database: str = "candles") -> list[Any]:
        """Rows of one of the databases."""
        connection = await asyncpg.connect(self.candles if database == "candles" else self.platform)
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    @asynccontextmanager
    async def valkey(self) -> AsyncIterator[Redis]:
        """A client of Valkey."""
        client = Redis.from_url(self.valkey_url)
        try:
            yield client
        finally:
            await client.aclose()

    async def ticks(self) -> dict[str, dict[str, Any]]:
        """The latest tick of each symbol of the paper venue."""
        async with self.valkey() as valkey:
            found: Any = await valkey.hgetall(keys.ticks("paper"))
        return {name.decode(): orjson.loads(value) for name, value in found.items()}

    async def newest(self, symbol: str) -> int:
        """Time of the newest stored minute; 0 without any."""
        bars = await self.query("SELECT max(ts) FROM candles JOIN series USING (series_id) WHERE symbol = $1", symbol)
        return to_milliseconds(bars[0][0]) if bars[0][0] else 0

    async def grown_past(self, symbol: str, moment: int, seconds: float = 40) -> None:
        """Wait until a minute after ``moment`` is stored."""

        async def later() -> bool:
            return await self.newest(symbol) > moment

        await until(later, seconds, "a newer minute")

    async def equals_the_venue(self, symbols: Sequence[str], seconds: float = 30) -> None:
        """Wait until every stored minute and trade is exactly the venue's, without a gap; a check may be due first."""

        async def same() -> bool:
            for symbol in symbols:
                stored = await self.minutes(symbol)
                if stored != self.venue_minutes(symbol, stored[0].ts, stored[-1].ts + MINUTE_MS):
                    return False
                trades = await self.stored_trades(symbol)
                if trades != self.venue_trades(symbol, trades[0], trades[-1]):
                    return False
            return True

        await until(same, seconds, "stored data equal to the venue's")
        for symbol in symbols:
            times = [bar.ts for bar in await self.minutes(symbol)]
            assert times == list(range(times[0], times[-1] + MINUTE_MS, MINUTE_MS))


@contextmanager
def stage(venue: RunningVenue, platform: str, candles: str, valkey_url: str) -> Iterator[Stage]:
    """A stage with the seeded catalogue; its processes end with the block."""
    made = Stage(venue, platform, candles, valkey_url)
    try:
        yield made
    finally:
        for daemon in made.daemons:
            daemon.end()


async def sow(made: Stage, *, symbols: Sequence[str], backtest: int, **params: Any) -> None:
    """Seed the catalogue; only ``symbols`` are in use, with so many days of history."""
    connection = await asyncpg.connect(made.platform)
    try:
        await seed_venues.seed(connection)
        await connection.execute("UPDATE symbols SET active = symbol = ANY($1), backtest = $2", list(symbols), backtest)
        await connection.execute(
            "UPDATE cat_exchanges SET params = params || $1::jsonb WHERE name = 'paper'", json.dumps(params)
        )
    finally:
        await connection.close()
