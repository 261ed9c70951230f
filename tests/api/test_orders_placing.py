"""Placing orders over HTTP: what is written down, what is refused before it is, and with which remedy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest

from fullon.identity.model import Role, Scope
from fullon.orders import order_cache, order_store
from fullon.orders.model import OrderStatus
from fullon.orders.order_data import data_of
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from local.ports import free_port
from tests.api.callers import client, stored_identity, stored_key
from tests.api.orders_world import NOBODY, ORDERS, Trader, a_trader, app_of
from tests.identities import candles_database  # noqa: F401 - a fixture

MINUTES = timedelta(minutes=1)


@pytest.fixture
async def trader(container: Container) -> Trader:
    return await a_trader(container)


async def test_nobody_places_orders_without_a_credential_that_may_trade(container: Container, trader: Trader) -> None:
    viewer = await stored_identity(container, Role.VIEWER)
    reader = await stored_key(container, Scope.READ)
    for caller, status in ((None, 401), (viewer, 403), (reader, 403)):
        async with client(app_of(container), caller) as http:
            assert (await http.post(ORDERS, json=trader.wish())).status_code == status

    assert await trader.count() == 0


async def test_what_is_somebody_elses_answers_as_what_is_missing(container: Container, trader: Trader) -> None:
    other = await a_trader(container)
    bot_id = await other.bot()

    for values in ({"ex_id": str(other.ex_id)}, {"bot_id": str(bot_id)}):
        foreign = await trader.call("POST", "", trader.wish(**values))
        missing = await trader.call("POST", "", trader.wish(**dict.fromkeys(values, NOBODY)))

        assert foreign.status_code == missing.status_code == 404
        assert foreign.json()["code"] == missing.json()["code"]
        assert foreign.json()["detail"] == missing.json()["detail"]
    assert await trader.count() == 0


async def test_an_order_is_written_down_as_an_intent_and_answered_at_once(trader: Trader) -> None:
    body = trader.wish(client_order_id="mine-1", uid=str(trader.caller.user_id))

    answer = await trader.call("POST", "", body)

    placed = answer.json()
    assert answer.status_code == 201
    assert (placed["status"], placed["filled"], placed["remaining"], placed["attempt"]) == ("new", "0", "0.01", 0)
    assert (placed["client_order_id"], placed["dry_run"], placed["origin"]) == ("mine-1", False, "platform")
    async with trader.container.connection() as connection:
        order = await order_store.get(connection, trader.caller.user_id, UUID(placed["order_id"]))
        announced = await connection.fetchrow("SELECT channel, key, data::text FROM outbox")
        trail = await connection.fetchrow("SELECT action, subject FROM audit ORDER BY at DESC LIMIT 1")
    assert announced is not None
    assert trail is not None
    assert data_of(order) == placed == orjson.loads(announced["data"])
    assert (announced["channel"], announced["key"]) == ("orders", placed["order_id"])
    assert tuple(trail) == ("place_order", f"order {placed['order_id']}")
    shown = await trader.done("GET", placed["order_id"])
    assert [event["status"] for event in shown.pop("events")] == ["new"]
    assert shown == placed


@pytest.fixture
async def woken(trader: Trader) -> AsyncIterator[Any]:
    """Says which account the next word was about."""
    async with trader.container.valkey.pubsub() as listener:
        await listener.subscribe(order_cache.NEW_CHANNEL)

        async def next_word() -> str:
            async with asyncio.timeout(30):
                while True:
                    message = await listener.get_message(ignore_subscribe_messages=True, timeout=1)
                    if message is not None:
                        return str(message["data"].decode())

        yield next_word


async def test_whoever_executes_orders_is_told_and_the_cache_has_the_state(trader: Trader, woken: Any) -> None:
    placed = await trader.place()

    assert await woken() == str(trader.ex_id)
    uid = trader.caller.user_id
    assert await order_cache.state(trader.container.valkey, uid, UUID(placed["order_id"])) == placed
    waiting = await order_cache.waiting(trader.container.valkey, uid)
    assert waiting is not None
    assert waiting.size == 1

    await trader.done("DELETE", placed["order_id"])

    assert await woken() == str(trader.ex_id)
    waiting = await order_cache.waiting(trader.container.valkey, uid)
    assert waiting is not None
    assert waiting.size == 0


async def test_orders_are_taken_while_the_cache_is_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, trader: Trader
) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    without = Container(Settings.load())
    lonely = Trader(without, trader.caller, trader.ex_id)

    for values in ({}, {"order_type": "market", "price": None}):
        assert (await lonely.place(**values))["status"] == "new"
    bot_id = str(await lonely.bot(dry_run=True))
    problem = await lonely.refused(order_type="market", price=None, bot_id=bot_id)

    assert problem["rule"] == "price_unknown"  # on paper there is no venue that would know it
    assert await trader.count() == 2
    await without.close()


async def test_a_call_that_is_sent_again_with_its_key_places_one_order(trader: Trader) -> None:
    answers = await asyncio.gather(
        *(trader.call("POST", "", trader.wish(), **{"Idempotency-Key": "k"}) for _ in range(5))
    )
    later = await trader.call("POST", "", trader.wish(), **{"Idempotency-Key": "k"})
    other = await trader.call("POST", "", trader.wish(volume="0.02"), **{"Idempotency-Key": "k"})

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["order_id"] for answer in [*answers, later] if answer.status_code == 201} == {
        later.json()["order_id"]
    }
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await trader.count() == 1


async def test_an_id_of_the_caller_is_of_one_order_of_the_account(container: Container, trader: Trader) -> None:
    first = await trader.place(client_order_id="grid-1")
    other = await a_trader(container)
    await other.place(client_order_id="grid-1")

    again = await trader.call("POST", "", trader.wish(client_order_id="grid-1", volume="0.02"))

    assert (again.status_code, again.json()["code"]) == (409, "duplicate_client_order_id")
    assert again.json()["order_id"] == first["order_id"]
    assert await trader.count() == 2


@pytest.mark.parametrize(
    ("values", "rule", "remedy"),
    [
        ({"volume": "0.010001"}, "quantity_step", {"step": "0.00001", "nearest": "0.01"}),
        ({"price": "60000.005"}, "price_tick", {"tick": "0.01", "nearest": "60000"}),
        ({"price": "60000.005", "side": "sell"}, "price_tick", {"tick": "0.01", "nearest": "60000.01"}),
        ({"volume": "0.00005", "price": "900000"}, "minimum_quantity", {"minimum": "0.0001", "smallest": "0.0001"}),
        ({"volume": "0.0001"}, "minimum_notional", {"minimum": "10", "smallest": "0.00017"}),
        ({"volume": "0.0001", "order_type": "market", "price": None}, "minimum_notional", {"smallest": "0.00017"}),
        (
            {"stop_price": "59999.999", "order_type": "stop", "price": None, "side": "sell"},
            "price_tick",
            {"nearest": "60000"},
        ),
        ({"symbol": "DOGE/USDT"}, "metadata", {}),
        ({"symbol": "ETH/USDT", "order_type": "market", "price": None}, "price_unknown", {}),
        ({"volume": "12345678901.12345678", "price": "0.01"}, "quantity_step", {"nearest": "12345678901.12345"}),
    ],
)
async def test_an_order_that_breaks_a_rule_is_told_which_and_the_amount_that_does_not(
    trader: Trader, values: dict[str, Any], rule: str, remedy: dict[str, str]
) -> None:
    await trader.tick()

    problem = await trader.refused(**values)

    assert (problem["code"], problem["rule"]) == ("order_rule", rule)
    for name, amount in remedy.items():
        assert Decimal(problem[name]) == Decimal(amount)
        assert "E" not in problem[name]
    assert await trader.count() == 0


async def test_the_amount_that_a_refusal_names_is_taken(trader: Trader) -> None:
    problem = await trader.refused(volume="0.0001")
    assert (await trader.place(volume=problem["smallest"]))["status"] == "new"

    problem = await trader.refused(price="60000.005")
    assert (await trader.place(price=problem["nearest"]))["status"] == "new"

    await trader.execute("DELETE FROM orders")
    await trader.balance(USDT="100.5")
    problem = await trader.refused()
    assert (problem["rule"], problem["currency"]) == ("balance", "USDT")
    assert (Decimal(problem["needed"]), Decimal(problem["free"])) == (Decimal(600), Decimal("100.5"))
    assert (await trader.place(volume=problem["largest"]))["volume"] == "0.00167"


async def test_the_price_of_a_silent_venue_says_nothing_of_what_a_market_order_gets(trader: Trader) -> None:
    await trader.tick()
    await trader.place(order_type="market", price=None)
    await trader.silence()

    assert (await trader.refused(order_type="market", price=None))["rule"] == "price_unknown"


async def test_nobody_sells_more_than_is_free_and_a_currency_that_is_not_named_has_none(trader: Trader) -> None:
    await trader.balance(USDT="100000", BTC="0.004")

    assert (await trader.refused(side="sell"))["largest"] == "0.004"
    assert (await trader.refused(symbol="ETH/USDT", side="sell", volume="1", price="3000"))["rule"] == "balance"
    assert (await trader.place(side="sell", volume="0.004"))["status"] == "new"


async def test_a_market_purchase_leaves_room_for_the_price_to_move(trader: Trader) -> None:
    await trader.tick()
    await trader.balance(USDT="600.1")  # 0.01 at the ask of 60,010, and nothing more

    assert (await trader.refused(order_type="market", price=None))["rule"] == "balance"


@pytest.mark.parametrize("age", [2 * MINUTES, timedelta(days=1)])
async def test_an_old_balance_is_not_held_against_an_order(trader: Trader, age: timedelta) -> None:
    await trader.balance(age, USDT="0")

    assert (await trader.place())["status"] == "new"


async def test_a_balance_from_before_the_last_change_of_an_order_is_not_held_against_one(trader: Trader) -> None:
    await trader.place(symbol="ETH/USDT", volume="1", price="3000", side="sell")
    await trader.balance(timedelta(seconds=30), USDT="0")
    await trader.place()

    await trader.execute("UPDATE orders SET updated_at = now() - interval '50 seconds'")
    assert (await trader.refused())["rule"] == "balance"


@pytest.mark.parametrize("record", [b"[]", b"nonsense", b'{"USDT": 1}', b'[{"currency": "USDT", "free": "x"}]'])
async def test_what_the_cache_says_in_another_way_refuses_nothing_but_what_is_not_there(
    trader: Trader, record: bytes
) -> None:
    await trader.balance(USDT="1000")
    await trader.container.valkey.hset(f"accounts:{{{trader.ex_id}}}", "balances", record)

    answer = await trader.call("POST", "", trader.wish())

    assert answer.status_code == (422 if record == b"[]" else 201)


async def test_orders_on_paper_take_nothing_from_the_account(trader: Trader) -> None:
    bot_id = str(await trader.bot(dry_run=True))
    await trader.balance(USDT="0")

    placed = await trader.place(bot_id=bot_id)

    assert (placed["dry_run"], placed["bot_id"]) == (True, bot_id)
    assert (await trader.refused(bot_id=str(await trader.bot())))["rule"] == "balance"


@pytest.mark.parametrize(
    ("symbol", "nearest"),
    [("BTCUSDT", "BTC/USDT"), ("btc/usdt", "BTC/USDT"), ("ETH/USDC", "ETH/USDT"), ("XRP/USDT", None), ("Q", None)],
)
async def test_a_symbol_that_is_not_traded_there_is_answered_with_the_nearest(
    trader: Trader, symbol: str, nearest: str | None
) -> None:
    problem = await trader.refused(symbol=symbol)

    assert problem["code"] == "symbol_not_traded"
    assert "XRP/USDT" not in problem["nearest"]  # it is switched off
    if nearest is not None:
        assert problem["nearest"][0] == nearest
        assert nearest in problem["detail"]


async def test_nothing_is_lent_on_a_spot_market(trader: Trader) -> None:
    problem = await trader.refused(leverage="2")
    future = await trader.place(symbol="BTC/USD:BTC", leverage="2", side="sell")

    assert [each["field"] for each in problem["errors"]] == ["leverage"]
    assert future["leverage"] == "2"
    assert (await trader.call("POST", "", trader.wish(side="short"))).status_code == 422


async def test_what_is_switched_off_orders_nothing_and_is_named(trader: Trader) -> None:
    bot_id = str(await trader.bot(active=False))
    answer = await trader.call("POST", "", trader.wish(bot_id=bot_id))
    assert (answer.status_code, answer.json()["code"]) == (409, "switched_off")
    assert "bot" in answer.json()["detail"]

    await trader.execute("UPDATE exchanges SET active = false")
    answer = await trader.call("POST", "", trader.wish())
    assert (answer.status_code, answer.json()["code"]) == (409, "switched_off")
    assert "account" in answer.json()["detail"]
    assert await trader.count() == 0


async def test_a_bot_orders_only_where_it_trades(trader: Trader) -> None:
    bot_id = await trader.bot()
    await trader.execute("DELETE FROM bot_exchanges")

    answer = await trader.call("POST", "", trader.wish(bot_id=str(bot_id)))

    assert (answer.status_code, answer.json()["code"]) == (404, "bot_not_on_account")


async def test_nothing_real_is_ordered_with_keys_that_cannot_be_used(trader: Trader) -> None:
    await trader.execute("UPDATE exchanges SET problem = 'The venue does not accept the key.'")

    answer = await trader.call("POST", "", trader.wish())
    on_paper = await trader.place(bot_id=str(await trader.bot(dry_run=True)))

    assert (answer.status_code, answer.json()["code"]) == (409, "account_unusable")
    assert "The venue does not accept the key." in answer.json()["detail"]
    assert on_paper["dry_run"] is True


@pytest.mark.parametrize(
    "values",
    [
        {"price": None},
        {"order_type": "market"},
        {"order_type": "stop", "price": None},
        {"order_type": "stop", "stop_price": "59000"},
        {"order_type": "stop_limit"},
        {"stop_price": "59000"},
        {"order_type": "iceberg"},
        {"volume": None},
        {"volume": "0"},
        {"volume": "-1"},
        {"volume": "NaN"},
        {"volume": "1e400"},
        {"volume": "0e999999999"},
        {"volume": "0." + "0" * 18 + "1"},
        {"volume": 0.01},
        {"volume": True},
        {"volume": 10**30},
        {"volume": "10000000000000000000"},
        {"price": float("inf")},
        {"leverage": "0.5"},
        {"client_order_id": ""},
        {"client_order_id": "x" * 65},
        {"client_order_id": "a b"},
        {"client_order_id": "a\n"},
        {"symbol": "BTC USDT"},
        {"symbol": "\x00"},
        {"status": "filled"},
        {"dry_run": True},
        {"uid": NOBODY},
        {"amount": "1"},
    ],
)
async def test_what_is_no_order_is_refused(trader: Trader, values: dict[str, Any]) -> None:
    async with client(app_of(trader.container), trader.caller) as http:
        body = json.dumps(trader.wish(**values))
        answer = await http.post(ORDERS, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]
    assert await trader.count() == 0


@pytest.mark.parametrize("name", ["volume", "ex_id", "x"])
async def test_a_name_that_stands_twice_is_refused(trader: Trader, name: str) -> None:
    body = json.dumps(trader.wish())[:-1] + f', "{name}": "0.02", "{name}": "0.03"}}'
    nested = '{"status": {"a": 1, "a": 2}}'

    async with client(app_of(trader.container), trader.caller, headers={"Content-Type": "application/json"}) as http:
        placing = await http.post(ORDERS, content=body)
        changing = await http.patch(f"{ORDERS}/{NOBODY}/status", content=nested)

    assert placing.status_code == changing.status_code == 422
    assert placing.json()["errors"] == [{"field": name, "message": "stands twice"}]
    assert await trader.count() == 0


async def test_a_body_that_is_no_json_is_no_error_of_ours(trader: Trader) -> None:
    async with client(app_of(trader.container), trader.caller, headers={"Content-Type": "application/json"}) as http:
        for body in (b"", b"{", b"[" * 100_000, b'{"volume": ' + b"9" * 5000 + b"}", b"\xff", b"null"):
            assert (await http.post(ORDERS, content=body)).status_code in {400, 422}, body[:20]


async def test_a_whole_number_and_a_text_with_an_exponent_are_exact(trader: Trader) -> None:
    placed = await trader.place(volume="1E-3", price=60000)

    assert (placed["volume"], placed["price"], placed["status"]) == ("0.001", "60000", OrderStatus.NEW)
