"""The paper venue over REST: what ccxt, python-binance and a plain client get."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import httpx2 as httpx
import pytest
from binance import AsyncClient

from local import demo_data
from local.paper.addresses import ccxt_overrides
from tests.paper_venue import SYMBOLS, RunningVenue, paper_venue, recording

MINUTE = 60_000
HISTORY = 43_200
INTERVALS = ["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"]


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    """A venue on the synthetic market."""
    with paper_venue() as running:
        yield running


@pytest.fixture
async def client(venue: RunningVenue) -> AsyncIterator[httpx.AsyncClient]:
    """A plain client of ``/api/v3``."""
    async with httpx.AsyncClient(base_url=f"{venue.url}/api/v3") as opened:
        yield opened


@pytest.fixture
async def exchange(venue: RunningVenue) -> AsyncIterator[Any]:
    """ccxt's ``binance`` with only its addresses changed."""
    opened = ccxt.binance(ccxt_overrides(venue.url))
    yield opened
    await opened.close()


@pytest.fixture
async def second(venue: RunningVenue, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """python-binance with only its address changed."""
    monkeypatch.setattr(AsyncClient, "API_URL", f"{venue.url}/api")
    opened = await AsyncClient.create()
    yield opened
    await opened.close_connection()


async def test_ccxt_loads_the_markets_with_precision_and_limits(exchange: Any) -> None:
    markets = await exchange.load_markets()

    assert sorted(markets) == SYMBOLS
    assert all(market["spot"] and market["active"] for market in markets.values())
    assert markets["ETH/USDT"]["precision"]["price"] == 0.01
    assert markets["ETH/USDT"]["precision"]["amount"] == 0.0001
    assert markets["ETH/USDT"]["limits"]["cost"]["min"] == 5.0


async def test_ccxt_reads_every_timeframe_it_knows(exchange: Any) -> None:
    for timeframe in exchange.timeframes:
        candles = await exchange.fetch_ohlcv("SOL/USDT", timeframe, limit=2)
        assert len(candles) == 2, timeframe
        assert candles[0][0] < candles[1][0] <= await exchange.fetch_time()


async def test_ccxt_reads_trades_tickers_and_books(exchange: Any) -> None:
    trades = await exchange.fetch_trades("BTC/USDT", limit=50)
    since = await exchange.fetch_trades("BTC/USDT", since=trades[10]["timestamp"], limit=5)
    tickers = await exchange.fetch_tickers()
    quotes = await exchange.fetch_bids_asks(SYMBOLS)
    book = await exchange.fetch_order_book("BTC/USDT", 20)

    assert [trade["id"] for trade in since] == [trade["id"] for trade in trades[10:15]]
    assert sorted(tickers) == sorted(quotes) == SYMBOLS
    assert tickers["BTC/USDT"]["low"] <= tickers["BTC/USDT"]["last"] <= tickers["BTC/USDT"]["high"]
    assert book["bids"][0][0] < book["asks"][0][0]
    assert (len(book["bids"]), len(book["asks"])) == (20, 20)


async def test_ccxt_takes_a_refusal_for_what_it_is(exchange: Any) -> None:
    await exchange.load_markets()

    with pytest.raises(ccxt.BadSymbol):
        await exchange.public_get_klines({"symbol": "NOPEUSDT", "interval": "1m"})
    with pytest.raises(ccxt.BadRequest):
        await exchange.public_get_klines({"symbol": "BTCUSDT", "interval": "7m"})


async def test_python_binance_reads_the_same_market(second: Any, client: httpx.AsyncClient) -> None:
    information = await second.get_exchange_info()
    candles = await second.get_historical_klines("BTCUSDT", "1m", "3 hours ago UTC")
    end = int(candles[-1][0]) - 1
    trades = [trade async for trade in second.aggregate_trade_iter("BTCUSDT", start_str="30 minutes ago UTC")]

    assert [symbol["symbol"] for symbol in information["symbols"]] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    same = await klines(client, interval="1m", startTime=candles[0][0], endTime=end, limit=1000)
    assert candles[:-1] == same
    assert [trade["a"] for trade in trades] == list(range(trades[0]["a"], trades[0]["a"] + len(trades)))


async def test_forty_three_thousand_two_hundred_minutes_end_at_the_venues_now(client: httpx.AsyncClient) -> None:
    start, times = 0, list[int]()
    while True:
        page = await klines(client, interval="1m", startTime=start, limit=1000)
        times += [int(bar[0]) for bar in page]
        if len(page) < 1000:
            break
        start = times[-1] + 1
    now = (await client.get("/time")).json()["serverTime"]

    assert HISTORY <= len(times) <= HISTORY + 3
    assert times == list(range(times[0], times[0] + len(times) * MINUTE, MINUTE))
    assert 0 <= now - times[-1] < 2 * MINUTE
    assert await klines(client, interval="1m", endTime=times[0] - 1) == []


@pytest.mark.parametrize("interval", [name for name in INTERVALS if name not in {"1s", "1m"}])
async def test_a_longer_bar_is_exactly_the_sum_of_its_minutes(client: httpx.AsyncClient, interval: str) -> None:
    longer = (await klines(client, interval=interval, limit=2))[0]

    minutes = await minutes_between(client, int(longer[0]), int(longer[6]))
    assert Decimal(longer[1]) == Decimal(minutes[0][1])
    assert Decimal(longer[2]) == max(Decimal(bar[2]) for bar in minutes)
    assert Decimal(longer[3]) == min(Decimal(bar[3]) for bar in minutes)
    assert Decimal(longer[4]) == Decimal(minutes[-1][4])
    for column in (5, 7, 8, 9, 10):
        assert Decimal(longer[column]) == sum(Decimal(bar[column]) for bar in minutes)


async def test_a_minute_is_exactly_the_sum_of_its_trades(client: httpx.AsyncClient) -> None:
    bar = (await klines(client, interval="1m", limit=2))[0]

    recent = (await client.get("/trades", params={"symbol": "BTCUSDT", "limit": 1000})).json()
    aggregated = await client.get(
        "/aggTrades", params={"symbol": "BTCUSDT", "startTime": bar[0], "endTime": bar[6], "limit": 1000}
    )
    inside = [trade for trade in recent if bar[0] <= trade["time"] <= bar[6]]
    prices = [Decimal(trade["price"]) for trade in inside]
    assert [Decimal(bar[column]) for column in (1, 2, 3, 4)] == [prices[0], max(prices), min(prices), prices[-1]]
    assert Decimal(bar[5]) == sum(Decimal(trade["qty"]) for trade in inside)
    assert Decimal(bar[7]) == sum(Decimal(trade["quoteQty"]) for trade in inside)
    assert bar[8] == len(inside)
    assert Decimal(bar[9]) == sum(Decimal(trade["qty"]) for trade in inside if not trade["isBuyerMaker"])
    assert Decimal(bar[10]) == sum(Decimal(trade["quoteQty"]) for trade in inside if not trade["isBuyerMaker"])
    assert [trade["a"] for trade in aggregated.json()] == [trade["id"] for trade in inside]


async def test_bars_are_paged_as_binance_pages_them(client: httpx.AsyncClient) -> None:
    newest = await klines(client, interval="1m")
    start = int(newest[100][0])

    assert len(newest) == 500
    assert await opening(client, startTime=start, limit=3) == [start, start + MINUTE, start + 2 * MINUTE]
    assert await opening(client, startTime=start + 1, limit=1) == [start + MINUTE]
    assert await opening(client, endTime=start, limit=2) == [start - MINUTE, start]
    assert await opening(client, startTime=start, endTime=start + MINUTE) == [start, start + MINUTE]
    assert await opening(client, startTime=start, endTime=start - 1) == []
    assert len(await opening(client, limit=5000)) == 1000


async def test_trades_are_paged_by_id_without_loss(client: httpx.AsyncClient) -> None:
    newest = (await client.get("/historicalTrades", params={"symbol": "ETHUSDT", "limit": 100})).json()

    first = newest[0]["id"]
    pages = []
    for begin in range(first, first + 90, 30):
        query: dict[str, str | int] = {"symbol": "ETHUSDT", "fromId": begin, "limit": 30}
        pages += (await client.get("/historicalTrades", params=query)).json()
    assert pages == newest[:90]
    oldest = (await client.get("/historicalTrades", params={"symbol": "ETHUSDT", "fromId": 0, "limit": 1})).json()
    assert oldest[0]["id"] < first


async def test_the_day_ticker_is_the_sum_of_the_last_day(client: httpx.AsyncClient) -> None:
    ticker = (await client.get("/ticker/24hr", params={"symbol": "BTCUSDT"})).json()

    whole = await minutes_between(client, ticker["openTime"], ticker["closeTime"] - MINUTE)
    assert ticker["closeTime"] - ticker["openTime"] == 86_400_000 - 1
    assert Decimal(ticker["highPrice"]) >= max(Decimal(bar[2]) for bar in whole)
    assert Decimal(ticker["volume"]) >= sum(Decimal(bar[5]) for bar in whole)
    assert ticker["count"] == ticker["lastId"] - ticker["firstId"] + 1
    average = Decimal(ticker["quoteVolume"]) / Decimal(ticker["volume"])
    assert abs(Decimal(ticker["weightedAvgPrice"]) - average) < Decimal("0.00000001")


async def test_one_symbol_is_an_object_and_several_are_an_array(client: httpx.AsyncClient) -> None:
    for path in ("/ticker/24hr", "/ticker/price", "/ticker/bookTicker"):
        one = (await client.get(path, params={"symbol": "SOLUSDT"})).json()
        two = (await client.get(path, params={"symbols": '["SOLUSDT","BTCUSDT"]'})).json()
        every = (await client.get(path)).json()
        assert one["symbol"] == "SOLUSDT"
        assert [each["symbol"] for each in two] == ["SOLUSDT", "BTCUSDT"]
        assert len(every) == 3


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/klines", {"interval": "1m"}, -1102),
        ("/klines", {"symbol": "BTCUSDT"}, -1102),
        ("/klines", {"symbol": "btcusdt", "interval": "1m"}, -1100),
        ("/klines", {"symbol": "NOPEUSDT", "interval": "1m"}, -1121),
        ("/klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120),
        ("/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": "many"}, -1100),
        ("/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": "0"}, -1130),
        ("/klines", {"symbol": "BTCUSDT", "interval": "1m", "startTime": "-1"}, -1100),
        ("/klines", {"symbol": "BTCUSDT", "interval": "1m", "surplus": "1"}, -1104),
        ("/ticker/24hr", {"symbol": "BTCUSDT", "symbols": '["BTCUSDT"]'}, -1128),
        ("/ticker/24hr", {"symbols": "BTCUSDT"}, -1100),
        ("/ticker/24hr", {"symbols": "[]"}, -1100),
        ("/ticker/24hr", {"symbol": "BTCUSDT", "type": "TINY"}, -1130),
        ("/exchangeInfo", {"symbol": "NOPEUSDT"}, -1121),
        ("/aggTrades", {"symbol": "BTCUSDT", "fromId": "1", "startTime": "1"}, -1128),
        ("/depth", {}, -1102),
    ],
)
async def test_a_bad_request_is_refused_in_binances_words(
    client: httpx.AsyncClient, path: str, query: dict[str, str], code: int
) -> None:
    answer = await client.get(path, params=query)

    assert answer.status_code == 400
    assert answer.json()["code"] == code
    assert answer.json()["msg"]


async def test_what_the_venue_does_not_have_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/nothing")).status_code == 404
    assert (await client.post("/klines")).status_code == 405
    assert (await client.get("/../../control")).status_code == 404


async def test_requests_are_weighed(client: httpx.AsyncClient) -> None:
    light = await client.get("/ping")
    heavy = await client.get("/depth", params={"symbol": "BTCUSDT", "limit": 5000})

    before, after = (int(answer.headers["X-MBX-USED-WEIGHT-1M"]) for answer in (light, heavy))
    assert after - before == 250 or after == 250  # the minute may have turned


async def test_who_uses_too_much_is_told_to_wait_and_then_banned() -> None:
    with paper_venue("--weight-limit", "50") as small:
        async with httpx.AsyncClient(base_url=f"{small.url}/api/v3") as plain:
            answers = [await plain.get("/exchangeInfo") for _ in range(20)]
        limited = ccxt.binance(ccxt_overrides(small.url))
        with pytest.raises(ccxt.DDoSProtection):
            await limited.fetch_time()
        await limited.close()

    statuses = [answer.status_code for answer in answers]
    assert statuses[0] == 200
    assert 429 in statuses
    assert statuses[-1] == 418
    refusal = answers[statuses.index(429)]
    assert refusal.json()["code"] == -1003
    assert 1 <= int(refusal.headers["Retry-After"]) <= 60


async def test_recorded_minutes_are_replayed_as_they_were_recorded() -> None:
    bars = demo_data.load(recording())
    with paper_venue("--data", str(recording())) as replaying:
        async with httpx.AsyncClient(base_url=f"{replaying.url}/api/v3") as plain:
            page = await klines(plain, interval="1m", limit=1000)

    for bar in page[:-1]:
        minute = (int(bar[0]) // MINUTE - bars[0].time // 60) % len(bars)
        assert [Decimal(text) for text in bar[1:6]] == [Decimal(text) for text in bars[minute][1:]]


async def klines(client: httpx.AsyncClient, **query: Any) -> list[list[Any]]:
    """Bars of BTC."""
    answer = await client.get("/klines", params={"symbol": "BTCUSDT", **query})
    assert answer.status_code == 200, answer.text
    bars: list[list[Any]] = answer.json()
    return bars


async def opening(client: httpx.AsyncClient, **query: int) -> list[int]:
    """Opening times of minutes."""
    return [int(bar[0]) for bar in await klines(client, interval="1m", **query)]


async def minutes_between(client: httpx.AsyncClient, first: int, last: int) -> list[list[Any]]:
    """Every minute that opens from ``first`` to ``last``."""
    minutes: list[list[Any]] = []
    while page := await klines(client, interval="1m", startTime=first, endTime=last, limit=1000):
        minutes += page
        first = int(page[-1][0]) + 1
    return minutes
