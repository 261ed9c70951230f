"""The cache over HTTP: what is there with its age, what is not, and what happens while Valkey is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from fullon.fleet import cache as fleet_cache
from fullon.fleet.model import ProcessRecord, ProcessStatus
from fullon.identity.model import Role, Scope
from fullon.kernel.clock import ManualClock
from fullon.kernel.timeframes import HOUR_MS, MINUTE_MS, Timeframe
from fullon.market.live_cache import LiveCache
from fullon.runtime.container import Container
from fullon.venues.quotes import Bar, Tick
from functions.cache.app import create
from tests.api.callers import client, stored_identity, stored_key
from tests.market_builder import MONDAY

Api = httpx2.AsyncClient
BASE = "/api/v1/cache"
NOW = datetime(2026, 8, 3, 2, 0, 0, tzinfo=UTC)
READS = [
    *("tickers/paper", "tickers/paper/BTC/USDT", "ohlcv/paper/BTC/USDT/1m"),
    *("orders/queue/size", "orders/0199f1c2-f607-7b82-9394-af1b2c3d4e5f/status", "trades/queue/status"),
]
ADMIN_READS = ["processes/status", "processes/health"]


@pytest.fixture
async def reader(container: Container) -> AsyncIterator[Api]:
    container.clock = ManualClock(NOW)
    caller = await stored_identity(container, Role.VIEWER, expires_at=NOW + timedelta(hours=1))
    async with client(create(container), caller) as api:
        yield api


@pytest.fixture
async def admin(container: Container) -> AsyncIterator[Api]:
    container.clock = ManualClock(NOW)
    caller = await stored_identity(container, Role.ADMIN, expires_at=NOW + timedelta(hours=1))
    async with client(create(container), caller) as api:
        yield api


def tick(symbol: str, time: int, price: str = "64210.50") -> Tick:
    return Tick(
        "paper", symbol, Decimal(price), Decimal("64210.40"), None, Decimal("0.00000001"), Decimal("-1.25"), time
    )


async def put_bars(container: Container, bars: Sequence[tuple[Timeframe, Bar]]) -> None:
    live = LiveCache(container.valkey, "test")
    await live.put_bars({("paper", "BTC/USD:BTC"): bars})


def process(name: str, age_seconds: float, status: ProcessStatus = ProcessStatus.RUNNING) -> ProcessRecord:
    heartbeat = NOW - timedelta(seconds=age_seconds)
    return ProcessRecord(name, f"{name}-1", status, heartbeat, NOW - timedelta(hours=1), "0.1.0", "host", "words", 7)


async def test_the_anonymous_caller_reads_nothing(container: Container) -> None:
    async with client(create(container)) as anonymous:
        for path in READS + ADMIN_READS:
            assert (await anonymous.get(f"{BASE}/{path}")).status_code == 401, path


async def test_processes_are_for_admins_whose_credential_may_act_as_one(container: Container, reader: Api) -> None:
    admins_read_key = await stored_key(container, Scope.READ, role=Role.ADMIN, expires_at=NOW + timedelta(hours=1))
    async with client(create(container), admins_read_key) as key:
        for path in ADMIN_READS:
            assert (await reader.get(f"{BASE}/{path}")).status_code == 403
            assert (await key.get(f"{BASE}/{path}")).status_code == 403


async def test_all_tickers_of_an_exchange_come_by_symbol_with_their_age(container: Container, reader: Api) -> None:
    two_hours_in = MONDAY + 2 * HOUR_MS
    await LiveCache(container.valkey, "test").put_ticks(
        [tick("ETH/USDT", two_hours_in - 5_000), tick("BTC/USDT", two_hours_in - 250)]
    )

    answer = await reader.get(f"{BASE}/tickers/PAPER")

    body = answer.json()
    assert answer.status_code == 200
    assert (body["exchange"], body["as_of"], body["age_ms"]) == ("paper", "2026-08-03T01:59:59.750Z", 250)
    assert [item["symbol"] for item in body["items"]] == ["BTC/USDT", "ETH/USDT"]
    assert body["items"][0] == {
        "symbol": "BTC/USDT",
        "exchange": "paper",
        "price": "64210.50",
        "bid": "64210.40",
        "ask": None,
        "last": "64210.50",
        "volume": "0.00000001",
        "change_24h": "-1.25",
        "time": "2026-08-03T01:59:59.750Z",
    }


async def test_one_ticker_is_found_by_path_or_percent_encoded(container: Container, reader: Api) -> None:
    await LiveCache(container.valkey, "test").put_ticks([tick("BTC/USD:BTC", MONDAY)])

    for written in ("BTC/USD:BTC", "BTC%2FUSD%3ABTC"):
        answer = await reader.get(f"{BASE}/tickers/paper/{written}")

        assert answer.status_code == 200
        assert (answer.json()["symbol"], answer.json()["age_ms"]) == ("BTC/USD:BTC", 2 * HOUR_MS)


async def test_the_present_and_the_recent_bars(container: Container, reader: Api) -> None:
    closed = [Bar(MONDAY + number * MINUTE_MS, 1.0, 2.0, 0.5, 1.5, float(number)) for number in range(5)]
    running = Bar(MONDAY + 5 * MINUTE_MS, 1.5, 2.0, 1.0, 1.25, 0.5, final=False)
    for bar in [*closed, running]:
        await put_bars(container, [(Timeframe.M1, bar)])

    answer = await reader.get(f"{BASE}/ohlcv/paper/BTC%2FUSD:BTC/1m", params={"limit": 3})

    body = answer.json()
    assert answer.status_code == 200
    assert [item["volume"] for item in body["items"]] == [2.0, 3.0, 4.0]
    assert body["current"] == {
        "time": "2026-08-03T00:05:00Z",
        "open": 1.5,
        "high": 2.0,
        "low": 1.0,
        "close": 1.25,
        "volume": 0.5,
        "final": False,
    }
    assert (body["as_of"], body["age_ms"]) == ("2026-08-03T00:05:00Z", 115 * MINUTE_MS)


async def test_a_miss_is_404(reader: Api) -> None:
    for path in READS:
        answer = await reader.get(f"{BASE}/{path}")

        assert (answer.status_code, answer.json()["code"]) == (404, "not_cached"), path


async def test_a_bad_parameter_is_422(reader: Api) -> None:
    for path in ("ohlcv/paper/BTC/USDT/2m", "ohlcv/paper/BTC/USDT/1m?limit=0", "ohlcv/paper/BTC/USDT/1m?limit=301"):
        assert (await reader.get(f"{BASE}/{path}")).status_code == 422, path


async def test_processes_are_listed_with_the_age_of_their_work(container: Container, admin: Api) -> None:
    await fleet_cache.put(container.valkey, process("ticker", 1.5))
    await fleet_cache.put(container.valkey, process("ohlcv", 16))

    body = (await admin.get(f"{BASE}/processes/status")).json()

    found = {item["type"]: item for item in body["items"]}
    assert (body["as_of"], body["age_ms"]) == ("2026-08-03T01:59:58.500Z", 1_500)
    assert (found["ticker"]["stale"], found["ticker"]["heartbeat_age_ms"], found["ticker"]["work"]) == (False, 1_500, 7)
    assert found["ohlcv"]["stale"] is True


@pytest.mark.parametrize(
    ("records", "healthy"),
    [
        ([], True),
        ([process("ticker", 1)], True),
        ([process("ticker", 16)], False),
        ([process("ticker", 1, ProcessStatus.ERROR)], False),
        ([process("ticker", 3_600, ProcessStatus.STOPPED)], True),
    ],
)
async def test_health_is_about_the_daemons_that_run(
    container: Container, admin: Api, records: list[ProcessRecord], healthy: bool
) -> None:
    for record in records:
        await fleet_cache.put(container.valkey, record)

    body = (await admin.get(f"{BASE}/processes/health")).json()

    assert body["healthy"] is healthy
    assert {item["type"] for item in body["items"]} >= {"ticker", "ohlcv", "streamer"}


async def test_a_cache_that_is_down_is_503(container: Container, reader: Api, admin: Api) -> None:
    container.valkey.connection_pool.connection_kwargs["port"] = 1
    await container.valkey.connection_pool.disconnect()

    for api, paths in ((reader, READS), (admin, ADMIN_READS)):
        for path in paths:
            answer = await api.get(f"{BASE}/{path}")

            assert (answer.status_code, answer.json()["code"]) == (503, "cache_down"), path
            assert answer.headers["retry-after"]


async def test_a_cache_that_does_not_answer_is_504(
    container: Container, reader: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silence(stream: Any, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)
        writer.close()

    server = await asyncio.start_server(silence, "127.0.0.1", 0)
    pool = container.valkey.connection_pool
    monkeypatch.setattr("fullon.market.cache.COMMAND_SECONDS", 0.2)
    pool.connection_kwargs["port"] = server.sockets[0].getsockname()[1]
    await pool.disconnect()

    answer = await reader.get(f"{BASE}/tickers/paper")

    assert (answer.status_code, answer.json()["code"]) == (504, "cache_timed_out")
    server.close()


async def test_an_answer_that_came_too_late_is_not_taken_for_the_next_one(
    container: Container, reader: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_bars(container, [(Timeframe.M1, Bar(MONDAY, 1.0, 2.0, 0.5, 1.5, 7.0))])
    await LiveCache(container.valkey, "test").put_ticks([tick("BTC/USDT", MONDAY)])
    path = f"{BASE}/ohlcv/paper/BTC/USD:BTC/1m"
    assert (await reader.get(path)).status_code == 200

    monkeypatch.setattr("fullon.market.cache.COMMAND_SECONDS", 0.05)
    monkeypatch.setattr("fullon.identity.cache.PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr("fullon.runtime.rate_limits.ANSWER_SECONDS", 0.05)
    await container.valkey.client_pause(400)
    late = await reader.get(path)
    monkeypatch.undo()

    assert late.status_code == 504
    for _ in range(3):
        assert (await reader.get(f"{BASE}/tickers/paper/BTC/USDT")).json()["price"] == "64210.50"
        assert (await reader.get(path)).json()["current"]["volume"] == 7.0
