"""The collectors while PostgreSQL or Valkey is away: they wait, say so once, and nothing is missing afterwards."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fullon.kernel.timeframes import MINUTE_MS
from fullon.market import keys
from local.ports import free_port
from local.stores.account import ownership
from local.stores.postgres import Postgres
from local.stores.valkey import Valkey
from tests.conftest import Databases
from tests.daemons.collecting import Daemon, Stage, sow, stage
from tests.daemons.waiting import until
from tests.paper_venue import SYMBOLS, RunningVenue, paper_venue
from tests.servers import UNSAFE_AND_FAST, end, finish, short_directory

BTC, ETH = SYMBOLS[:2]


class Server:
    """A store that is stopped and started while others use it; its address stays."""

    def __init__(self, store: Postgres | Valkey, how: signal.Signals) -> None:
        self._store = store
        self._how = how
        self._process: subprocess.Popen[bytes] | None = None
        store.initialise()
        self.start()

    def start(self) -> None:
        options: dict[str, Any] = {}
        if isinstance(self._store, Postgres):
            options = {"cwd": self._store.working_directory, **ownership(self._store.account)}
        self._process = subprocess.Popen(
            self._store.command(),
            env=self._store.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **options,
        )
        finish(self._store.wait_until_ready())

    def stop(self) -> None:
        if self._process is not None:
            end(self._process, self._how)
        self._process = None


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with short_directory() as made:
        yield made


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with paper_venue("--control", "--speed", "60") as running:
        yield running


@pytest.fixture(scope="module")
def postgres(directory: Path) -> Iterator[tuple[Server, Databases]]:
    store = Postgres(directory / "postgres", free_port(), "test-password", {**UNSAFE_AND_FAST, "fsync": "on"})
    server = Server(store, signal.SIGINT)
    databases = Databases(store)
    databases.migrate()
    yield server, databases
    server.stop()


@pytest.fixture
def cache(directory: Path) -> Iterator[tuple[Server, str]]:
    port = free_port()
    store = Valkey(directory / f"valkey-{port}", port, "test-password", persistent=False)
    server = Server(store, signal.SIGKILL)
    yield server, store.url
    server.stop()


@pytest.fixture
def made(venue: RunningVenue, postgres: tuple[Server, Databases], cache: tuple[Server, str]) -> Iterator[Stage]:
    _, databases = postgres
    platform, candles = databases.clone("fullon_template"), databases.clone("fullon_ohlcv_template")
    with stage(venue, platform, candles, cache[1]) as ready:
        yield ready
    databases.drop(platform)
    databases.drop(candles)


async def collecting(made: Stage) -> Daemon:
    await sow(made, symbols=[BTC, ETH], backtest=0)
    daemon = made.start("ohlcv")
    await until(lambda: sum(line["event"] == "history loaded" for line in daemon.lines()) == 2, 60, "the history")
    for symbol in (BTC, ETH):
        await made.grown_past(symbol, await made.newest(symbol))
    return daemon


async def test_postgresql_may_stop_and_nothing_is_lost(made: Stage, postgres: tuple[Server, Databases]) -> None:
    server, _ = postgres
    daemon = await collecting(made)
    ticker = made.start("ticker")
    await until(lambda: ticker.said("collecting"))

    async def ticking() -> bool:
        return sorted(await made.ticks()) == [BTC, ETH]

    await until(ticking, what="first ticks")
    before = await made.newest(BTC)

    server.stop()
    await asyncio.sleep(5)
    ticks = await made.ticks()
    server.start()

    assert sorted(ticks) == [BTC, ETH]
    await made.grown_past(BTC, before + 6 * MINUTE_MS)
    await made.equals_the_venue([BTC, ETH])
    for symbol in (BTC, ETH):
        published = await made.published_trades(symbol)
        assert published == made.venue_trades(symbol, published[0], published[-1])
    for each in (daemon, ticker):
        assert each.process.poll() is None
        waits = [line for line in each.lines() if line["event"] == "waiting"]
        assert len({line["waiting_for"] for line in waits}) == len(waits), "an outage is said once"


async def test_valkey_may_be_killed_and_come_back_empty(made: Stage, cache: tuple[Server, str]) -> None:
    server, _ = cache
    daemon = await collecting(made)
    ticker = made.start("ticker")

    async def ticks_are_there() -> bool:
        return sorted(await made.ticks()) == [BTC, ETH]

    await until(ticks_are_there)
    before = await made.newest(BTC)

    server.stop()
    await made.grown_past(BTC, before + 3 * MINUTE_MS)  # storing goes on without it
    server.start()

    await until(ticks_are_there)
    await made.equals_the_venue([BTC, ETH])
    async with made.valkey() as valkey:

        async def bars_are_back() -> bool:
            recent = await valkey.zcard("recent:{paper:BTC/USDT}:1m")
            return recent >= len(await made.minutes(BTC)) - 1 and await valkey.hlen(keys.bars("paper", BTC)) == 15

        await until(bars_are_back, what="bars of every timeframe")

        async def is_running() -> bool:
            return await valkey.hlen("processes:{ohlcv}") == 1 and await valkey.hlen("processes:{ticker}") == 1

        await until(is_running, what="heartbeats")
    published = await made.published_trades(BTC)
    assert published == made.venue_trades(BTC, published[0], published[-1])

    async def stored_as_well() -> bool:
        return set(published) <= set(await made.stored_trades(BTC))

    await until(stored_as_well, what="published trades stored as well")
    for each in (daemon, ticker):
        assert each.process.poll() is None


async def test_a_collector_that_starts_without_stores_begins_when_they_are_there(
    made: Stage, postgres: tuple[Server, Databases], cache: tuple[Server, str]
) -> None:
    await sow(made, symbols=[BTC], backtest=0)
    postgres[0].stop()
    cache[0].stop()

    daemon = made.start("ohlcv")
    await until(lambda: daemon.said("lease not asked for"))
    postgres[0].start()
    cache[0].start()

    await until(lambda: daemon.said("history loaded", symbol=BTC), 60)
    await made.grown_past(BTC, await made.newest(BTC))
