"""Trading that goes wrong when asked to: replies lost, failures, delays, late visibility, streams that misbehave."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2 as httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.local.paper_trading import KEY, SECRET, SignedClient, open_account, switch
from tests.paper_venue import RunningVenue, deadline, paper_venue

ORDER = "/api/v3/order"
LIMIT = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1", "price": "60000"}
MARKET = {"side": "BUY", "type": "MARKET", "quantity": "0.01"}
CALM: dict[str, Any] = {
    "requests": [],
    "duplicate_client_ids": "open",
    "visibility_delay_ms": 0,
    "user_streams": None,
}


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    """A venue with accounts."""
    with paper_venue("--control") as running:
        yield running


@pytest.fixture
async def client(venue: RunningVenue) -> AsyncIterator[SignedClient]:
    """A client with a funded account, no open orders and no faults."""
    await open_account(venue)
    async with SignedClient(venue) as opened:
        await opened("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
        yield opened
    await switch(venue, **CALM)


def rule(effect: str, **more: Any) -> dict[str, Any]:
    """A rule for placing orders, for one request unless it says otherwise."""
    return {"effect": effect, "method": "POST", "path": ORDER, "times": 1, **more}


async def named(client: SignedClient, name: str) -> httpx.Response:
    """The order of a client order id."""
    return await client("GET", ORDER, symbol="BTCUSDT", origClientOrderId=name)


async def test_a_lost_reply_leaves_an_order_behind(venue: RunningVenue, client: SignedClient) -> None:
    await switch(venue, requests=[rule("lose_reply")])

    with pytest.raises(httpx.TransportError):
        await client.order(**LIMIT, newClientOrderId="reply-lost")

    assert (await named(client, "reply-lost")).json()["status"] == "NEW"
    assert (await client.order(**LIMIT)).status_code == 200


async def test_a_lost_request_leaves_nothing(venue: RunningVenue, client: SignedClient) -> None:
    await switch(venue, requests=[rule("lose_request")])

    with pytest.raises(httpx.TransportError):
        await client.order(**LIMIT, newClientOrderId="request-lost")

    assert (await named(client, "request-lost")).json()["code"] == -2013


@pytest.mark.parametrize(
    ("effect", "status", "code", "exists"), [("fail_before", 503, -1008, False), ("fail_after", 504, -1007, True)]
)
async def test_a_failure_says_nothing_of_what_was_done(
    venue: RunningVenue, client: SignedClient, effect: str, status: int, code: int, exists: bool
) -> None:
    await switch(venue, requests=[rule(effect)])

    answer = await client.order(**LIMIT, newClientOrderId=effect)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ((await named(client, effect)).status_code == 200) is exists


async def test_a_delay_comes_before_or_after_the_order(venue: RunningVenue, client: SignedClient) -> None:
    for effect, exists_meanwhile in (("delay_before", False), ("delay_after", True)):
        await switch(venue, requests=[rule(effect, milliseconds=700)])
        began = time.monotonic()
        placing = asyncio.create_task(client.order(**LIMIT, newClientOrderId=effect))
        await asyncio.sleep(0.3)
        meanwhile = await named(client, effect)

        assert (await placing).status_code == 200
        assert time.monotonic() - began >= 0.7
        assert (meanwhile.status_code == 200) is exists_meanwhile


async def test_rules_strike_whom_and_when_they_say(venue: RunningVenue, client: SignedClient) -> None:
    rules = [
        rule("fail_before", where={"newClientOrderId": "the-one"}, status=500, code=-1001),
        rule("fail_before", key="SomebodyElsesKey0001"),
        rule("fail_before", skip=1, times=2, where={"side": "BUY"}),
    ]
    await switch(venue, requests=rules)

    answers = [(await client.order(**LIMIT)).status_code for _ in range(5)]
    the_one = await client.order(**LIMIT, newClientOrderId="the-one")
    async with httpx.AsyncClient(verify=False) as plain:
        state = (await plain.get(venue.control)).json()["requests"]

    assert answers == [200, 503, 503, 200, 200]
    assert (the_one.status_code, the_one.json()["code"]) == (500, -1001)
    assert [each["struck"] for each in state] == [1, 0, 2]


async def test_a_share_of_requests_is_the_same_for_the_same_seed(venue: RunningVenue, client: SignedClient) -> None:
    outcomes = []
    for seed in (3, 3, 4):
        await switch(venue, requests=[rule("fail_before", times=1000, share=0.5, seed=seed)])
        outcomes.append([(await client.order(**LIMIT, newOrderRespType="ACK")).status_code for _ in range(12)])
        await switch(venue, requests=[])
        await client("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")

    assert outcomes[0] == outcomes[1] != outcomes[2]
    assert set(outcomes[0]) == {200, 503}


async def test_rules_reach_requests_over_the_socket(venue: RunningVenue, client: SignedClient) -> None:
    await switch(venue, requests=[rule("lose_reply")])
    async with connect(venue.stream("ws-api/v3")) as socket:
        await socket.send(signed("order.place", symbol="BTCUSDT", **LIMIT, newClientOrderId="socket-lost"))
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 60)

    assert (await named(client, "socket-lost")).json()["status"] == "NEW"


async def test_an_accepted_order_can_be_late_to_be_seen(venue: RunningVenue, client: SignedClient) -> None:
    await switch(venue, visibility_delay_ms=60_000)
    async with user_stream(venue) as socket:
        placed = (await client.order(**LIMIT, newClientOrderId="late")).json()
        filled = (await client.order(**MARKET)).json()
        told = await event(socket)
    hidden = await named(client, "late")
    open_orders = (await client("GET", "/api/v3/openOrders", symbol="BTCUSDT")).json()
    trades = (await client("GET", "/api/v3/myTrades", symbol="BTCUSDT", orderId=filled["orderId"])).json()
    await switch(venue, visibility_delay_ms=0)

    assert told["i"] == placed["orderId"]
    assert hidden.json()["code"] == -2013
    assert (open_orders, trades) == ([], [])
    assert (await named(client, "late")).json()["orderId"] == placed["orderId"]
    assert len((await client("GET", "/api/v3/myTrades", symbol="BTCUSDT", orderId=filled["orderId"])).json()) >= 1


@pytest.mark.parametrize("twice", ["open", "always", "never"])
async def test_the_rule_for_client_order_ids_is_switched(venue: RunningVenue, client: SignedClient, twice: str) -> None:
    await switch(venue, duplicate_client_ids=twice)
    name = f"twice-{twice}"

    answers = [await client.order(**LIMIT, newClientOrderId=name) for _ in range(2)]
    await client("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    answers.append(await client.order(**LIMIT, newClientOrderId=name))

    codes = [answer.json().get("code", 0) for answer in answers]
    assert codes == {"open": [0, -2010, 0], "always": [0, -2010, -2010], "never": [0, 0, 0]}[twice]


async def test_a_silent_user_stream_stays_open_and_says_nothing(venue: RunningVenue, client: SignedClient) -> None:
    async with user_stream(venue) as socket:
        await switch(venue, user_streams={"silent": True})
        await client.order(**MARKET)
        pong = await socket.ping()
        await asyncio.wait_for(pong, 60)
        await switch(venue, user_streams=None)
        order = (await client.order(**MARKET)).json()

        assert (await event(socket))["i"] == order["orderId"]


async def test_events_come_twice(venue: RunningVenue, client: SignedClient) -> None:
    await switch(venue, user_streams={"duplicate": 1})
    async with user_stream(venue) as socket:
        await client.order(**LIMIT)
        events = [await event(socket) for _ in range(4)]

    assert events[0] == events[1]
    assert events[2] == events[3]
    assert [each["e"] for each in events[::2]] == ["executionReport", "outboundAccountPosition"]


async def test_events_change_places(venue: RunningVenue, client: SignedClient) -> None:
    await switch(venue, user_streams={"reorder": 1})
    async with user_stream(venue) as socket:
        order = (await client.order(**LIMIT)).json()
        first = [(await event(socket))["e"] for _ in range(2)]
        await client("DELETE", ORDER, symbol="BTCUSDT", orderId=order["orderId"])
        second = [(await event(socket))["e"] for _ in range(2)]

    assert first == second == ["outboundAccountPosition", "executionReport"]


async def test_the_clock_fault_refuses_timestamps(venue: RunningVenue, client: SignedClient) -> None:
    await switch(venue, clock_offset_ms=-20_000)
    ahead = await client("GET", "/api/v3/account")
    async with httpx.AsyncClient(verify=False) as plain:
        stated = (await plain.get(f"{venue.url}/api/v3/time")).json()["serverTime"]
    corrected = await client("GET", "/api/v3/account", timestamp=stated)
    await switch(venue, clock_offset_ms=0)

    assert ahead.json()["code"] == -1021
    assert corrected.status_code == 200


async def test_everything_dropped_and_down_is_there_again_afterwards(venue: RunningVenue, client: SignedClient) -> None:
    order = (await client.order(**LIMIT, newClientOrderId="through")).json()
    async with user_stream(venue) as socket:
        await switch(venue, down=3600)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(socket.recv(), 60)
    with pytest.raises(httpx.TransportError):
        await named(client, "through")
    await switch(venue, down=0)

    for _ in deadline():
        if (await named(client, "through")).json()["orderId"] == order["orderId"]:
            break


@pytest.mark.parametrize(
    "body",
    [
        {"requests": {}},
        {"requests": [{}]},
        {"requests": [{"effect": "vanish"}]},
        {"requests": [{"effect": "lose_reply", "colour": "red"}]},
        {"requests": [{"effect": "lose_reply", "share": 2}]},
        {"requests": [{"effect": "fail_before", "status": 404}]},
        {"requests": [{"effect": "fail_before", "code": 5}]},
        {"requests": [{"effect": "lose_reply", "where": {"side": 1}}]},
        {"requests": [], "duplicate_client_ids": "sometimes"},
        {"visibility_delay_ms": -1},
        {"user_streams": {"duplicate": "often"}},
        {"user_streams": {"silent": 1}},
        {"user_streams": []},
    ],
)
async def test_a_fault_that_cannot_be_changes_nothing(venue: RunningVenue, client: SignedClient, body: Any) -> None:
    await switch(venue, requests=[rule("fail_before", times=0)])
    async with httpx.AsyncClient(verify=False) as plain:
        before = (await plain.get(venue.control)).json()
        answer = await plain.post(venue.control, json=body)
        after = (await plain.get(venue.control)).json()

    assert answer.status_code == 400
    assert before == after


@asynccontextmanager
async def user_stream(venue: RunningVenue) -> AsyncIterator[ClientConnection]:
    """A socket that is subscribed to the account's user stream."""
    async with connect(venue.stream("ws-api/v3")) as socket:
        await socket.send(signed("userDataStream.subscribe.signature"))
        assert json.loads(await asyncio.wait_for(socket.recv(), 60))["result"] == {"subscriptionId": 0}
        yield socket


async def event(socket: ClientConnection) -> dict[str, Any]:
    """The next event of a user stream."""
    message = json.loads(await asyncio.wait_for(socket.recv(), 60))
    assert message["subscriptionId"] == 0
    told: dict[str, Any] = message["event"]
    return told


def signed(method: str, **parameters: Any) -> str:
    """A request of the WebSocket API."""
    from local.paper.trading.signing import sign

    parameters |= {"apiKey": KEY, "timestamp": int(time.time() * 1000)}
    payload = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    return json.dumps({"id": 1, "method": method, "params": {**parameters, "signature": sign(SECRET, payload)}})
