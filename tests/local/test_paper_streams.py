"""The paper venue's streams: what ccxt.pro, python-binance and a plain socket receive, and that it agrees with REST."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import ccxt.pro
import httpx2 as httpx
import pytest
from binance import AsyncClient, BinanceSocketManager
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from local.paper.addresses import ccxt_overrides
from tests.paper_venue import SYMBOLS, RunningVenue, deadline, paper_venue

MINUTE = 60_000
FAST = ("--speed", "120", "--start-behind", "7200")


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    """A venue at the wall clock's speed."""
    with paper_venue() as running:
        yield running


@pytest.fixture(scope="module")
def replay() -> Iterator[RunningVenue]:
    """A venue two hours behind, at 120 times the speed."""
    with paper_venue(*FAST) as running:
        yield running


@pytest.fixture
async def exchange(venue: RunningVenue) -> AsyncIterator[Any]:
    """ccxt.pro's ``binance`` with only its addresses changed."""
    opened = ccxt.pro.binance(ccxt_overrides(venue.url))
    yield opened
    await opened.close()


async def test_ccxt_pro_watches_tickers_and_best_prices_of_every_symbol(exchange: Any) -> None:
    tickers, quotes = set[str](), set[str]()

    for _ in deadline():
        tickers |= set(await exchange.watch_tickers(SYMBOLS))
        quotes |= set(await exchange.watch_bids_asks(SYMBOLS))
        if tickers == quotes == set(SYMBOLS):
            break

    assert exchange.tickers["BTC/USDT"]["last"] > 0
    assert exchange.bidsasks["BTC/USDT"]["bid"] < exchange.bidsasks["BTC/USDT"]["ask"]


async def test_ccxt_pro_watches_all_tickers_without_naming_them(exchange: Any) -> None:
    assert sorted(await exchange.watch_tickers()) == SYMBOLS


async def test_ccxt_pro_watches_trades_bars_and_the_full_ticker(exchange: Any) -> None:
    trades = await exchange.watch_trades("BTC/USDT")
    several = await exchange.watch_trades_for_symbols(SYMBOLS)
    bars = await exchange.watch_ohlcv("BTC/USDT", "1m")
    many = await exchange.watch_ohlcv_for_symbols([[symbol, "5m"] for symbol in SYMBOLS])
    exchange.options["watchTicker"]["name"] = "ticker"
    ticker = await exchange.watch_ticker("ETH/USDT")

    assert trades[-1]["symbol"] == "BTC/USDT"
    assert several[-1]["symbol"] in SYMBOLS
    assert len(bars[-1]) == 6
    assert set(many) <= set(SYMBOLS)
    assert ticker["vwap"] > 0


async def test_ccxt_pro_builds_the_order_book_from_snapshot_and_differences(exchange: Any) -> None:
    for _ in range(10):
        book = await exchange.watch_order_book("BTC/USDT")

    assert book["bids"][0][0] < book["asks"][0][0]
    assert len(book["bids"]) >= 100
    assert [price for price, _ in book["asks"]] == sorted(price for price, _ in book["asks"])


async def test_ccxt_pro_can_stop_watching(exchange: Any) -> None:
    await exchange.watch_bids_asks(["BTC/USDT"])
    await exchange.un_watch_bids_asks(["BTC/USDT"])

    await exchange.watch_bids_asks(["ETH/USDT"])


async def test_python_binance_receives_the_same_streams(venue: RunningVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AsyncClient, "API_URL", f"{venue.url}/api")
    monkeypatch.setattr(BinanceSocketManager, "STREAM_URL", venue.stream(""))
    client = await AsyncClient.create()
    manager = BinanceSocketManager(client)

    async with manager.kline_socket("BTCUSDT", "1m") as socket:
        bar = await socket.recv()
    async with manager.multiplex_socket(["btcusdt@bookTicker", "ethusdt@aggTrade"]) as socket:
        streams = {(await socket.recv())["stream"] for _ in range(8)}
    async with manager.depth_socket("SOLUSDT", depth=BinanceSocketManager.WEBSOCKET_DEPTH_10) as socket:
        book = await socket.recv()
    await client.close_connection()

    assert bar["k"]["i"] == "1m"
    assert "btcusdt@bookTicker" in streams
    assert len(book["bids"]) == len(book["asks"]) == 10


async def test_streamed_bars_and_trades_and_rest_agree_exactly(replay: RunningVenue) -> None:
    closed: dict[str, list[dict[str, Any]]] = {"1m": [], "5m": []}
    trades: list[dict[str, Any]] = []
    async with connect(replay.stream("stream?streams=btcusdt@kline_1m/btcusdt@kline_5m/btcusdt@trade")) as socket:
        while len(closed["5m"]) < 3:
            message = json.loads(await asyncio.wait_for(socket.recv(), 20))["data"]
            if message["e"] == "trade":
                trades.append(message)
            elif message["k"]["x"]:
                closed[message["k"]["i"]].append(message["k"])

    async with httpx.AsyncClient(base_url=f"{replay.url}/api/v3") as client:
        for interval, bars in closed.items():
            query: dict[str, str | int] = {"symbol": "BTCUSDT", "interval": interval, "startTime": bars[0]["t"]}
            asked = (await client.get("/klines", params=query)).json()
            for bar, same in zip(bars, asked, strict=False):
                assert [bar[key] for key in "tohlcv"] == same[:6]
                assert [bar[key] for key in ("T", "q", "n", "V", "Q")] == same[6:11]
        query = {"symbol": "BTCUSDT", "fromId": trades[0]["t"], "limit": 1000}
        printed = (await client.get("/historicalTrades", params=query)).json()
    assert [trade["t"] for trade in trades] == list(range(trades[0]["t"], trades[0]["t"] + len(trades)))
    for trade, same in zip(trades, printed, strict=False):
        assert [trade[key] for key in ("t", "p", "q", "T", "m")] == [
            same[key] for key in ("id", "price", "qty", "time", "isBuyerMaker")
        ]


async def test_every_bar_is_closed_once_before_the_next_begins(replay: RunningVenue) -> None:
    states: list[tuple[int, bool]] = []
    async with connect(replay.stream("ws/ethusdt@kline_1m")) as socket:
        while sum(final for _, final in states) < 8:
            bar = json.loads(await asyncio.wait_for(socket.recv(), 20))["k"]
            states.append((bar["t"], bar["x"]))

    closed = [opened for opened, final in states if final]
    assert closed == list(range(closed[0], closed[0] + len(closed) * MINUTE, MINUTE))
    for opened in closed:
        of_bar = [final for each, final in states if each == opened]
        assert of_bar[-1]
        assert sum(of_bar) == 1
    assert [opened for opened, _ in states] == sorted(opened for opened, _ in states)


async def test_best_prices_come_often_but_not_faster_than_twenty_a_second(replay: RunningVenue) -> None:
    async with connect(replay.stream("ws/btcusdt@bookTicker")) as socket:
        messages = [json.loads(await asyncio.wait_for(socket.recv(), 20)) for _ in range(21)]

    times = [message["u"] for message in messages]
    assert times == sorted(set(times))
    assert set(messages[0]) == {"u", "s", "b", "B", "a", "A"}
    # Twenty ticks of 50 ms at 120 times the speed are 120 s of the venue's time; half of it allows for a late tick.
    assert times[-1] - times[0] >= 60_000_000


async def test_a_replay_never_runs_ahead_of_the_wall_clock(replay: RunningVenue) -> None:
    async with httpx.AsyncClient(base_url=f"{replay.url}/api/v3") as client:
        first = (await client.get("/time")).json()["serverTime"]
        await asyncio.sleep(0.5)
        second = (await client.get("/time")).json()["serverTime"]
        newest = (await client.get("/klines", params={"symbol": "BTCUSDT", "interval": "1m", "limit": 1})).json()[0]
        latest = (await client.get("/time")).json()["serverTime"]

    assert second - first >= 0.5 * 120 * 1000
    assert newest[0] <= latest < newest[0] + 60 * MINUTE


async def test_array_streams_carry_every_symbol(venue: RunningVenue) -> None:
    async with connect(venue.stream("stream?streams=!miniTicker@arr/!ticker@arr/!bookTicker")) as socket:
        seen: dict[str, set[str]] = {}
        while len(seen) < 3 or len(seen["!bookTicker"]) < 3:
            message = json.loads(await asyncio.wait_for(socket.recv(), 20))
            data = message["data"] if isinstance(message["data"], list) else [message["data"]]
            seen.setdefault(message["stream"], set()).update(each["s"] for each in data)

    assert all(symbols == {"BTCUSDT", "ETHUSDT", "SOLUSDT"} for symbols in seen.values())


async def test_subscriptions_are_changed_and_listed_by_message(venue: RunningVenue) -> None:
    async with connect(venue.stream("ws")) as socket:
        first = await ask(socket, {"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker", "nonsense"], "id": 1})
        listed = await ask(socket, {"method": "LIST_SUBSCRIPTIONS", "id": "two"})
        update = await next_data(socket)
        combined = await ask(socket, {"method": "SET_PROPERTY", "params": ["combined", True], "id": 3})
        wrapped = await next_data(socket)
        gone = await ask(socket, {"method": "UNSUBSCRIBE", "params": ["btcusdt@bookTicker", "never"], "id": 4})
        await asyncio.sleep(1.1)  # five messages a second
        rest = await ask(socket, {"method": "LIST_SUBSCRIPTIONS", "id": 5})

    assert first == {"result": None, "id": 1}
    assert listed == {"result": ["btcusdt@bookTicker", "nonsense"], "id": "two"}
    assert update["s"] == "BTCUSDT"
    assert combined == {"result": None, "id": 3}
    assert wrapped["stream"] == "btcusdt@bookTicker"
    assert gone == {"result": None, "id": 4}
    assert rest == {"result": ["nonsense"], "id": 5}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("garbage", 3),
        ("[]", 2),
        ('{"method": "NONSENSE", "id": 1}', 2),
        ('{"method": "SUBSCRIBE", "params": "btcusdt@trade", "id": 1}', 2),
        ('{"method": "SUBSCRIBE", "params": [1], "id": 1}', 2),
        ('{"method": "SUBSCRIBE", "params": [], "id": -1}', 2),
        ('{"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}', 1),
        ('{"method": "GET_PROPERTY", "params": ["colour"], "id": 1}', 0),
    ],
)
async def test_a_bad_message_is_answered_and_the_socket_stays(venue: RunningVenue, message: str, code: int) -> None:
    async with connect(venue.stream("ws")) as socket:
        await socket.send(message)
        refusal = json.loads(await asyncio.wait_for(socket.recv(), 60))
        listed = await ask(socket, {"method": "LIST_SUBSCRIPTIONS", "id": 9})

    assert refusal["error"]["code"] == code
    assert listed["result"] == []


async def test_more_than_five_messages_in_a_second_end_the_connection(venue: RunningVenue) -> None:
    async with connect(venue.stream("ws")) as socket:
        for number in range(6):
            await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await asyncio.wait_for(socket.recv(), 60)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


async def test_more_than_1024_streams_are_refused(venue: RunningVenue) -> None:
    async with connect(venue.stream("ws")) as socket:
        names = [f"stream{number}" for number in range(1025)]
        refusal = await ask(socket, {"method": "SUBSCRIBE", "params": names, "id": 1})
        accepted = await ask(socket, {"method": "SUBSCRIBE", "params": names[:1024], "id": 2})

    assert refusal["error"]["code"] == 2
    assert accepted == {"result": None, "id": 2}


async def test_a_clients_ping_is_answered_with_its_payload(venue: RunningVenue) -> None:
    async with connect(venue.stream("ws")) as socket:
        pong = await socket.ping(b"1234567890")
        await asyncio.wait_for(pong, 60)


async def test_two_subscribers_of_a_stream_receive_the_same(replay: RunningVenue) -> None:
    async with connect(replay.stream("ws/solusdt@trade")) as one, connect(replay.stream("ws/solusdt@trade")) as other:
        first = [json.loads(await asyncio.wait_for(one.recv(), 20)) for _ in range(40)]
        second = [json.loads(await asyncio.wait_for(other.recv(), 20)) for _ in range(40)]

    common = {trade["t"] for trade in first} & {trade["t"] for trade in second}
    assert len(common) >= 20
    assert [each for each in first if each["t"] in common] == [each for each in second if each["t"] in common]


async def ask(socket: ClientConnection, request: dict[str, Any]) -> dict[str, Any]:
    """The reply to a request, whatever data comes before it."""
    await socket.send(json.dumps(request))
    while True:
        message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 60))
        if "result" in message or "error" in message:
            return message


async def next_data(socket: ClientConnection) -> dict[str, Any]:
    """The next message that is not a reply."""
    while True:
        message: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 60))
        if "result" not in message:
            return message
