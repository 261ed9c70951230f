"""ccxt and ccxt.pro ``binance`` trade on the paper venue with nothing changed but addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import ccxt.async_support as ccxt
import pytest
from ccxt import pro

from local.paper.addresses import ccxt_overrides
from tests.local.paper_trading import KEY, SECRET, open_account
from tests.paper_venue import RunningVenue, deadline, paper_venue

BTC = "BTC/USDT"


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    """A venue with accounts."""
    with paper_venue("--control") as running:
        yield running


@pytest.fixture
async def exchange(venue: RunningVenue) -> AsyncIterator[Any]:
    """ccxt.pro's ``binance``, which is ccxt's too, with a funded account and no open orders."""
    await open_account(venue)
    own_pace = {"enableRateLimit": False}  # its throttle keeps to limits that are far away here
    opened = pro.binance({"apiKey": KEY, "secret": SECRET, **own_pace, **ccxt_overrides(venue.url)})
    await opened.load_markets()
    yield opened
    for order in await opened.fetch_open_orders(BTC):
        await opened.cancel_order(order["id"], BTC)
    await opened.close()


async def test_balances_fees_and_permissions(exchange: Any) -> None:
    balance = await exchange.fetch_balance()
    fee = await exchange.fetch_trading_fee(BTC)
    permissions = await exchange.sapi_get_account_apirestrictions()

    assert balance["USDT"] == {"free": 1_000_000.0, "used": 0.0, "total": 1_000_000.0}
    assert (fee["maker"], fee["taker"]) == (0.001, 0.001)
    assert (permissions["enableReading"], permissions["enableWithdrawals"]) == (True, False)


async def test_a_market_order_is_filled_with_trades_and_a_fee(exchange: Any) -> None:
    before = await exchange.fetch_balance()

    order = await exchange.create_order(BTC, "market", "buy", 1.5)

    after = await exchange.fetch_balance()
    trades = await exchange.fetch_my_trades(BTC, params={"orderId": order["id"]})
    assert (order["status"], order["filled"], order["remaining"]) == ("closed", 1.5, 0.0)
    assert sum(trade["amount"] for trade in trades) == pytest.approx(1.5)
    assert [trade["id"] for trade in trades] == [trade["id"] for trade in order["trades"]]
    assert {trade["takerOrMaker"] for trade in trades} == {"taker"}
    assert order["fee"]["currency"] == "BTC"
    assert after["BTC"]["total"] - before["BTC"]["total"] == pytest.approx(1.5 * 0.999)
    assert before["USDT"]["total"] - after["USDT"]["total"] == pytest.approx(order["cost"])


async def test_a_market_order_by_cost(exchange: Any) -> None:
    order = await exchange.create_market_buy_order_with_cost(BTC, 2_500)

    assert order["status"] == "closed"
    assert order["cost"] == pytest.approx(2_500, abs=0.01)


async def test_a_limit_order_is_found_by_both_ids_listed_and_canceled(exchange: Any) -> None:
    price = await far_below(exchange)

    order = await exchange.create_order(BTC, "limit", "buy", 0.25, price, {"clientOrderId": "by-my-name"})
    by_id = await exchange.fetch_order(order["id"], BTC)
    by_name = await exchange.fetch_order(None, BTC, {"clientOrderId": "by-my-name"})
    listed = await exchange.fetch_open_orders(BTC)
    locked = (await exchange.fetch_balance())["USDT"]["used"]
    canceled = await exchange.cancel_order(order["id"], BTC)

    assert (order["status"], order["clientOrderId"]) == ("open", "by-my-name")
    assert by_id["id"] == by_name["id"] == order["id"]
    assert [each["id"] for each in listed] == [order["id"]]
    assert locked == pytest.approx(0.25 * price)
    assert canceled["status"] == "canceled"
    assert await exchange.fetch_open_orders(BTC) == []
    assert (await exchange.fetch_canceled_orders(BTC))[-1]["id"] == order["id"]
    with pytest.raises(ccxt.OrderNotFound):
        await exchange.cancel_order(order["id"], BTC)
    with pytest.raises(ccxt.OrderNotFound):
        await exchange.fetch_order("999999999", BTC)


async def test_all_orders_are_canceled_at_once_and_closed_ones_listed(exchange: Any) -> None:
    price = await far_below(exchange)
    for number in range(3):
        await exchange.create_order(BTC, "limit", "buy", 0.1, price - number)
    filled = await exchange.create_order(BTC, "market", "sell", 0.1)

    canceled = await exchange.cancel_all_orders(BTC)

    assert len(canceled) == 3
    assert {order["status"] for order in canceled} == {"canceled"}
    assert (await exchange.fetch_closed_orders(BTC))[-1]["id"] == filled["id"]
    with pytest.raises(ccxt.OrderNotFound):
        await exchange.cancel_all_orders(BTC)


async def test_an_order_is_edited_by_cancel_and_replace(exchange: Any) -> None:
    price = await far_below(exchange)
    order = await exchange.create_order(BTC, "limit", "buy", 0.1, price)

    edited = await exchange.edit_order(
        order["id"], BTC, "limit", "buy", 0.2, price - 100, {"cancelOrderId": int(order["id"])}
    )

    assert edited["id"] != order["id"]
    assert (edited["amount"], edited["status"]) == (0.2, "open")
    assert (await exchange.fetch_order(order["id"], BTC))["status"] == "canceled"


async def test_stops_of_every_kind_are_accepted_and_wait(exchange: Any) -> None:
    last = (await exchange.fetch_ticker(BTC))["last"]

    stops = [
        await exchange.create_order(BTC, "limit", "sell", 0.1, last * 0.7, {"stopLossPrice": last * 0.8}),
        await exchange.create_order(BTC, "limit", "sell", 0.1, last * 1.2, {"takeProfitPrice": last * 1.1}),
        await exchange.create_order(BTC, "market", "sell", 0.1, None, {"stopLossPrice": last * 0.8}),
    ]

    kinds = [(await exchange.fetch_order(stop["id"], BTC))["info"]["type"] for stop in stops]
    assert kinds == ["STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT", "STOP_LOSS"]
    assert all(order["status"] == "open" for order in await exchange.fetch_open_orders(BTC))
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        await exchange.create_order(BTC, "limit", "sell", 0.1, last, {"stopLossPrice": last * 1.1})


async def test_post_only_and_immediate_orders(exchange: Any) -> None:
    book = await exchange.fetch_order_book(BTC)
    ask = book["asks"][0][0]

    with pytest.raises(ccxt.OrderImmediatelyFillable):
        await exchange.create_order(BTC, "limit", "buy", 0.1, ask * 1.001, {"postOnly": True})
    resting = await exchange.create_order(BTC, "limit", "buy", 0.1, ask * 0.9, {"postOnly": True})
    nothing = await exchange.create_order(BTC, "limit", "buy", 0.1, ask * 0.9, {"timeInForce": "IOC"})
    whole = await exchange.create_order(BTC, "limit", "buy", 0.01, ask * 1.01, {"timeInForce": "FOK"})

    assert (resting["status"], resting["postOnly"]) == ("open", True)
    assert (nothing["status"], nothing["filled"]) == ("expired", 0.0)
    assert whole["status"] == "closed"


async def test_each_refusal_is_the_error_it_is_on_the_real_venue(exchange: Any) -> None:
    price = await far_below(exchange)
    cases: list[tuple[type[Exception], str, tuple[Any, ...]]] = [
        (ccxt.InsufficientFunds, "insufficient balance", ("limit", "buy", 100, price)),
        (ccxt.InvalidOrder, "PERCENT_PRICE_BY_SIDE", ("limit", "buy", 100, 1)),
        (ccxt.InvalidOrder, "lot size", ("limit", "buy", 9001, price)),
        (ccxt.BadRequest, "NOTIONAL", ("limit", "buy", 0.00001, price)),
    ]

    for kind, text, order in cases:
        with pytest.raises(kind, match=text):
            await exchange.create_order(BTC, *order)
    with pytest.raises(ccxt.InvalidOrder, match="PRICE_FILTER"):
        await exchange.private_post_order(
            {
                "symbol": "BTCUSDT",
                "side": "BUY",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": 1,
                "price": "60000.001",
            }
        )


async def test_wrong_credentials_are_refused(venue: RunningVenue, exchange: Any) -> None:
    unknown = ccxt.binance({"apiKey": "NobodyHasThisKey00", "secret": SECRET, **ccxt_overrides(venue.url)})
    forged = ccxt.binance({"apiKey": KEY, "secret": "NotTheSecret", **ccxt_overrides(venue.url)})

    for client in (unknown, forged):
        with pytest.raises(ccxt.AuthenticationError):
            await client.fetch_balance()
        await client.close()


async def test_the_user_stream_tells_orders_trades_and_balances_as_rest_does(exchange: Any) -> None:
    watching = [asyncio.create_task(watch()) for watch in (exchange.watch_orders, exchange.watch_my_trades)]
    watching.append(asyncio.create_task(exchange.watch_balance()))
    socket = exchange.client(exchange.urls["api"]["ws"]["ws-api"]["spot"])
    for _ in deadline():
        if "spot" in socket.subscriptions and not [each for each in socket.futures if "authenticate" in each]:
            break
        await asyncio.sleep(0.01)

    order = await exchange.create_order(BTC, "market", "sell", 0.2)
    await asyncio.wait_for(asyncio.gather(*watching), 60)

    for _ in deadline():
        if exchange.orders[-1]["status"] == "closed" and exchange.balance["spot"].get("USDT"):
            break
        await asyncio.sleep(0.01)
    rest = await exchange.fetch_balance()
    trades = await exchange.fetch_my_trades(BTC, params={"orderId": order["id"]})
    assert exchange.orders[-1]["id"] == order["id"]
    assert exchange.orders[-1]["filled"] == 0.2
    assert [trade["id"] for trade in exchange.myTrades] == [trade["id"] for trade in trades]
    assert exchange.balance["spot"]["USDT"]["free"] == rest["USDT"]["free"]


async def test_orders_over_the_socket(exchange: Any) -> None:
    price = await far_below(exchange)

    order = await exchange.create_order_ws(BTC, "limit", "buy", 0.1, price)
    listed = await exchange.fetch_open_orders_ws(BTC)
    shown = await exchange.fetch_order_ws(order["id"], BTC)
    canceled = await exchange.cancel_order_ws(order["id"], BTC)
    balance = await exchange.fetch_balance_ws()
    trades = await exchange.fetch_my_trades_ws(BTC)
    with pytest.raises(ccxt.InsufficientFunds):
        await exchange.create_order_ws(BTC, "limit", "buy", 100, price)

    assert [each["id"] for each in listed] == [order["id"]] == [shown["id"]]
    assert canceled["status"] == "canceled"
    assert balance is not None
    assert isinstance(trades, list)


async def test_a_client_with_a_key_may_ask_for_coins_and_margin_pairs(exchange: Any) -> None:
    exchange.options["fetchCurrencies"] = True
    exchange.options["fetchMargins"] = True

    currencies = await exchange.fetch_currencies()
    markets = await exchange.load_markets(True)

    assert sorted(currencies) == ["BTC", "ETH", "SOL", "USDT"]
    assert BTC in markets


async def far_below(exchange: Any) -> float:
    """A price that is allowed and will not be reached."""
    last: float = (await exchange.fetch_ticker(BTC))["last"]
    return round(last * 0.5, 2)
