"""What there is, how fresh and complete it is, and candles as files."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import duckdb
import httpx2
import pytest

from fullon.identity.model import Role
from fullon.kernel.clock import ManualClock, from_milliseconds
from fullon.kernel.timeframes import DAY_MS, MINUTE_MS, Timeframe
from fullon.market.candles_store import set_verified
from fullon.runtime.container import Container
from fullon.venues.quotes import Bar
from functions.ohlcv.app import create
from functions.ohlcv.routes import export
from tests.api.callers import client, stored_identity
from tests.market_builder import MONDAY, add_minutes, collected, listed, minutes, run_bar

Api = httpx2.AsyncClient
BASE = "/api/v1/ohlcv"


@pytest.fixture
async def api(container: Container) -> AsyncIterator[Api]:
    """A viewer, on a day after the data's."""
    container.clock = ManualClock(from_milliseconds(MONDAY + DAY_MS))
    caller = await stored_identity(container, Role.VIEWER, expires_at=from_milliseconds(MONDAY + 2 * DAY_MS))
    async with client(create(container), caller) as api:
        yield api


async def read(api: Api, path: str) -> Any:
    answer = await api.get(f"{BASE}/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_anonymous_caller_sees_no_catalogue(container: Container) -> None:
    async with client(create(container)) as anonymous:
        for path in ("exchanges", "pairs", "exchanges/paper/status"):
            assert (await anonymous.get(f"{BASE}/{path}")).status_code == 401


async def test_exchanges_are_listed_and_described(container: Container, api: Api) -> None:
    await listed(container, "BTC/USDT", "ETH/USDT")
    await listed(container, "BTC/EUR", exchange="kraken")

    exchanges = await read(api, "exchanges")
    info = await read(api, "exchanges/PAPER/info")

    assert [item["name"] for item in exchanges["items"]] == ["kraken", "paper"]
    assert (info["name"], info["symbols"], info["active_symbols"]) == ("paper", 2, 2)
    assert info["timeframes"] == [timeframe.value for timeframe in Timeframe]


async def test_an_unknown_exchange_is_404_everywhere(container: Container, api: Api) -> None:
    await listed(container, "BTC/USDT")

    for path in ("info", "status", "validate", "symbols", "symbols/BTC/USDT/info"):
        answer = await api.get(f"{BASE}/exchanges/papers/{path}")

        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_exchange"), path
        assert answer.json()["nearest"] == ["paper"]


async def test_the_status_tells_freshness_and_every_gap(container: Container, api: Api) -> None:
    lost = {5, 6, 59, 60, *range(120, 240), 300}
    symbol = await collected(container, minutes(MONDAY + 3 * MINUTE_MS, 600, without=lost))
    async with (await container.candles()).acquire() as connection:
        await set_verified(connection, symbol.symbol_id, MONDAY + 60 * MINUTE_MS)
    await listed(container, "ETH/USDT")

    status = await read(api, "exchanges/paper/status")

    torn, empty = status["items"]
    assert (torn["symbol"], torn["first_candle"], torn["last_candle"]) == (
        "BTC/USDT",
        "2026-08-03T00:03:00Z",
        "2026-08-03T10:02:00Z",
    )
    assert (torn["candles"], torn["missing_minutes"], torn["gap_count"]) == (600 - len(lost), len(lost), 4)
    assert torn["gaps"] == [
        {"start_time": "2026-08-03T05:03:00Z", "end_time": "2026-08-03T05:04:00Z", "minutes": 1},
        {"start_time": "2026-08-03T02:03:00Z", "end_time": "2026-08-03T04:03:00Z", "minutes": 120},
        {"start_time": "2026-08-03T01:02:00Z", "end_time": "2026-08-03T01:04:00Z", "minutes": 2},
        {"start_time": "2026-08-03T00:08:00Z", "end_time": "2026-08-03T00:10:00Z", "minutes": 2},
    ]
    assert torn["verified_until"] == "2026-08-03T01:00:00Z"
    assert torn["age_ms"] == DAY_MS - 603 * MINUTE_MS
    assert torn["fresh"] is False
    assert (empty["symbol"], empty["first_candle"], empty["age_ms"], empty["fresh"]) == ("ETH/USDT", None, None, False)
    assert status["as_of"] == "2026-08-04T00:00:00Z"


async def test_lists_of_symbols_are_paged_by_name(container: Container, api: Api) -> None:
    await listed(container, "A/USDT", "B/USDT", "C/USDT")

    for path in ("exchanges/paper/symbols?", "exchanges/paper/status?", "pairs?", "symbols/search?q=usd&"):
        first = await read(api, f"{path}limit=2")
        second = await read(api, f"{path}limit=2&cursor={first['next_cursor']}")

        names = [item["symbol"] for item in first["items"] + second["items"]]
        assert names == ["A/USDT", "B/USDT", "C/USDT"], path
        assert second["next_cursor"] is None
        assert (await api.get(f"{BASE}/{path}cursor=nonsense")).status_code == 422


async def test_a_symbol_is_described_with_where_its_candles_begin_and_end(container: Container, api: Api) -> None:
    await collected(container, minutes(MONDAY, 3), name="BTC/USD:BTC")

    for written in ("BTC/USD:BTC", "BTC%2FUSD%3ABTC"):
        info = await read(api, f"exchanges/paper/symbols/{written}/info")

        assert (info["symbol"], info["base"], info["quote"]) == ("BTC/USD:BTC", "BTC", "USD")
        assert (info["first_candle"], info["last_candle"]) == ("2026-08-03T00:00:00Z", "2026-08-03T00:02:00Z")


async def test_symbols_are_found_by_part_of_their_name_or_by_what_reads_alike(container: Container, api: Api) -> None:
    await listed(container, "BTC/USDT", "ETH/USDT")
    await listed(container, "BTC/USDT", exchange="kraken")

    found = await read(api, "symbols/search?q=btc")
    alike = await read(api, "symbols/search?q=btcusdt")

    assert sorted((item["symbol"], item["exchange"]) for item in found["items"]) == [
        ("BTC/USDT", "kraken"),
        ("BTC/USDT", "paper"),
    ]
    assert alike["items"][0]["symbol"] == "BTC/USDT"
    assert (await read(api, "symbols/search?q=%25"))["items"] == []


async def test_pairs_say_who_has_them(container: Container, api: Api) -> None:
    await listed(container, "BTC/USDT", "ETH/USDT")
    await listed(container, "BTC/USDT", exchange="kraken")

    pairs = await read(api, "pairs")

    assert [(item["symbol"], item["exchanges"]) for item in pairs["items"]] == [
        ("BTC/USDT", ["kraken", "paper"]),
        ("ETH/USDT", ["paper"]),
    ]


async def test_good_data_is_valid(container: Container, api: Api) -> None:
    await collected(container, minutes(MONDAY + DAY_MS - 180 * MINUTE_MS, 179))

    validation = await read(api, "exchanges/paper/validate")

    assert [check["name"] for check in validation["checks"] if not check["passed"]] == []
    assert validation["valid"] is True


async def test_every_fault_of_the_data_is_named(container: Container, api: Api) -> None:
    symbol = await collected(container, minutes(MONDAY, 179, without={7}))
    await listed(container, "ETH/USDT")
    await add_minutes(container, symbol, [Bar(MONDAY + 20 * MINUTE_MS, 5.0, 1.0, 9.0, 5.0, 1.0)])
    async with (await container.candles()).acquire() as connection:
        await connection.execute("UPDATE candles_1h SET volume = volume + 1 WHERE ts = to_timestamp($1)", MONDAY / 1000)

    validation = await read(api, "exchanges/paper/validate")

    failed = {check["name"]: check["detail"] for check in validation["checks"] if not check["passed"]}
    assert list(failed) == ["candles", "fresh", "complete", "plausible", "roll_ups"]
    assert "ETH/USDT" in failed["candles"]
    assert validation["valid"] is False


async def test_an_export_as_csv_holds_the_final_candles(container: Container, api: Api) -> None:
    stored = minutes(MONDAY, 70)
    symbol = await collected(container, stored)
    running = Bar(MONDAY + 70 * MINUTE_MS, 1.0, 2.0, 0.5, 1.5, 4.0, final=False)
    await run_bar(container, symbol, [(Timeframe.M1, running)])

    answer = await api.get(f"{BASE}/export/paper/BTC%2FUSDT/1m", params={"start_time": MONDAY + MINUTE_MS})

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="paper_BTC-USDT_1m.csv"'
    assert rows[0]["time"] == "2026-08-03T00:01:00Z"
    assert [(float(row["open"]), float(row["volume"])) for row in rows] == [(b.open, b.volume) for b in stored[1:]]


async def test_an_export_as_parquet_holds_the_same(container: Container, api: Api, tmp_path: Path) -> None:
    stored = minutes(MONDAY, 200)
    await collected(container, stored)

    answer = await api.get(f"{BASE}/export/paper/BTC/USDT/1m?format=parquet")

    file = tmp_path / "candles.parquet"
    file.write_bytes(answer.content)
    with duckdb.connect() as reader:
        rows = reader.execute(f"SELECT epoch_ms(time), open, high, low, close, volume FROM '{file}'").fetchall()
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert rows == [(bar.ts, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in stored]


async def test_an_empty_export_has_its_columns(container: Container, api: Api, tmp_path: Path) -> None:
    await listed(container, "BTC/USDT")

    as_csv = await api.get(f"{BASE}/export/paper/BTC/USDT/1d")
    as_parquet = await api.get(f"{BASE}/export/paper/BTC/USDT/1d?format=parquet")

    file = tmp_path / "candles.parquet"
    file.write_bytes(as_parquet.content)
    assert as_csv.text == "time,open,high,low,close,volume\n"
    with duckdb.connect() as reader:
        names = [column[0] for column in reader.execute(f"DESCRIBE SELECT * FROM '{file}'").fetchall()]
    assert names == ["time", "open", "high", "low", "close", "volume"]


async def test_an_export_that_would_not_fit_is_refused(
    container: Container, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await collected(container, minutes(MONDAY, 12))
    monkeypatch.setattr(export, "MAXIMUM_ROWS", 10)

    whole = await api.get(f"{BASE}/export/paper/BTC/USDT/1m")
    part = await api.get(f"{BASE}/export/paper/BTC/USDT/1m", params={"end_time": MONDAY + 10 * MINUTE_MS})

    assert (whole.status_code, whole.json()["code"]) == (422, "too_many_candles")
    assert len(part.text.splitlines()) == 11
