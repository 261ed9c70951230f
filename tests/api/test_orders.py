"""Orders over HTTP after they were placed: who sees them, how they are found, and how their end is asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from fullon.identity.model import Role, Scope
from fullon.orders import order_store
from fullon.orders.model import ENDED, Order
from fullon.orders.model import OrderStatus as S
from fullon.orders.order_data import data_of
from fullon.runtime.container import Container
from functions.orm.order_schemas import OrderAnswer
from tests.api.callers import client, stored_identity, stored_key
from tests.api.orders_world import NOBODY, ORDERS, Trader, a_trader, app_of
from tests.identities import candles_database  # noqa: F401 - a fixture

LISTS = ("open", "history", "by-symbol?symbol=BTC/USDT")


@pytest.fixture
async def trader(container: Container) -> Trader:
    return await a_trader(container)


async def moved(trader: Trader, order_id: str, *ways: S, **values: Any) -> Order:
    """What the daemons make of an order."""
    async with trader.container.transaction() as connection:
        order = await order_store.get(connection, trader.caller.user_id, UUID(order_id))
        for way in ways:
            last = values if way is ways[-1] else {}
            order = await order_store.move(
                connection, trader.container.clock, order, way, **{"actor": "execution", **last}
            )
    return order


async def ids(trader: Trader, path: str) -> list[str]:
    return [each["order_id"] for each in (await trader.done("GET", path))["items"]]


async def test_nobody_sees_or_cancels_orders_without_a_credential(container: Container, trader: Trader) -> None:
    order_id = (await trader.place())["order_id"]
    async with client(app_of(container)) as http:
        for path in (*LISTS, "stats", order_id, f"by-bot?bot_id={NOBODY}"):
            assert (await http.get(f"{ORDERS}/{path}")).status_code == 401, path
        for method in ("PATCH", "PUT"):
            answer = await http.request(method, f"{ORDERS}/{order_id}/status", json={"status": "canceled"})
            assert answer.status_code == 401
        assert (await http.delete(f"{ORDERS}/{order_id}")).status_code == 401


async def test_the_order_of_another_answers_as_a_missing_one(container: Container, trader: Trader) -> None:
    other = await a_trader(container)
    order_id = (await other.place())["order_id"]
    bot_id = await other.bot()
    ways: list[tuple[str, str, Any]] = [
        ("GET", "%s", None),
        ("PATCH", "%s/status", {"status": "canceled"}),
        ("PUT", "%s/status", {"status": "rejected"}),
        ("DELETE", "%s", None),
    ]

    for method, path, body in ways:
        for theirs in (order_id, NOBODY):
            answer = await trader.call(method, path % theirs, body)
            assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")
            assert answer.json()["detail"] == "There is no such order."
    answer = await trader.call("GET", f"by-bot?bot_id={bot_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "bot_not_found")
    assert (await other.done("GET", order_id))["status"] == "new"


async def test_nobody_sees_orders_of_another_by_any_filter_or_cursor(container: Container, trader: Trader) -> None:
    other = await a_trader(container)
    bot_id = await other.bot()
    for number in range(3):
        await other.place(bot_id=str(bot_id), client_order_id=f"n{number}")
    page = await other.done("GET", "history?limit=1")
    mine = (await trader.place())["order_id"]

    for path in LISTS:
        joint = "&" if "?" in path else "?"
        for query in ("", f"cursor={page['next_cursor']}", "start_time=0", "status=new", "side=buy", "dry_run=false"):
            assert await ids(trader, f"{path}{joint}{query}") in ([mine], [])
        for query in (f"ex_id={other.ex_id}", f"bot_id={bot_id}"):
            assert await ids(trader, f"{path}{joint}{query}") == []
    assert (await trader.done("GET", f"stats?ex_id={other.ex_id}"))["orders"] == 0
    assert (await trader.done("GET", "stats"))["orders"] == 1


async def test_a_reader_sees_orders_and_changes_none(container: Container, trader: Trader) -> None:
    order_id = (await trader.place())["order_id"]
    viewer = await stored_identity(container, Role.VIEWER)
    key = await stored_key(container, Scope.READ)
    for caller in (viewer, key):
        async with client(app_of(container), caller) as http:
            assert (await http.get(f"{ORDERS}/history")).json()["items"] == []
            assert (await http.delete(f"{ORDERS}/{order_id}")).status_code == 403


async def test_an_answer_and_an_announcement_of_an_order_are_the_same(trader: Trader) -> None:
    order_id = (await trader.place(client_order_id="mine"))["order_id"]

    order = await moved(trader, order_id, S.SUBMITTED, S.UNKNOWN, reason="No answer.", look_after=None)

    assert OrderAnswer.of(order).model_dump(mode="json") == data_of(order)


async def test_orders_are_found_by_what_they_are(trader: Trader) -> None:
    bot_id = str(await trader.bot(dry_run=True))
    first = (await trader.place(symbol="ETH/USDT", volume="1", price="3000", side="sell"))["order_id"]
    second = (await trader.place(bot_id=bot_id))["order_id"]
    third = (await trader.place())["order_id"]
    await trader.done("DELETE", third)
    created = (await trader.done("GET", second))["created_at"]

    assert await ids(trader, "history") == [third, second, first]
    assert await ids(trader, "open") == [second, first]
    assert await ids(trader, f"by-bot?bot_id={bot_id}") == [second]
    assert await ids(trader, "by-symbol?symbol=BTC/USDT") == [third, second]
    assert await ids(trader, "by-symbol?symbol=BTC/USDT&status=canceled") == [third]
    assert await ids(trader, "history?status=canceled&status=new") == [third, second, first]
    assert await ids(trader, "history?side=sell") == await ids(trader, "open?symbol=ETH/USDT") == [first]
    assert await ids(trader, "history?dry_run=true") == await ids(trader, f"open?bot_id={bot_id}") == [second]
    assert await ids(trader, f"history?ex_id={NOBODY}") == await ids(trader, "by-symbol?symbol=nothing") == []
    assert first in await ids(trader, f"history?end_time={created}")
    assert third in await ids(trader, f"history?start_time={created}")
    assert await ids(trader, "history?start_time=2100-01-01") == []


@pytest.mark.parametrize(
    "query",
    [
        *("status=gone", "side=short", "ex_id=1", "symbol=%00", "dry_run=2", "limit=0", "limit=1001"),
        *("start_time=x", "start_time=2&end_time=1", "cursor=x", "cursor=WzEsICJ4Il0"),
    ],
)
async def test_a_filter_that_is_none_is_refused(trader: Trader, query: str) -> None:
    assert (await trader.call("GET", f"history?{query}")).status_code == 422


async def test_pages_hold_every_order_once_also_when_some_are_of_the_same_time(trader: Trader) -> None:
    placed = [(await trader.place(client_order_id=f"n{number}"))["order_id"] for number in range(7)]
    await trader.execute("UPDATE orders SET created_at = date_trunc('hour', now()) WHERE reference IN ('n2','n3','n4')")
    found: list[str] = []
    cursor = ""

    while True:
        page = await trader.done("GET", f"history?limit=2{cursor}")
        found += [each["order_id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert sorted(found) == sorted(placed)
    assert found == await ids(trader, "history")


@pytest.mark.parametrize(("method", "path"), [("PATCH", "%s/status"), ("PUT", "%s/status"), ("DELETE", "%s")])
async def test_an_order_that_was_never_sent_is_canceled_at_once(trader: Trader, method: str, path: str) -> None:
    order_id = (await trader.place())["order_id"]
    body = None if method == "DELETE" else {"status": "canceled"}

    canceled = await trader.done(method, path % order_id, body)
    again = await trader.done(method, path % order_id, body)

    assert (canceled["status"], canceled["ended_at"]) == ("canceled", canceled["updated_at"])
    assert again == canceled
    events = (await trader.done("GET", order_id))["events"]
    assert [(each["status"], each["actor"]) for each in events] == [
        ("new", str(trader.caller.user_id)),
        ("canceled", str(trader.caller.user_id)),
    ]


@pytest.mark.parametrize("present", [(S.SUBMITTED,), (S.SUBMITTED, S.UNKNOWN), (S.SUBMITTED, S.OPEN)])
async def test_the_end_of_an_order_that_may_be_at_the_venue_is_asked_for(trader: Trader, present: tuple[S]) -> None:
    order_id = (await trader.place())["order_id"]
    await moved(trader, order_id, *present)

    asked = await trader.done("PATCH", f"{order_id}/status", {"status": "canceled"})
    again = await trader.done("DELETE", order_id)

    assert asked["status"] == present[-1]
    assert asked["cancel_requested_at"] is not None
    assert again == asked


@pytest.mark.parametrize("ended", sorted(ENDED - {S.CANCELED}))
async def test_an_order_that_has_ended_otherwise_cannot_be_canceled(trader: Trader, ended: S) -> None:
    order_id = (await trader.place())["order_id"]
    await moved(trader, order_id, S.SUBMITTED, ended)

    for answer in (
        await trader.call("DELETE", order_id),
        await trader.call("PATCH", f"{order_id}/status", {"status": "canceled"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")
        assert answer.json()["present"] == ended
    assert (await trader.done("GET", order_id))["status"] == ended


async def test_what_only_a_venue_can_say_nobody_says_by_hand(trader: Trader) -> None:
    order_id = (await trader.place())["order_id"]

    for way in ((), (S.SUBMITTED,), (S.OPEN,)):
        await moved(trader, order_id, *way)
        for wanted in set(S) - {S.CANCELED}:
            answer = await trader.call("PUT", f"{order_id}/status", {"status": wanted})
            assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition"), wanted
    for body in (
        {},
        {"status": "gone"},
        {"status": "canceled", "filled": "1"},
        {"status": "canceled", "reason": "a\nb"},
    ):
        assert (await trader.call("PATCH", f"{order_id}/status", body)).status_code == 422
    assert (await trader.done("GET", order_id))["status"] == "open"


async def test_of_an_order_that_its_venue_forgot_its_owner_may_say_what_became(trader: Trader) -> None:
    forgotten = []
    for wanted, reason in (("rejected", None), ("expired", "It is not in the venue's list.")):
        order_id = (await trader.place())["order_id"]
        await moved(trader, order_id, S.SUBMITTED, S.UNKNOWN)
        body = {"status": wanted, "reason": reason}
        forgotten.append(await trader.done("PATCH", f"{order_id}/status", body))

    assert [each["status"] for each in forgotten] == ["rejected", "expired"]
    assert [each["reason"] for each in forgotten] == [
        "Its owner said so; the venue does not know it.",
        "It is not in the venue's list.",
    ]


async def test_an_account_with_an_order_alive_stays_and_one_without_goes_with_its_orders(trader: Trader) -> None:
    order_id = (await trader.place())["order_id"]
    account = f"/api/v1/orm/exchanges/user-exchanges/{trader.ex_id}"
    assert (await trader.call("DELETE", account)).json()["code"] == "account_has_orders"

    await trader.done("DELETE", order_id)

    assert (await trader.call("DELETE", account)).status_code == 204
    assert await trader.count() == 0


async def test_what_became_of_orders_is_counted_by_state_and_summed_by_currency(trader: Trader) -> None:
    bot_id = str(await trader.bot(dry_run=True))
    filled = (await trader.place(volume="0.5"))["order_id"]
    await moved(trader, filled, S.SUBMITTED, S.PARTIALLY_FILLED, filled="0.2", cost="12000.5")
    await trader.place(side="sell", symbol="ETH/USDT", volume="1", price="3000")
    await trader.done("DELETE", (await trader.place())["order_id"])
    await trader.place(bot_id=bot_id)

    stats = await trader.done("GET", "stats")

    assert (stats["orders"], stats["alive"]) == (4, 3)
    assert stats["by_status"] == {"new": 2, "partially_filled": 1, "canceled": 1}
    real, paper = stats["sums"]
    assert real == {
        "currency": "USDT",
        "dry_run": False,
        "orders": 3,
        "buys": 2,
        "sells": 1,
        "with_fills": 1,
        "turnover": "12000.5",
    }
    assert (paper["dry_run"], paper["orders"], paper["turnover"]) == (True, 1, "0")
    assert (await trader.done("GET", "stats?status=canceled&side=buy"))["by_status"] == {"canceled": 1}
    tomorrow = (trader.container.clock.now() + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    assert (await trader.done("GET", f"stats?start_time={tomorrow}"))["sums"] == []
