"""python-binance trades on the paper venue with nothing changed but addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import pytest
from binance import AsyncClient, BinanceSocketManager
from binance.exceptions import BinanceAPIException
from binance.ws.websocket_api import WebsocketAPI

from tests.local.paper_trading import KEY, SECRET, open_account
from tests.paper_venue import RunningVenue, paper_venue

BTC = "BTCUSDT"


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    """A venue with accounts."""
    with paper_venue("--control") as running:
        yield running


@pytest.fixture
async def client(venue: RunningVenue, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    """A client with a funded account and no open orders."""
    await open_account(venue)
    monkeypatch.setattr(AsyncClient, "API_URL", f"{venue.url}/api")
    monkeypatch.setattr(AsyncClient, "MARGIN_API_URL", f"{venue.url}/sapi")
    monkeypatch.setattr(AsyncClient, "WS_API_URL", venue.stream("ws-api/v3"))
    monkeypatch.setattr(BinanceSocketManager, "STREAM_URL", venue.stream(""))
    monkeypatch.setattr(WebsocketAPI, "TIMEOUT", 1)  # its reader looks whether it is to end only so often
    opened = await AsyncClient.create(KEY, SECRET)
    yield opened
    for order in await opened.get_open_orders(symbol=BTC):
        await opened.cancel_order(symbol=BTC, orderId=order["orderId"])
    await opened.close_connection()


async def test_an_order_goes_its_whole_way(client: Any) -> None:
    price = await far_below(client)

    bought = await client.order_market_buy(symbol=BTC, quantity="0.5")
    placed = await client.order_limit_buy(symbol=BTC, quantity="0.1", price=price, newClientOrderId="mine")
    shown = await client.get_order(symbol=BTC, origClientOrderId="mine")
    listed = await client.get_open_orders()
    canceled = await client.cancel_order(symbol=BTC, origClientOrderId="mine", newClientOrderId="not-any-more")
    orders = await client.get_all_orders(symbol=BTC, orderId=bought["orderId"])
    trades = await client.get_my_trades(symbol=BTC, orderId=bought["orderId"])

    assert (bought["status"], Decimal(bought["executedQty"])) == ("FILLED", Decimal("0.5"))
    assert (placed["status"], shown["orderId"]) == ("NEW", placed["orderId"])
    assert [order["orderId"] for order in listed] == [placed["orderId"]]
    assert canceled["status"] == "CANCELED"
    assert (canceled["origClientOrderId"], canceled["clientOrderId"]) == ("mine", "not-any-more")
    assert [order["status"] for order in orders] == ["FILLED", "CANCELED"]
    assert [trade["id"] for trade in trades] == [fill["tradeId"] for fill in bought["fills"]]
    assert sum(Decimal(trade["quoteQty"]) for trade in trades) == Decimal(bought["cummulativeQuoteQty"])


async def test_account_fees_permissions_and_limits(client: Any) -> None:
    account = await client.get_account(omitZeroBalances="true")
    balance = await client.get_asset_balance("SOL")
    fee = await client.get_trade_fee(symbol=BTC)
    permissions = await client.get_account_api_permissions()
    used = await client.get_current_order_count()

    assert {each["asset"] for each in account["balances"]} == {"BTC", "ETH", "SOL", "USDT"}
    assert Decimal(balance["free"]) == 1000
    assert fee == [{"symbol": BTC, "makerCommission": "0.001", "takerCommission": "0.001"}]
    assert permissions["enableSpotAndMarginTrading"] is True
    assert [limit["interval"] for limit in used] == ["SECOND", "DAY"]


async def test_a_test_order_is_checked_and_not_placed(client: Any) -> None:
    price = await far_below(client)

    answer = await client.create_test_order(
        symbol=BTC, side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.1", price=price
    )
    with pytest.raises(BinanceAPIException) as refused:
        await client.create_test_order(
            symbol=BTC, side="BUY", type="LIMIT", timeInForce="GTC", quantity="100", price=price
        )

    assert answer == {}
    assert (refused.value.code, refused.value.message) == (
        -2010,
        "Account has insufficient balance for requested action.",
    )
    assert await client.get_open_orders(symbol=BTC) == []


async def test_the_user_socket_tells_what_rest_answers(client: Any) -> None:
    async with BinanceSocketManager(client).user_socket() as socket:
        order = await client.order_market_sell(symbol=BTC, quantity="0.3")
        events = [await asyncio.wait_for(socket.recv(), 60) for _ in range(1 + 2 * len(order["fills"]))]

    reports = [event for event in events if event["e"] == "executionReport"]
    told = [event for event in events if event["e"] == "outboundAccountPosition"][-1]
    account = await client.get_account()
    assert [report["x"] for report in reports] == ["NEW"] + ["TRADE"] * len(order["fills"])
    assert {report["i"] for report in reports} == {order["orderId"]}
    assert {report["c"] for report in reports} == {order["clientOrderId"]}
    assert [report["t"] for report in reports[1:]] == [fill["tradeId"] for fill in order["fills"]]
    assert reports[-1]["Z"] == order["cummulativeQuoteQty"]
    free = {each["asset"]: each["free"] for each in account["balances"]}
    assert {each["a"]: each["f"] for each in told["B"]} == {asset: free[asset] for asset in ("BTC", "USDT")}


async def test_requests_over_the_socket(client: Any) -> None:
    price = await far_below(client)

    placed = await client.ws_create_order(
        symbol=BTC, side="BUY", type="LIMIT", timeInForce="GTC", quantity=0.001, price=price
    )
    shown = await client.ws_get_order(symbol=BTC, orderId=placed["orderId"])
    listed = await client.ws_get_open_orders(symbol=BTC)
    canceled = await client.ws_cancel_order(symbol=BTC, orderId=placed["orderId"])
    account = await client.ws_get_account()
    orders = await client.ws_get_all_orders(symbol=BTC)
    with pytest.raises(BinanceAPIException, match="Order does not exist"):
        await client.ws_get_order(symbol=BTC, orderId=999_999_999)

    assert shown["status"] == "NEW"
    assert [order["orderId"] for order in listed] == [placed["orderId"]]
    assert canceled["status"] == "CANCELED"
    assert account["accountType"] == "SPOT"
    assert orders[-1]["orderId"] == placed["orderId"]


async def test_a_listen_key_lives_and_ends(client: Any) -> None:
    key = await client.stream_get_listen_key()

    again = await client.stream_get_listen_key()
    await client.stream_keepalive(key)
    await client.stream_close(key)

    assert again == key
    with pytest.raises(BinanceAPIException) as gone:
        await client.stream_keepalive(key)
    assert gone.value.code == -1125


async def far_below(client: Any) -> str:
    """A price that is allowed and will not be reached."""
    last = Decimal((await client.get_symbol_ticker(symbol=BTC))["price"])
    return str(round(last / 2, 2))
