"""Requests as they go over the wire: signatures, time, permissions, parameters, filters, limits, in Binance's words."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import httpx2 as httpx
import pytest
from websockets.asyncio.client import connect

from tests.local.paper_trading import KEY, OTHER_KEY, OTHER_SECRET, SECRET, SignedClient, open_account
from tests.paper_venue import RunningVenue, paper_venue

LIMIT = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1", "price": "60000"}
MARKET = {"side": "BUY", "type": "MARKET", "quantity": "0.1"}


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    """A venue with accounts."""
    with paper_venue("--control") as running:
        yield running


@pytest.fixture
async def client(venue: RunningVenue) -> AsyncIterator[SignedClient]:
    """A client with a funded account and no open orders."""
    await open_account(venue, permissions=["read", "trade"], enabled=True)
    async with SignedClient(venue) as opened:
        await opened("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
        yield opened


def refusal(answer: httpx.Response) -> tuple[int, int, str]:
    """Status, code and sentence."""
    body = answer.json()
    return answer.status_code, body["code"], body["msg"]


async def test_nobody_gets_in_without_a_key_that_is_known(venue: RunningVenue, client: SignedClient) -> None:
    async with httpx.AsyncClient(verify=False, base_url=venue.url) as anonymous:
        without = await anonymous.get("/api/v3/account", params={"timestamp": int(time.time() * 1000)})
    async with SignedClient(venue, key="short") as malformed, SignedClient(venue, key=OTHER_KEY) as unknown:
        answers = [await each("GET", "/api/v3/account") for each in (malformed, unknown)]

    assert refusal(without) == (401, -2014, "API-key format invalid.")
    assert refusal(answers[0]) == (401, -2014, "API-key format invalid.")
    assert refusal(answers[1]) == (401, -2015, "Invalid API-key, IP, or permissions for action.")


async def test_a_signature_that_is_wrong_or_missing_is_refused(venue: RunningVenue, client: SignedClient) -> None:
    forged = await client("GET", "/api/v3/account", signature="0" * 64)
    async with SignedClient(venue, secret=OTHER_SECRET) as other:
        foreign = await other("GET", "/api/v3/account")
    async with httpx.AsyncClient(verify=False, base_url=venue.url, headers={"X-MBX-APIKEY": KEY}) as plain:
        missing = await plain.get("/api/v3/account", params={"timestamp": int(time.time() * 1000)})

    assert refusal(forged) == (400, -1022, "Signature for this request is not valid.")
    assert refusal(foreign) == (400, -1022, "Signature for this request is not valid.")
    assert refusal(missing)[1] == -1102


async def test_a_signature_over_the_body_counts_as_one_over_the_query(client: SignedClient) -> None:
    answers = [await client.order(**LIMIT, in_body=in_body) for in_body in (True, False)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["orderId"] < answers[1].json()["orderId"]


async def test_the_timestamp_has_to_be_of_now(client: SignedClient) -> None:
    now = int(time.time() * 1000)

    late = await client("GET", "/api/v3/account", timestamp=now - 6_000)
    waited = await client("GET", "/api/v3/account", timestamp=now - 6_000, recvWindow=30_000)
    early = await client("GET", "/api/v3/account", timestamp=now + 10_000)
    wide = await client("GET", "/api/v3/account", recvWindow=60_001)

    assert refusal(late) == (400, -1021, "Timestamp for this request is outside of the recvWindow.")
    assert waited.status_code == 200
    assert refusal(early) == (400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    assert refusal(wide)[1] == -1131


async def test_numbers_and_texts_beyond_everything_find_nothing(client: SignedClient) -> None:
    largest = 10**20 - 1

    unsigned = await client("GET", "/api/v3/account", signature="é")
    order = await client("GET", "/api/v3/order", symbol="BTCUSDT", orderId=largest)
    named = await client("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="é" * 100)
    lists = [
        await client("GET", "/api/v3/allOrders", symbol="BTCUSDT", orderId=largest),
        await client("GET", "/api/v3/allOrders", symbol="BTCUSDT", startTime=largest),
        await client("GET", "/api/v3/myTrades", symbol="BTCUSDT", fromId=largest),
        await client("GET", "/api/v3/myTrades", symbol="BTCUSDT", orderId=largest),
    ]
    spent = await client.order(side="BUY", type="MARKET", quoteOrderQty="99999999999999999999")

    assert refusal(unsigned)[1] == -1022
    assert refusal(order)[1] == refusal(named)[1] == -2013
    assert [each.json() for each in lists] == [[], [], [], []]
    assert refusal(spent)[1] == -2010


async def test_a_key_does_only_what_it_may(venue: RunningVenue, client: SignedClient) -> None:
    await open_account(venue, permissions=["read"])
    reading = await client("GET", "/api/v3/account"), await client.order(**LIMIT)
    await open_account(venue, permissions=["read", "trade", "withdraw"])
    withdrawing = (await client("GET", "/sapi/v1/account/apiRestrictions")).json()
    await open_account(venue, enabled=False)
    revoked = await client("GET", "/api/v3/account")

    assert (reading[0].status_code, refusal(reading[1])[:2]) == (200, (401, -2015))
    assert withdrawing["enableWithdrawals"] is True
    assert refusal(revoked)[:2] == (401, -2015)


async def test_two_keys_can_open_one_account_and_no_key_another(venue: RunningVenue, client: SignedClient) -> None:
    placed = (await client.order(**LIMIT)).json()
    shared = await open_account(venue, "SecondKeyOfAccount1", OTHER_SECRET, shares=KEY, balances={})
    await open_account(venue, OTHER_KEY, OTHER_SECRET, balances={"USDT": "5"})

    async with (
        SignedClient(venue, "SecondKeyOfAccount1", OTHER_SECRET) as second,
        SignedClient(venue, OTHER_KEY, OTHER_SECRET) as foreign,
    ):
        same = await second("GET", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"])
        theirs = await foreign("GET", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"])
        cancel = await foreign("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"])

    assert len(shared["keys"]) == 2
    assert same.json()["clientOrderId"] == placed["clientOrderId"]
    assert refusal(theirs) == (400, -2013, "Order does not exist.")
    assert refusal(cancel) == (400, -2011, "Unknown order sent.")


@pytest.mark.parametrize(
    ("order", "code", "sentence"),
    [
        ({**LIMIT, "symbol": "NOPEUSDT"}, -1121, "Invalid symbol."),
        ({**LIMIT, "side": "HOLD"}, -1117, "Invalid side."),
        ({**LIMIT, "type": "WISH"}, -1116, "Invalid orderType."),
        ({**LIMIT, "timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
        ({**LIMIT, "price": "60000.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({**LIMIT, "price": "1000000.01"}, -1013, "Filter failure: PRICE_FILTER"),
        ({**LIMIT, "price": "1.00"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({**LIMIT, "quantity": "9000.1"}, -1013, "Filter failure: LOT_SIZE"),
        ({**LIMIT, "quantity": "0.00001"}, -1013, "Filter failure: NOTIONAL"),
        ({**LIMIT, "quantity": "200"}, -1013, "Filter failure: NOTIONAL"),
        ({**MARKET, "quantity": "121"}, -1013, "Filter failure: MARKET_LOT_SIZE"),
        ({**LIMIT, "symbol": "ETHUSDT", "price": "3000", "quantity": "0.12345"}, -1013, "Filter failure: LOT_SIZE"),
        ({**LIMIT, "icebergQty": "0.001"}, -1013, "Filter failure: ICEBERG_PARTS"),
        ({**LIMIT, "quantity": "0.123456789"}, -1111, "Parameter 'quantity' has too much precision."),
        ({**LIMIT, "quantity": "0"}, -1013, "Invalid quantity."),
        ({**LIMIT, "price": ""}, -1105, "Parameter 'price' was empty."),
        ({**MARKET, "price": "60000"}, -1106, "Parameter 'price' sent when not required."),
        ({**MARKET, "timeInForce": "GTC"}, -1106, "Parameter 'timeInForce' sent when not required."),
        (
            {**LIMIT, "colour": "red"},
            -1104,
            "Not all sent parameters were read; read '8' parameter(s) but was sent '9'.",
        ),
        ({**LIMIT, "quantity": "100"}, -2010, "Account has insufficient balance for requested action."),
    ],
)
async def test_a_request_that_breaks_a_rule_is_told_which(
    client: SignedClient, order: dict[str, str], code: int, sentence: str
) -> None:
    answer = await client.order(**order)

    assert refusal(answer) == (400, code, sentence)


@pytest.mark.parametrize("missing", ["side", "type", "timeInForce", "quantity", "price"])
async def test_a_mandatory_parameter_is_asked_for_by_name(client: SignedClient, missing: str) -> None:
    answer = await client.order(**{name: value for name, value in LIMIT.items() if name != missing})

    assert refusal(answer) == (
        400, -1102, f"Mandatory parameter '{missing}' was not sent, was empty/null, or malformed."
    )  # fmt: skip


@pytest.mark.parametrize("value", ["1e-3", "-1", "abc", "NaN", "0x10", "1,5"])
async def test_a_number_is_written_plainly(client: SignedClient, value: str) -> None:
    answer = await client.order(**{**LIMIT, "quantity": value})

    assert refusal(answer)[1] == -1100


async def test_only_so_many_stops_may_wait(client: SignedClient) -> None:
    stop = {"side": "SELL", "type": "STOP_LOSS", "quantity": "0.01", "stopPrice": "40000"}

    answers = [await client.order(**stop) for _ in range(6)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [400]
    assert refusal(answers[-1])[2] == "Filter failure: MAX_NUM_ALGO_ORDERS"


@pytest.mark.parametrize(
    ("wanted", "has_status", "has_fills"), [("ACK", False, False), ("RESULT", True, False), ("FULL", True, True)]
)
async def test_an_order_is_answered_as_fully_as_asked(
    client: SignedClient, wanted: str, has_status: bool, has_fills: bool
) -> None:
    answer = (await client.order(**MARKET, newOrderRespType=wanted)).json()

    assert {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"} <= set(answer)
    assert ("status" in answer, "fills" in answer) == (has_status, has_fills)


async def test_headers_count_weight_and_orders(client: SignedClient) -> None:
    first, second = await client.order(**LIMIT), await client.order(**LIMIT)
    account = await client("GET", "/api/v3/account")

    for name in ("X-MBX-ORDER-COUNT-10S", "X-MBX-ORDER-COUNT-1D"):
        assert int(second.headers[name]) > 0
    assert int(second.headers["X-MBX-ORDER-COUNT-1D"]) == int(first.headers["X-MBX-ORDER-COUNT-1D"]) + 1
    assert int(account.headers["X-MBX-USED-WEIGHT-1M"]) >= 20


async def test_too_many_orders_and_too_many_requests_are_429_and_then_418() -> None:
    with paper_venue("--control", "--order-limit", "3", "--weight-limit", "60") as venue:
        await open_account(venue)
        async with SignedClient(venue) as client:
            orders = [await client.order(**LIMIT) for _ in range(8)]
            requests = [await client("GET", "/api/v3/account") for _ in range(16)]

    refused = next(answer for answer in orders if answer.status_code != 200)
    assert refusal(refused) == (429, -1015, "Too many new orders; current limit is 3 orders per 10 SECOND.")
    assert 0 < int(refused.headers["Retry-After"]) <= 10
    assert {answer.status_code for answer in requests} >= {429, 418}
    assert requests[-1].json()["code"] == -1003
    assert int(requests[-1].headers["Retry-After"]) > 60


async def test_cancel_and_replace_says_what_became_of_each_half(client: SignedClient) -> None:
    path = "/api/v3/order/cancelReplace"
    placed = (await client.order(**LIMIT)).json()
    new: dict[str, Any] = {"symbol": "BTCUSDT", **LIMIT, "price": "59000"}

    stopped = await client("POST", path, **new, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=999_999)
    allowed = await client("POST", path, **new, cancelReplaceMode="ALLOW_FAILURE", cancelOrderId=999_999)
    partly = await client(
        "POST", path, **{**new, "quantity": "100"}, cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=placed["orderId"]
    )
    whole = await client(
        "POST", path, **new, cancelReplaceMode="STOP_ON_FAILURE",
        cancelOrderId=allowed.json()["data"]["newOrderResponse"]["orderId"],
    )  # fmt: skip

    assert refusal(stopped) == (400, -2022, "Order cancel-replace failed.")
    assert stopped.json()["data"]["newOrderResult"] == "NOT_ATTEMPTED"
    assert refusal(allowed)[:2] == (409, -2021)
    assert partly.json()["data"]["cancelResult"] == "SUCCESS"
    assert partly.json()["data"]["newOrderResponse"]["code"] == -2010
    assert (whole.status_code, whole.json()["cancelResult"], whole.json()["newOrderResult"]) == (
        200, "SUCCESS", "SUCCESS"
    )  # fmt: skip


async def test_a_restricted_cancellation_spares_an_order_in_another_status(client: SignedClient) -> None:
    order = (await client.order(**LIMIT)).json()["orderId"]
    query = {"symbol": "BTCUSDT", "orderId": order}

    spared = await client("DELETE", "/api/v3/order", **query, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    canceled = await client("DELETE", "/api/v3/order", **query, cancelRestrictions="ONLY_NEW")

    assert refusal(spared) == (400, -2011, "Order was not canceled due to cancel restrictions.")
    assert canceled.json()["status"] == "CANCELED"


async def test_lists_begin_where_they_are_asked_to(client: SignedClient) -> None:
    begin = int(time.time() * 1000)
    ids = [(await client.order(**MARKET)).json()["orderId"] for _ in range(4)]

    newest = (await client("GET", "/api/v3/allOrders", symbol="BTCUSDT", limit=2)).json()
    from_id = (await client("GET", "/api/v3/allOrders", symbol="BTCUSDT", orderId=ids[1], limit=2)).json()
    since = (await client("GET", "/api/v3/myTrades", symbol="BTCUSDT", startTime=begin)).json()
    rest = (await client("GET", "/api/v3/myTrades", symbol="BTCUSDT", fromId=since[1]["id"])).json()
    too_long = await client("GET", "/api/v3/myTrades", symbol="BTCUSDT", startTime=begin, endTime=begin + 86_400_001)

    assert [order["orderId"] for order in newest] == ids[2:]
    assert [order["orderId"] for order in from_id] == ids[1:3]
    assert [trade["orderId"] for trade in since] == sorted(trade["orderId"] for trade in since)
    assert {trade["orderId"] for trade in since} == set(ids)
    assert rest == since[1:]
    assert refusal(too_long)[1] == -1127


async def test_a_listen_key_opens_a_stream_that_ends_with_it(venue: RunningVenue, client: SignedClient) -> None:
    async with httpx.AsyncClient(verify=False, base_url=venue.url, headers={"X-MBX-APIKEY": KEY}) as plain:
        key = (await plain.post("/api/v3/userDataStream")).json()["listenKey"]
        async with connect(venue.stream(f"ws/{key}")) as single, connect(venue.stream(f"stream?streams={key}")) as many:
            await asyncio.sleep(0.2)  # the handshake is answered before the stream is subscribed to
            order = (await client.order(**MARKET)).json()
            event = json.loads(await asyncio.wait_for(single.recv(), 60))
            wrapped = json.loads(await asyncio.wait_for(many.recv(), 60))
            await plain.delete("/api/v3/userDataStream", params={"listenKey": key})
            while event["e"] != "listenKeyExpired":
                event = {**json.loads(await asyncio.wait_for(single.recv(), 60)), "first": event.get("first", event)}

    assert (event["first"]["e"], event["first"]["i"]) == ("executionReport", order["orderId"])
    assert (wrapped["stream"], wrapped["data"]["i"]) == (key, order["orderId"])
    assert event["listenKey"] == key


async def test_money_that_comes_from_outside_is_told_as_such(venue: RunningVenue, client: SignedClient) -> None:
    before = {
        each["asset"]: Decimal(each["free"]) for each in (await client("GET", "/api/v3/account")).json()["balances"]
    }
    async with httpx.AsyncClient(verify=False, base_url=venue.url, headers={"X-MBX-APIKEY": KEY}) as plain:
        key = (await plain.post("/api/v3/userDataStream")).json()["listenKey"]
    async with connect(venue.stream(f"ws/{key}")) as socket:
        await asyncio.sleep(0.2)
        await open_account(venue, balances={}, deposits={"SOL": "2.5"})
        events = [json.loads(await asyncio.wait_for(socket.recv(), 60)) for _ in range(2)]

    assert [event["e"] for event in events] == ["balanceUpdate", "outboundAccountPosition"]
    assert (events[0]["a"], events[0]["d"]) == ("SOL", "2.50000000")
    assert Decimal(events[1]["B"][0]["f"]) == before["SOL"] + Decimal("2.5")


async def test_the_socket_refuses_nonsense_in_words(venue: RunningVenue, client: SignedClient) -> None:
    async def ask(socket: Any, text: str) -> dict[str, Any]:
        await socket.send(text)
        answer: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 60))
        return answer

    async with connect(venue.stream("ws-api/v3")) as socket:
        garbled = await ask(socket, "{")
        unknown = await ask(socket, json.dumps({"id": 7, "method": "wish", "params": {}}))
        unsigned = await ask(socket, json.dumps({"id": "a", "method": "account.status", "params": {"apiKey": KEY}}))
        named = await ask(socket, json.dumps({"id": {}, "method": "ping"}))
        half: dict[str, Any] = {"apiKey": KEY, "signature": "\ud800"}
        halved = await ask(socket, json.dumps({"id": "\ud800", "method": "order.status", "params": half}))
        market = await ask(socket, json.dumps({"id": 8, "method": "ticker.price", "params": {"symbol": "BTCUSDT"}}))

    assert (garbled["status"], garbled["error"]["code"]) == (400, -1135)
    assert (unknown["id"], unknown["error"]["code"]) == (7, -1020)
    assert (named["id"], named["error"]["code"]) == (None, -1135)
    assert (halved["id"], halved["status"]) == ("?", 400)
    assert (unsigned["id"], unsigned["error"]["code"]) == ("a", -1102)
    assert (market["status"], market["result"]["symbol"]) == (200, "BTCUSDT")
    assert market["rateLimits"][0]["rateLimitType"] == "REQUEST_WEIGHT"


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"key": "short", "secret": SECRET},
        {"key": "AnotherKeyForAccounts"},
        {"key": KEY, "balances": {"USDT": 5}},
        {"key": KEY, "balances": {"USDT": "-1"}},
        {"key": KEY, "balances": {"USDT": "1.000000001"}},
        {"key": KEY, "deposits": {"SOL": "-1000000"}},
        {"key": KEY, "permissions": ["fly"]},
        {"key": KEY, "fees": {"maker": "1"}},
        {"key": "AnotherKeyForAccounts", "secret": SECRET, "shares": "nobody"},
        {"key": KEY, "colour": "red"},
    ],
)
async def test_an_account_that_cannot_be_is_refused(venue: RunningVenue, client: SignedClient, body: object) -> None:
    async with httpx.AsyncClient(verify=False) as plain:
        before = (await plain.get(f"{venue.control}/accounts")).json()
        answer = await plain.post(f"{venue.control}/accounts", json=body)
        after = (await plain.get(f"{venue.control}/accounts")).json()

    assert answer.status_code == 400
    assert answer.json()["detail"]
    assert before == after
    assert SECRET not in json.dumps(after)
