"""Bots, their exchanges, strategies and feeds over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from fullon.identity.model import Identity, Role
from fullon.runtime.container import Container
from fullon.strategies import catalogue
from functions.orm.app import create
from tests.api.callers import client, stored_identity
from tests.identities import candles_database  # noqa: F401 - a fixture
from tests.people import a_venue

BOTS = "/api/v1/orm/bots"
STRATEGIES = "/api/v1/orm/strategies"
NOBODY = "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11"


@pytest.fixture
async def trader(container: Container) -> Identity:
    """Somebody, on a platform with a venue of two symbols and the catalogue of strategies."""
    async with container.transaction() as connection:
        await a_venue(connection, "paper", "BTC/USDT", "ETH/USDT")
        await catalogue.put_builtin(connection)
    return await stored_identity(container)


async def call(
    container: Container, caller: Identity | None, method: str, path: str, body: Any = None
) -> httpx2.Response:
    async with client(create(container), caller) as http:
        return await http.request(method, path, json=body)


async def done(container: Container, caller: Identity, method: str, path: str, body: Any = None) -> Any:
    answer = await call(container, caller, method, path, body)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


async def an_account(container: Container, owner: Identity, name: str = "main") -> UUID:
    ex_id = uuid4()
    async with container.transaction() as connection:
        await connection.execute(
            "INSERT INTO exchanges (ex_id, uid, cat_ex_id, name, key_hint, sealed, data_key, master_key_id, created_at,"
            " updated_at) SELECT $1, $2, cat_ex_id, $3, 'abcd', '-', '-', 'test', now(), now() FROM cat_exchanges",
            ex_id,
            owner.user_id,
            name,
        )
    return ex_id


async def a_bot(container: Container, owner: Identity, name: str = "one", **values: Any) -> str:
    return str((await done(container, owner, "POST", BOTS, {"name": name, **values}))["bot_id"])


async def a_strategy(container: Container, owner: Identity, bot_id: str, **values: Any) -> Any:
    found = await done(container, owner, "GET", f"{STRATEGIES}/catalog-id?name=rsi_long")
    body = {"bot_id": bot_id, "cat_str_id": found["cat_str_id"], "name": "long", **values}
    return await done(container, owner, "POST", f"{STRATEGIES}/bot-strategies", body)


async def test_a_bot_is_made_changed_replaced_and_removed(container: Container, trader: Identity) -> None:
    bot = await done(container, trader, "POST", BOTS, {"name": "one", "note": "n", "uid": str(trader.user_id)})
    path = f"{BOTS}/{bot['bot_id']}"
    assert (bot["active"], bot["dry_run"], bot["active_since"]) == (False, True, None)

    changed = await done(container, trader, "PATCH", path, {"active": True})
    assert (changed["active"], changed["note"]) == (True, "n")
    assert changed["active_since"] is not None
    replaced = await done(container, trader, "PUT", path, {"name": "two"})
    assert (replaced["name"], replaced["active"], replaced["note"], replaced["active_since"]) == (
        "two",
        False,
        "",
        None,
    )
    assert await done(container, trader, "GET", path) == replaced

    assert (await call(container, trader, "DELETE", path)).status_code == 204
    assert (await call(container, trader, "GET", path)).status_code == 404


async def test_a_name_is_taken_once_for_each_user(container: Container, trader: Identity) -> None:
    other = await stored_identity(container)
    await a_bot(container, trader, "same")
    second = await a_bot(container, trader, "other")
    await a_bot(container, other, "same")

    for method, path in (("POST", BOTS), ("PATCH", f"{BOTS}/{second}"), ("PUT", f"{BOTS}/{second}")):
        answer = await call(container, trader, method, path, {"name": "same"})
        assert (answer.status_code, answer.json()["code"]) == (409, "bot_name_taken")


async def test_a_foreign_bot_answers_as_a_missing_one_everywhere(container: Container, trader: Identity) -> None:
    other = await stored_identity(container)
    bot_id = await a_bot(container, other)
    strategy = await a_strategy(container, other, bot_id)
    feed = {"str_id": strategy["str_id"], "symbol_id": 1}
    simulation = {"window_from": "2026-01-01T00:00:00Z", "window_until": "2026-01-02T00:00:00Z", "result": {}}
    reads = ["", "/details", "/stats", "/strategies", "/exchanges", "/feeds", "/actions", "/last-log", "/simulations"]
    ways: list[tuple[str, str, Any]] = [("GET", f"{BOTS}/%s{tail}", None) for tail in reads]
    ways += [
        ("PATCH", f"{BOTS}/%s", {"active": True}),
        ("PUT", f"{BOTS}/%s", {"name": "x"}),
        ("DELETE", f"{BOTS}/%s", None),
        ("POST", f"{BOTS}/%s/exchanges", {"ex_id": NOBODY}),
        ("DELETE", f"{BOTS}/%s/exchanges?ex_id={NOBODY}", None),
        ("POST", f"{BOTS}/%s/feeds", feed),
        ("PUT", f"{BOTS}/%s/feeds", {"str_id": strategy["str_id"], "feeds": []}),
        ("POST", f"{BOTS}/%s/simulations", simulation),
        ("GET", f"{STRATEGIES}/bot-strategies?bot_id=%s", None),
        ("POST", f"{STRATEGIES}/bot-strategies", {"bot_id": "%s", "cat_str_id": 1, "name": "x"}),
    ]

    for method, path, body in ways:
        answers = []
        for identifier in (bot_id, NOBODY):
            filled = {key: identifier if value == "%s" else value for key, value in body.items()} if body else None
            answer = await call(container, trader, method, path.replace("%s", identifier), filled)
            problem = answer.json()
            del problem["request_id"]
            answers.append((answer.status_code, problem))
        assert answers[0] == answers[1], path
        assert answers[0][0] == 404, (path, answers)
    assert (await done(container, other, "GET", f"{BOTS}/{bot_id}"))["active"] is False


async def test_a_foreign_strategy_answers_as_a_missing_one(container: Container, trader: Identity) -> None:
    other = await stored_identity(container)
    strategy = await a_strategy(container, other, await a_bot(container, other))
    for method, tail, body in (
        ("GET", "", None),
        ("PUT", "", {"name": "x"}),
        ("DELETE", "", None),
        ("PATCH", "/params", {"parameters": {"entry": "1"}}),
    ):
        for identifier in (strategy["str_id"], NOBODY):
            answer = await call(container, trader, method, f"{STRATEGIES}/bot-strategies/{identifier}{tail}", body)
            assert (answer.status_code, answer.json()["code"]) == (404, "strategy_not_found"), (method, tail)


async def test_nobody_says_whose_a_bot_is(container: Container, trader: Identity) -> None:
    other = await stored_identity(container)

    answer = await call(container, trader, "POST", BOTS, {"name": "x", "user_id": str(other.user_id)})
    assert answer.status_code == 422
    for field in ("owner", "role", "balance", "active_since"):
        answer = await call(container, trader, "POST", BOTS, {"name": "x", field: "1"})
        assert {item["field"] for item in answer.json()["errors"]} == {field}


async def test_viewers_read_and_do_not_change(container: Container, trader: Identity) -> None:
    viewer = await stored_identity(container, Role.VIEWER)

    assert (await done(container, viewer, "GET", BOTS))["items"] == []
    assert (await call(container, viewer, "POST", BOTS, {"name": "x"})).status_code == 403
    assert (await call(container, None, "GET", BOTS)).status_code == 401


async def test_admins_list_anybodys_bots_and_others_only_their_own(container: Container, trader: Identity) -> None:
    admin, other = await stored_identity(container, Role.ADMIN), await stored_identity(container)
    bot_id = await a_bot(container, trader)
    path = f"{BOTS}/by-user?user_id={trader.user_id}"

    for caller in (admin, trader):
        assert [bot["bot_id"] for bot in (await done(container, caller, "GET", path))["items"]] == [bot_id]
    assert (await call(container, other, "GET", path)).status_code == 403


async def test_lists_are_filtered_and_come_in_pages(container: Container, trader: Identity) -> None:
    names = [await a_bot(container, trader, f"bot {number}", active=number % 2 == 0) for number in range(5)]

    pages, cursor = [], ""
    while True:
        page = await done(container, trader, "GET", f"{BOTS}?limit=2{cursor}")
        pages += [bot["bot_id"] for bot in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert pages == names
    active = await done(container, trader, "GET", f"{BOTS}?active=true")
    assert [bot["bot_id"] for bot in active["items"]] == names[::2]
    assert (await call(container, trader, "GET", f"{BOTS}?cursor=nonsense")).status_code == 422


async def test_a_bot_trades_on_accounts_of_its_owner_only(container: Container, trader: Identity) -> None:
    other = await stored_identity(container)
    mine, theirs = await an_account(container, trader), await an_account(container, other)
    path = f"{BOTS}/{await a_bot(container, trader)}/exchanges"

    for _ in range(2):
        linked = await done(container, trader, "POST", path, {"ex_id": str(mine)})
        assert [(link["ex_id"], link["name"], link["exchange"]) for link in linked["items"]] == [
            (str(mine), "main", "paper")
        ]
    answer = await call(container, trader, "POST", path, {"ex_id": str(theirs)})
    assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")
    assert (await call(container, trader, "DELETE", f"{path}?ex_id={mine}")).status_code == 204
    assert (await call(container, trader, "DELETE", f"{path}?ex_id={mine}")).status_code == 404


async def test_a_strategy_has_every_parameter_of_its_kind(container: Container, trader: Identity) -> None:
    strategy = await a_strategy(container, trader, await a_bot(container, trader), parameters={"entry": 25})
    path = f"{STRATEGIES}/bot-strategies/{strategy['str_id']}"

    assert strategy["parameters"] == {"rsi_period": "14", "entry": "25", "exit": "70"}
    changed = await done(container, trader, "PATCH", f"{path}/params", {"parameters": {"exit": "80"}})
    assert changed["parameters"] == {"rsi_period": "14", "entry": "25", "exit": "80"}
    for bad, field in (
        ({"entry": "0"}, "parameters.entry"),
        ({"entry": "1.5"}, "parameters.entry"),
        ({"entry": "x"}, "parameters.entry"),
        ({"other": "1"}, "parameters.other"),
    ):
        answer = await call(container, trader, "PATCH", f"{path}/params", {"parameters": bad})
        assert {item["field"] for item in answer.json()["errors"]} == {field}, bad
    assert (await call(container, trader, "PATCH", f"{path}/params", {"parameters": {"entry": 1.5}})).status_code == 422
    assert (await done(container, trader, "GET", path))["parameters"] == changed["parameters"]


async def test_settings_of_a_strategy_are_exact_and_replaced_whole(container: Container, trader: Identity) -> None:
    strategy = await a_strategy(
        container, trader, await a_bot(container, trader), take_profit="2.5", size="100.00000001", timeout_seconds=3600
    )
    path = f"{STRATEGIES}/bot-strategies/{strategy['str_id']}"

    assert (strategy["take_profit"], strategy["size"], strategy["timeout_seconds"]) == ("2.5", "100.00000001", 3600)
    replaced = await done(container, trader, "PUT", path, {"name": "new", "active": False, "size_pct": "10"})
    assert (replaced["take_profit"], replaced["size"], replaced["size_pct"], replaced["active"]) == (
        None,
        None,
        "10",
        False,
    )
    assert replaced["parameters"] == strategy["parameters"]
    for bad in ({"size": "1", "size_pct": "1"}, {"size": 0.1}, {"leverage": "0.5"}, {"take_profit": "-1"}):
        assert (await call(container, trader, "PUT", path, {"name": "x", **bad})).status_code == 422, bad


async def test_feeds_are_appended_replaced_and_removed_in_order(container: Container, trader: Identity) -> None:
    bot_id = await a_bot(container, trader)
    strategy = await a_strategy(container, trader, bot_id)
    path, of = f"{BOTS}/{bot_id}/feeds", {"str_id": strategy["str_id"]}
    async with container.connection() as connection:
        symbols = dict(await connection.fetch("SELECT symbol, symbol_id FROM symbols"))

    first = await done(container, trader, "POST", path, {**of, "symbol_id": symbols["BTC/USDT"], "compression": 15})
    await done(container, trader, "POST", path, {**of, "symbol_id": symbols["ETH/USDT"], "period": "hours"})
    listed = (await done(container, trader, "GET", path))["items"]
    assert [(feed["symbol"], feed["period"], feed["compression"], feed["order"]) for feed in listed] == [
        ("BTC/USDT", "minutes", 15, 0),
        ("ETH/USDT", "hours", 1, 1),
    ]
    assert (await call(container, trader, "DELETE", f"{path}?feed_id={first['feed_id']}")).status_code == 204
    assert (await call(container, trader, "DELETE", f"{path}?feed_id={first['feed_id']}")).status_code == 404
    replaced = await done(
        container,
        trader,
        "PUT",
        path,
        {**of, "feeds": [{"symbol_id": symbols["BTC/USDT"]}, {"symbol_id": symbols["BTC/USDT"]}]},
    )
    assert [feed["order"] for feed in replaced["items"]] == [0, 1]

    for bad, field in (
        ({"symbol_id": 2**30}, "symbol_id"),
        ({"symbol_id": symbols["BTC/USDT"], "ex_id": NOBODY}, "ex_id"),
    ):
        answer = await call(container, trader, "POST", path, {**of, **bad})
        assert {item["field"] for item in answer.json()["errors"]} == {field}
    answer = await call(container, trader, "PUT", path, {**of, "feeds": [{"symbol_id": 2**30}]})
    assert answer.status_code == 422
    assert len((await done(container, trader, "GET", path))["items"]) == 2


async def test_details_hold_all_that_belongs_to_a_bot(container: Container, trader: Identity) -> None:
    bot_id = await a_bot(container, trader)
    strategy = await a_strategy(container, trader, bot_id)
    ex_id = await an_account(container, trader)
    await done(container, trader, "POST", f"{BOTS}/{bot_id}/exchanges", {"ex_id": str(ex_id)})
    await done(container, trader, "POST", f"{BOTS}/{bot_id}/feeds", {"str_id": strategy["str_id"], "symbol_id": 1})

    details = await done(container, trader, "GET", f"{BOTS}/{bot_id}/details")

    assert [each["ex_id"] for each in details["exchanges"]] == [str(ex_id)]
    assert [each["str_id"] for each in details["strategies"]] == [strategy["str_id"]]
    assert [each["symbol_id"] for each in details["feeds"]] == [1]


async def test_what_is_done_to_a_bot_is_in_its_log_newest_first(container: Container, trader: Identity) -> None:
    bot_id = await a_bot(container, trader)
    path = f"{BOTS}/{bot_id}"
    for body in ({"active": True}, {"active": True}, {"dry_run": False}, {"active": False}):
        await done(container, trader, "PATCH", path, body)

    actions = (await done(container, trader, "GET", f"{path}/actions"))["items"]
    assert [line["action"] for line in actions] == ["deactivated", "dry_run_changed", "activated", "created"]
    first = await done(container, trader, "GET", f"{path}/actions?limit=3")
    rest = await done(container, trader, "GET", f"{path}/actions?limit=3&cursor={first['next_cursor']}")
    assert [line["action"] for line in rest["items"]] == ["created"]
    assert len((await done(container, trader, "GET", f"{path}/actions?action=activated"))["items"]) == 1
    assert (await done(container, trader, "GET", f"{path}/last-log"))["line"]["action"] == "deactivated"


async def test_a_bot_without_trades_has_no_win_rate_and_one_that_is_off_no_uptime(
    container: Container, trader: Identity
) -> None:
    stats = await done(container, trader, "GET", f"{BOTS}/{await a_bot(container, trader)}/stats")

    assert (stats["trades"], stats["pnl"], stats["win_rate"], stats["uptime_seconds"]) == (0, "0", None, 0)


async def test_simulations_are_kept_newest_first(container: Container, trader: Identity) -> None:
    path = f"{BOTS}/{await a_bot(container, trader)}/simulations"
    body = {"window_from": "2026-01-01T00:00:00Z", "window_until": "2026-01-02T00:00:00+01:00", "result": {"pnl": "1"}}

    made = [await done(container, trader, "POST", path, body) for _ in range(2)]

    listed = (await done(container, trader, "GET", path))["items"]
    assert listed == made[::-1]
    assert listed[0]["window_until"] == "2026-01-01T23:00:00Z"
    assert datetime.fromisoformat(listed[0]["created_at"]).tzinfo == UTC
    bad = {**body, "window_until": body["window_from"]}
    assert (await call(container, trader, "POST", path, bad)).status_code == 422


async def test_deleting_a_bot_leaves_nothing_of_it_but_the_trail(container: Container, trader: Identity) -> None:
    bot_id = await a_bot(container, trader)
    await a_strategy(container, trader, bot_id)
    await call(container, trader, "DELETE", f"{BOTS}/{bot_id}")

    async with container.connection() as connection:
        for table in ("bots", "strategies", "feeds", "bot_log"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
        actions = await connection.fetch("SELECT action FROM audit ORDER BY sequence")
    assert [row[0] for row in actions] == ["create_bot", "create_bot_strategy", "delete_bot"]


async def test_the_catalogue_is_read_by_all_and_written_by_admins(container: Container, trader: Identity) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    path = f"{STRATEGIES}/catalog"
    parameter = {"name": "p", "kind": "number", "default": "0.5", "maximum": "1"}
    body = {"name": "mine", "parameters": [parameter]}
    unfit: list[dict[str, Any]] = [{"default": "2"}, {"kind": "text"}, {"minimum": "2"}, {"choices": []}]

    assert [each["name"] for each in (await done(container, trader, "GET", path))["items"]] == [
        "crossover",
        "rsi_long",
        "rsi_short",
    ]
    assert (await call(container, trader, "POST", path, body)).status_code == 403
    made = await done(container, admin, "POST", path, body)
    assert (await call(container, admin, "POST", path, body)).status_code == 409
    parameters = (await done(container, trader, "GET", f"{path}/{made['cat_str_id']}/params"))["items"]
    assert [(each["name"], each["kind"], each["default"], each["maximum"]) for each in parameters] == [
        ("p", "number", "0.5", "1")
    ]
    for bad in unfit:
        broken = {"name": "bad", "parameters": [{**parameter, **bad}]}
        assert (await call(container, admin, "POST", path, broken)).status_code == 422, bad


async def test_what_is_built_in_or_in_use_stays_in_the_catalogue(container: Container, trader: Identity) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    made = await done(container, admin, "POST", f"{STRATEGIES}/catalog", {"name": "mine"})
    path = f"{STRATEGIES}/catalog/{made['cat_str_id']}"
    strategy = await a_strategy(container, trader, await a_bot(container, trader), cat_str_id=made["cat_str_id"])

    assert (await call(container, admin, "DELETE", path)).json()["code"] == "strategy_in_use"
    builtin = await done(container, admin, "GET", f"{STRATEGIES}/catalog-id?name=crossover")
    answer = await call(container, admin, "DELETE", f"{STRATEGIES}/catalog/{builtin['cat_str_id']}")
    assert answer.json()["code"] == "strategy_is_built_in"
    await call(container, trader, "DELETE", f"{STRATEGIES}/bot-strategies/{strategy['str_id']}")
    assert (await call(container, admin, "DELETE", path)).status_code == 204
    assert (await call(container, admin, "GET", path)).status_code == 404
