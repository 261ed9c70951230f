"""Candles over HTTP: who may read, what is refused, what comes back and what a client may keep."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import orjson
import pytest

from fullon.identity.model import Role, Scope
from fullon.kernel.clock import from_milliseconds, rfc3339
from fullon.kernel.timeframes import HOUR_MS, MINUTE_MS, Timeframe
from fullon.market.candles_store import set_verified
from fullon.runtime.container import Container
from fullon.venues.quotes import Bar
from functions.ohlcv.app import create
from tests.api.callers import client, stored_identity, stored_key
from tests.market_builder import MONDAY, collected, listed, minutes, recomputed, run_bar

Api = httpx2.AsyncClient
PATH = "/api/v1/ohlcv/candles/paper/BTC/USDT/1m"


EVERY_PATH = [
    PATH,
    f"{PATH}/range?start_time=0",
    "/api/v1/ohlcv/timeseries/paper/BTC/USDT/ohlcv",
    "/api/v1/ohlcv/trades/paper/BTC/USDT",
    "/api/v1/ohlcv/trades/paper/BTC/USDT/range?start_time=0",
    "/api/v1/ohlcv/export/paper/BTC/USDT/1m",
    "/api/v1/ohlcv/exchanges",
    "/api/v1/ohlcv/exchanges/paper/info",
    "/api/v1/ohlcv/exchanges/paper/status",
    "/api/v1/ohlcv/exchanges/paper/validate",
    "/api/v1/ohlcv/exchanges/paper/symbols",
    "/api/v1/ohlcv/exchanges/paper/symbols/BTC/USDT/info",
    "/api/v1/ohlcv/symbols/search?q=btc",
    "/api/v1/ohlcv/pairs",
]


@pytest.fixture
async def api(container: Container) -> AsyncIterator[Api]:
    """A viewer; nobody else is needed to read."""
    caller = await stored_identity(container, Role.VIEWER)
    async with client(create(container), caller, headers={"Accept-Encoding": "identity"}) as api:
        yield api


def time(ts: int) -> str:
    return rfc3339(from_milliseconds(ts))


def objects(bars: list[Bar]) -> list[dict[str, Any]]:
    return [
        {
            "time": time(bar.ts),
            "open": bar.open,
            "high": bar.high,
            "low": bar.low,
            "close": bar.close,
            "volume": bar.volume,
            "final": bar.final,
        }
        for bar in bars
    ]


async def test_the_anonymous_caller_reads_nothing(container: Container) -> None:
    app = create(container)

    async with client(app) as anonymous:
        for path in EVERY_PATH:
            answer = await anonymous.get(path)

            assert answer.status_code == 401, path
            assert answer.headers["content-type"] == "application/problem+json"


async def test_a_credential_without_the_scope_read_is_refused(container: Container) -> None:
    key = await stored_key(container, Scope.TRADE)

    async with client(create(container), key) as api:
        answer = await api.get(PATH)

    assert answer.status_code == 403
    assert answer.json()["required_scope"] == "read"


async def test_the_latest_candles_come_oldest_first(container: Container, api: Api) -> None:
    stored = minutes(MONDAY, 130, without={5, 70})
    await collected(container, stored)

    answer = await api.get(PATH, params={"limit": 5})

    assert answer.status_code == 200
    assert answer.json() == {
        "items": objects(stored[-5:]),
        "next_cursor": None,
        "exchange": "paper",
        "symbol": "BTC/USDT",
        "timeframe": "1m",
    }


async def test_without_a_limit_there_are_fifty(container: Container, api: Api) -> None:
    await collected(container, minutes(MONDAY, 130))

    answer = await api.get(PATH)

    assert len(answer.json()["items"]) == 50


async def test_the_running_bar_is_the_last_and_says_so(container: Container, api: Api) -> None:
    symbol = await collected(container, minutes(MONDAY, 3))
    running = Bar(MONDAY + 3 * MINUTE_MS, 1.0, 2.0, 0.5, 1.5, 4.0, final=False)
    await run_bar(container, symbol, [(Timeframe.M1, running)])

    as_objects = await api.get(PATH)
    as_arrays = await api.get(PATH, params={"format": "array"})

    assert [item["final"] for item in as_objects.json()["items"]] == [True, True, True, False]
    assert as_arrays.json()["items"][-1] == [running.ts, 1.0, 2.0, 0.5, 1.5, 4.0]
    assert as_arrays.json()["final"] is False


async def test_both_layouts_say_the_same(container: Container, api: Api) -> None:
    stored = minutes(MONDAY, 200)
    await collected(container, stored)

    for timeframe in ("1m", "15m", "1h", "1d"):
        path = f"/api/v1/ohlcv/candles/paper/BTC/USDT/{timeframe}"
        as_objects = (await api.get(path, params={"limit": 100})).json()["items"]
        as_arrays = (await api.get(path, params={"limit": 100, "format": "array"})).json()["items"]

        assert [list(item.values())[1:6] for item in as_objects] == [row[1:] for row in as_arrays]
        assert [item["time"] for item in as_objects] == [time(row[0]) for row in as_arrays]


async def test_times_are_right_wherever_in_the_hour_the_answer_begins(container: Container, api: Api) -> None:
    await collected(container, minutes(MONDAY, 300, without={200}))
    path = "/api/v1/ohlcv/timeseries/paper/BTC/USDT/ohlcv?fill=previous&limit=60&start_time="

    for begin in (0, 1, 30, 60, 150):
        answer = await api.get(f"{path}{MONDAY + begin * MINUTE_MS}")
        arrays = await api.get(f"{path}{MONDAY + begin * MINUTE_MS}&format=array")

        expected = [MONDAY + number * MINUTE_MS for number in range(begin, begin + 60)]
        assert [item["time"] for item in answer.json()["items"]] == [time(ts) for ts in expected]
        assert [row[0] for row in arrays.json()["items"]] == expected


async def test_hours_agree_with_their_minutes(container: Container, api: Api) -> None:
    stored = minutes(MONDAY, 185, without={61, 62})
    await collected(container, stored)

    hours = (await api.get("/api/v1/ohlcv/candles/paper/BTC/USDT/1h")).json()["items"]

    assert hours == [
        {**item, "final": number < 3} for number, item in enumerate(objects(recomputed(stored, Timeframe.H1)))
    ]


async def test_a_range_is_paged_by_its_cursor(container: Container, api: Api) -> None:
    stored = minutes(MONDAY, 130, without={20, 21})
    await collected(container, stored)
    window = f"start_time={time(MONDAY + 10 * MINUTE_MS)}&end_time={MONDAY + 100 * MINUTE_MS}&limit=40"

    pages: list[list[Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await api.get(f"{PATH}/range?{window}{cursor and f'&cursor={cursor}'}")
        pages.append(answer.json()["items"])
        cursor = answer.json()["next_cursor"]

    assert [len(page) for page in pages] == [40, 40, 8]
    assert [item for page in pages for item in page] == objects(stored[10:98])


async def test_a_series_without_a_start_ends_with_the_bucket_that_runs(container: Container, api: Api) -> None:
    stored = minutes(MONDAY, 130, without={125})
    await collected(container, stored)
    path = "/api/v1/ohlcv/timeseries/paper/BTC/USDT/ohlcv"

    plain = await api.get(path, params={"timeframe": "1m", "limit": 11})
    filled = await api.get(path, params={"timeframe": "1m", "limit": 11, "fill": "previous"})

    assert [item["time"] for item in plain.json()["items"]] == [time(bar.ts) for bar in stored[-9:]]
    assert [item["time"] for item in filled.json()["items"]] == [
        time(MONDAY + number * MINUTE_MS) for number in range(120, 130)
    ]
    assert filled.json()["items"][5]["volume"] == 0


async def test_a_bad_parameter_is_named(api: Api) -> None:
    for query, field in (
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=x", "limit"),
        ("format=xml", "format"),
    ):
        answer = await api.get(f"{PATH}?{query}")

        assert answer.status_code == 422
        assert [problem["field"] for problem in answer.json()["errors"]] == [field]


async def test_a_range_that_makes_no_sense_is_refused(container: Container, api: Api) -> None:
    await listed(container, "BTC/USDT")

    for query in (
        "",
        "start_time=yesterday",
        "start_time=2026-08-03&end_time=2026-08-03",
        "start_time=2026-08-04&end_time=2026-08-03",
        "start_time=0&cursor=nonsense",
        "start_time=0&cursor=WyJ4Il0",
        "start_time=2026-08-04&cursor=WzFd",
        "start_time=0&cursor=WzFlOTld",
    ):
        answer = await api.get(f"{PATH}/range?{query}")

        assert answer.status_code == 422, query
        assert answer.json()["errors"]


async def test_an_unknown_timeframe_is_refused_with_the_known_ones(api: Api) -> None:
    for timeframe in ("2m", "1H", "60", "1y", "M1"):
        answer = await api.get(f"/api/v1/ohlcv/candles/paper/BTC/USDT/{timeframe}")

        assert answer.status_code == 422
        assert answer.json()["code"] == "unknown_timeframe"
        assert "1m, 3m, 5m" in answer.json()["detail"]


async def test_an_unknown_symbol_is_404_and_names_the_nearest(container: Container, api: Api) -> None:
    await listed(container, "BTC/USDT")

    symbol = await api.get("/api/v1/ohlcv/candles/paper/BTC/USDC/1m")
    exchange = await api.get("/api/v1/ohlcv/candles/pepper/BTC/USDT/1m")

    assert (symbol.status_code, symbol.json()["code"]) == (404, "unknown_symbol")
    assert symbol.json()["nearest"] == ["BTC/USDT"]
    assert (exchange.status_code, exchange.json()["code"]) == (404, "unknown_exchange")
    assert exchange.json()["nearest"] == ["paper"]


async def test_a_known_symbol_without_data_is_an_empty_list(container: Container, api: Api) -> None:
    await listed(container, "BTC/USDT")

    for path in (PATH, f"{PATH}/range?start_time=0", "/api/v1/ohlcv/timeseries/paper/BTC/USDT/ohlcv?fill=previous"):
        answer = await api.get(path)

        assert (answer.status_code, answer.json()["items"]) == (200, [])


async def test_the_ends_of_the_calendar_break_nothing(container: Container, api: Api) -> None:
    await collected(container, minutes(MONDAY, 3))
    series = "/api/v1/ohlcv/timeseries/paper/BTC/USDT/ohlcv"

    for far, items in (("9999-12-31T23:59:59Z", 0), ("253402300799999", 0), ("1970-01-01", 3)):
        for path in (f"{PATH}/range", series):
            answer = await api.get(path, params={"start_time": far})
            assert (answer.status_code, len(answer.json()["items"])) == (200, items)
        months = await api.get(f"{series}?timeframe=1M&fill=previous&limit=10000&start_time={far}")
        assert months.status_code == 200


async def test_what_can_no_longer_change_may_be_kept(container: Container, api: Api) -> None:
    symbol = await collected(container, minutes(MONDAY, 130))
    async with (await container.candles()).acquire() as connection:
        await set_verified(connection, symbol.symbol_id, MONDAY + 2 * HOUR_MS)
    past = {"start_time": str(MONDAY), "end_time": str(MONDAY + HOUR_MS), "limit": "100"}

    closed = await api.get(f"{PATH}/range", params=past)
    running = await api.get(PATH)

    assert "immutable" in closed.headers["cache-control"]
    assert "private" in closed.headers["cache-control"]
    assert "no-cache" in running.headers["cache-control"]


async def test_a_client_that_has_the_candles_is_told_so(container: Container, api: Api) -> None:
    await collected(container, minutes(MONDAY, 30))
    tag = (await api.get(PATH)).headers["etag"]

    for given in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
        again = await api.get(PATH, headers={"If-None-Match": given})

        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
    assert tag.startswith('W/"')


async def test_the_tag_changes_with_the_candles_the_running_bar_and_the_layout(container: Container, api: Api) -> None:
    symbol = await collected(container, minutes(MONDAY, 30))
    running = Bar(MONDAY + 30 * MINUTE_MS, 1.0, 2.0, 0.5, 1.5, 4.0, final=False)

    tags = {(await api.get(PATH)).headers["etag"]}
    tags.add((await api.get(PATH, params={"format": "array"})).headers["etag"])
    await run_bar(container, symbol, [(Timeframe.M1, running)])
    tags.add((await api.get(PATH)).headers["etag"])
    await run_bar(container, symbol, [(Timeframe.M1, Bar(running.ts, 1.0, 2.5, 0.5, 1.5, 4.0, final=False))])
    tags.add((await api.get(PATH)).headers["etag"])

    assert len(tags) == 4


async def test_an_answer_is_compressed_only_when_asked(container: Container, api: Api) -> None:
    await collected(container, minutes(MONDAY, 60))
    plain = await api.get(PATH)

    for accepted, coding in (
        ("gzip", "gzip"),
        ("br, gzip;q=0.5", "gzip"),
        ("*", "gzip"),
        ("identity", None),
        ("gzip;q=0", None),
        ("br", None),
    ):
        answer = await api.get(PATH, headers={"Accept-Encoding": accepted})
        small = await api.get(PATH, params={"limit": 1}, headers={"Accept-Encoding": accepted})

        assert answer.headers.get("content-encoding") == coding, accepted
        assert answer.json() == plain.json()
        assert answer.headers["vary"] == "Accept-Encoding"
        assert "content-encoding" not in small.headers


async def test_a_symbol_travels_as_path_or_percent_encoded(container: Container, api: Api) -> None:
    await collected(container, minutes(MONDAY, 3), name="BTC/USD:BTC")

    for written in ("BTC/USD:BTC", "BTC%2FUSD:BTC", "BTC%2FUSD%3ABTC", "BTC/USD%3aBTC"):
        for path in (
            f"candles/paper/{written}/1m",
            f"candles/paper/{written}/1m/range?start_time=0",
            f"candles/PAPER/{written}/1m/",
            f"timeseries/paper/{written}/ohlcv",
        ):
            answer = await api.get(f"/api/v1/ohlcv/{path}")

            assert (answer.status_code, answer.json()["symbol"], len(answer.json()["items"])) == (200, "BTC/USD:BTC", 3)


async def test_candles_are_answered_while_the_cache_is_down(container: Container, api: Api) -> None:
    stored = minutes(MONDAY, 3)
    await collected(container, stored)
    await container.valkey.aclose()
    broken = container.valkey
    broken.connection_pool.connection_kwargs["port"] = 1

    answer = await api.get(PATH)

    assert answer.status_code == 200
    assert answer.json()["items"] == objects(stored)


async def test_every_candle_survives_the_way_to_the_client_bit_by_bit(container: Container, api: Api) -> None:
    odd = [0.1 + 0.2, 1e-8, 123456789.12345678, 5e-324, 1.7976931348623157e308]
    opening, high, low, close, volume = odd
    await collected(container, [Bar(MONDAY, opening, high, low, close, volume)])

    answer = await api.get(PATH, headers={"Accept-Encoding": "gzip"})
    exported = await api.get("/api/v1/ohlcv/export/paper/BTC/USDT/1m")

    [item] = answer.json()["items"]
    assert [item[name] for name in ("open", "high", "low", "close", "volume")] == odd
    assert [float(text) for text in exported.text.splitlines()[1].split(",")[1:]] == odd


def test_the_compressed_form_is_plain_gzip() -> None:
    from starlette.requests import Request

    from functions.ohlcv.encoding import compressed

    request = Request({"type": "http", "headers": [(b"accept-encoding", b"gzip")]})
    body = orjson.dumps(list(range(1_000)))

    answer = compressed(request, body, "application/json", {})

    assert gzip.decompress(bytes(answer.body)) == body
