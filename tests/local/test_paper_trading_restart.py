"""The paper venue killed and started again: accounts, balances, orders, fills and listen keys are as they were."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

from local.errors import StoreProblem
from local.paper.trading.demo import open_demo_account
from local.paper.trading.orders import OrderType, Side
from tests.local.paper_trading import KEY, SignedClient, Trader, open_account
from tests.paper_venue import RunningVenue, deadline, paper_venue

BTC = 10**8
LIMIT = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1", "price": "60000"}


async def everything(venue: RunningVenue) -> dict[str, Any]:
    """What the account's queries answer, without the time of the answer."""
    async with SignedClient(venue) as client:
        account = (await client("GET", "/api/v3/account")).json()
        return {
            "balances": account["balances"],
            **{
                name: (await client("GET", f"/api/v3/{name}", symbol="BTCUSDT", limit=1000)).json()
                for name in ("allOrders", "myTrades")
            },
            "openOrders": (await client("GET", "/api/v3/openOrders")).json(),
        }


async def test_a_kill_in_the_middle_of_orders_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    store = str(tmp_path / "venue.sqlite")
    answered: list[dict[str, Any]] = []
    with paper_venue("--control", "--store", store) as venue:
        await open_account(venue)
        async with SignedClient(venue) as client:
            (await client.order(side="BUY", type="MARKET", quantity="0.7")).raise_for_status()
            before = await everything(venue)

            async def place(number: int) -> None:
                while True:
                    side = "BUY" if number % 2 else "SELL"
                    answered.append((await client.order(side=side, type="MARKET", quantity="0.01")).json())

            placing = [asyncio.create_task(place(number)) for number in range(4)]
            for _ in deadline():
                await asyncio.sleep(0.01)
                if len(answered) >= 20:
                    break
            venue.process.send_signal(signal.SIGKILL)
            await asyncio.gather(*placing, return_exceptions=True)
        venue.process.wait(60)
    with paper_venue("--control", "--store", store) as venue:
        after = await everything(venue)

    orders = {order["orderId"]: order for order in after["allOrders"]}
    accepted = [order for order in answered if "orderId" in order]
    assert len(accepted) >= 20
    for order in accepted:
        assert orders[order["orderId"]]["executedQty"] == order["executedQty"]
        fills = [trade["id"] for trade in after["myTrades"] if trade["orderId"] == order["orderId"]]
        assert fills == [fill["tradeId"] for fill in order["fills"]]
    assert after["myTrades"][: len(before["myTrades"])] == before["myTrades"]


async def test_an_open_order_goes_on_over_a_restart_and_so_does_its_listen_key(tmp_path: Path) -> None:
    arguments = ("--control", "--store", str(tmp_path / "venue.sqlite"))
    with paper_venue(*arguments) as venue:
        await open_account(venue)
        async with SignedClient(venue) as client:
            order = (await client.order(**LIMIT, newClientOrderId="stays")).json()
        async with httpx.AsyncClient(verify=False, headers={"X-MBX-APIKEY": KEY}) as plain:
            key = (await plain.post(f"{venue.url}/api/v3/userDataStream")).json()["listenKey"]
        before = await everything(venue)
    with paper_venue(*arguments) as venue:
        after = await everything(venue)
        async with SignedClient(venue) as client, connect(venue.stream(f"ws/{key}")) as socket:
            await asyncio.sleep(0.2)
            canceled = await client("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="stays")
            told = json.loads(await asyncio.wait_for(socket.recv(), 60))

    assert after == before
    assert [each["orderId"] for each in after["openOrders"]] == [order["orderId"]]
    assert canceled.json()["orderId"] == told["i"] == order["orderId"]


def test_a_restart_changes_no_fill(tmp_path: Path) -> None:
    steady, restarted = Trader(path=tmp_path / "steady.sqlite"), Trader(path=tmp_path / "restarted.sqlite")
    bid = next(iter(steady.btc.depth(steady.now, 1).bids))
    for trader in (steady, restarted):
        for number in range(5):
            trader.place(Side.BUY, OrderType.LIMIT, 2 * BTC, bid - 500 * number)
            trader.place(Side.SELL, OrderType.LIMIT, BTC, bid + 700 * (number + 1))
        trader.place(Side.SELL, OrderType.STOP_LOSS, BTC, stop_price=bid - 20_000)

    steady.pass_time(1800)
    for _ in range(60):
        restarted.pass_time(20)
        restarted.restart()
        restarted.wall.advance(10)
    restarted.desk.now()

    fills = [trader.records.fills(trader.account, "BTCUSDT", 1000, end=1 << 60) for trader in (steady, restarted)]
    assert len(fills[0]) > 20
    assert fills[0] == fills[1]
    assert steady.desk.state.balances == restarted.desk.state.balances


def test_prints_from_before_an_order_do_not_fill_it_after_a_restart(tmp_path: Path) -> None:
    trader = Trader(path=tmp_path / "venue.sqlite")
    start = trader.btc.last(trader.now)
    trader.place(Side.BUY, OrderType.LIMIT, BTC, start.price // 2)
    trader.pass_time(600)
    depth = trader.btc.depth(trader.now, 1)
    buy = trader.place(Side.BUY, OrderType.LIMIT, BTC, next(iter(depth.bids))).order
    sell = trader.place(Side.SELL, OrderType.LIMIT, BTC, next(iter(depth.asks))).order

    trader.restart()
    trader.desk.now()

    earlier = list(trader.btc.tape.since(start.id + 1, trader.now))
    assert any(buy.crossed_by(trade) or sell.crossed_by(trade) for trade in earlier)
    assert (trader.order(buy), trader.order(sell)) == (buy, sell)


def test_a_step_that_cannot_be_written_has_not_happened(tmp_path: Path) -> None:
    trader = Trader(path=tmp_path / "venue.sqlite")
    before = dict(trader.desk.state.balances[trader.account])
    trader.records._database.execute(
        "CREATE TRIGGER full BEFORE INSERT ON balances BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    )

    with pytest.raises(StoreProblem, match="disk full"):
        trader.place(Side.BUY, OrderType.MARKET, BTC)
    trader.records._database.execute("DROP TRIGGER full")

    assert trader.desk.state.balances[trader.account] == before
    assert trader.events == []
    assert trader.records.orders(trader.account, "BTCUSDT", 10, end=1 << 60) == []
    assert trader.place(Side.BUY, OrderType.MARKET, BTC).order.id == 1


async def test_the_demo_account_has_a_key_of_its_own_and_its_money_once(tmp_path: Path) -> None:
    file, store = tmp_path / "home" / "account.json", tmp_path / "home" / "venue.sqlite"
    arguments = ("--store", str(store), "--demo-account", str(file))
    with paper_venue(*arguments) as venue:
        credentials = json.loads(file.read_text())
        async with SignedClient(venue, **credentials) as client:
            (await client.order(side="BUY", type="MARKET", quantity="0.5")).raise_for_status()
            first = (await client("GET", "/api/v3/account")).json()["balances"]
    with paper_venue(*arguments) as venue:
        async with SignedClient(venue, **credentials) as client:
            second = (await client("GET", "/api/v3/account")).json()["balances"]

    assert first == second
    assert {each["asset"]: float(each["free"]) > 0 for each in first} == dict.fromkeys(
        ("BTC", "ETH", "SOL", "USDT"), True
    )
    for path in (file, store):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == credentials


@pytest.mark.parametrize("content", ["", "[]", '{"key": "short", "secret": "short"}'])
def test_a_file_that_is_no_account_is_left_as_it_is_and_said(tmp_path: Path, content: str) -> None:
    file = tmp_path / "account.json"
    file.write_text(content)

    with pytest.raises(StoreProblem, match="is not a key and a secret"):
        open_demo_account(Trader().desk, file)

    assert file.read_text() == content


async def test_under_many_orders_at_once_stream_answers_and_file_say_the_same(tmp_path: Path) -> None:
    store = tmp_path / "venue.sqlite"
    with paper_venue("--control", "--order-limit", "100000", "--store", str(store)) as venue:
        account = await open_account(venue)
        async with (
            httpx.AsyncClient(verify=False, headers={"X-MBX-APIKEY": KEY}) as plain,
            SignedClient(venue) as client,
        ):
            key = (await plain.post(f"{venue.url}/api/v3/userDataStream")).json()["listenKey"]
            async with connect(venue.stream(f"ws/{key}"), max_queue=None) as socket:
                await asyncio.sleep(0.2)
                await asyncio.gather(*(trade(client, number) for number in range(6)))
                end = (await client.order(side="BUY", type="MARKET", quantity="0.01")).json()["orderId"]
                events = await until_filled(socket, end)
            rest = await everything(venue)
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as file:
            written = {row[0]: row[1:] for row in file.execute("SELECT id, status, executed FROM orders")}
            balances = dict(file.execute("SELECT asset, free || '/' || locked FROM balances WHERE account = 1"))

    reports = [event for event in events if event["e"] == "executionReport"]
    told = {report["i"]: report for report in reports}
    positions = {each["a"]: each for event in events if event["e"] == "outboundAccountPosition" for each in event["B"]}
    assert account["account"] == 1
    assert len(told) == len(rest["allOrders"]) == len(written) == 61
    for order in rest["allOrders"]:
        report = told[order["orderId"]]
        assert (report["X"], report["z"], report["c"] if report["x"] != "CANCELED" else report["C"]) == (
            order["status"], order["executedQty"], order["clientOrderId"]
        )  # fmt: skip
        assert written[order["orderId"]] == (order["status"], int(Decimal(order["executedQty"]).scaleb(8)))
    assert [report["t"] for report in reports if report["x"] == "TRADE"] == [each["id"] for each in rest["myTrades"]]
    for balance in rest["balances"]:
        free, _, locked = balances[balance["asset"]].partition("/")
        assert (Decimal(free), Decimal(locked)) == (Decimal(balance["free"]), Decimal(balance["locked"]))
        if balance["asset"] in positions:
            last = positions[balance["asset"]]
            assert (last["f"], last["l"]) == (balance["free"], balance["locked"])


async def trade(client: SignedClient, number: int) -> None:
    """Ten orders, one after the other: taken, canceled and left, on both sides."""
    for turn in range(5):
        side = "BUY" if (number + turn) % 2 else "SELL"
        (await client.order(side=side, type="MARKET", quantity="0.05")).raise_for_status()
        resting = (await client.order(**{**LIMIT, "price": "40000", "quantity": "0.01"})).json()
        if turn % 2:
            await client("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=resting["orderId"])


async def until_filled(socket: ClientConnection, order: int) -> list[dict[str, Any]]:
    """Every event up to the balances after an order was filled."""
    events: list[dict[str, Any]] = []
    filled = False
    while True:
        events.append(json.loads(await asyncio.wait_for(socket.recv(), 60)))
        if filled and events[-1]["e"] == "outboundAccountPosition":
            return events
        filled = filled or (events[-1].get("i") == order and events[-1]["X"] == "FILLED")


def test_a_file_belongs_to_one_venue_at_a_time(tmp_path: Path) -> None:
    store = str(tmp_path / "venue.sqlite")
    with paper_venue("--store", store):
        second = start("--store", store)
    (tmp_path / "nonsense").write_text("this is not a database" * 100)
    broken = start("--store", str(tmp_path / "nonsense"))

    assert (second.returncode, broken.returncode) == (1, 1)
    assert "Another paper venue has" in second.stderr.splitlines()[-1]
    assert "cannot be used" in broken.stderr.splitlines()[-1]


async def test_at_a_higher_speed_orders_fill_by_the_venues_time() -> None:
    with paper_venue("--control", "--speed", "120", "--start-behind", "7200") as venue:
        await open_account(venue)
        async with SignedClient(venue) as client:
            book = (await client("GET", "/api/v3/account"), await bids(venue))[1]
            placed = (
                await client.order(side="BUY", type="LIMIT", timeInForce="GTC", quantity="3", price=book[0][0])
            ).json()
            for _ in deadline(30):
                await asyncio.sleep(0.2)
                order = await client("GET", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"])
                if float(order.json()["executedQty"]) > 0:
                    break
            trades = (await client("GET", "/api/v3/myTrades", symbol="BTCUSDT", orderId=placed["orderId"])).json()

    assert placed["transactTime"] < time.time() * 1000 - 600_000
    assert all(placed["transactTime"] < trade["time"] for trade in trades if trade["isMaker"])


async def bids(venue: RunningVenue) -> list[list[str]]:
    """The shown bids of BTC."""
    async with httpx.AsyncClient(verify=False) as plain:
        answer = await plain.get(f"{venue.url}/api/v3/depth", params={"symbol": "BTCUSDT", "limit": 5})
        shown: list[list[str]] = answer.json()["bids"]
        return shown


def start(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Start a venue that is not expected to."""
    return subprocess.run(
        [sys.executable, "-m", "local.paper", *arguments], capture_output=True, text=True, timeout=90, check=False
    )
