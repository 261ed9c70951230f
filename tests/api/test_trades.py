"""Fills and closed trades over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from fullon.identity.model import Identity, Role, Scope
from fullon.kernel.ids import new_id
from fullon.orders import ledger
from fullon.orders.model import Fill, FillSource, Side
from fullon.runtime.container import Container
from functions.orm.app import create
from tests.api.callers import client, stored_identity, stored_key
from tests.identities import candles_database  # noqa: F401 - a fixture
from tests.people import a_venue

TRADES = "/api/v1/orm/trades"
NOBODY = "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11"
START = datetime(2026, 1, 1, tzinfo=UTC)
LISTS = ("history", "live", "by-bot", "by-symbol")
#: Building the app takes longer than a request.
app_of = lru_cache(maxsize=1)(create)
FIGURES = ("performance", "stats", "stats/overall", "summary", "symbol-performance")


async def call(
    container: Container, caller: Identity | None, method: str, path: str, body: Any = None
) -> httpx2.Response:
    async with client(app_of(container), caller) as http:
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
            " updated_at) SELECT $1, $2, cat_ex_id, $3, 'abcd', '-', '-', 'test', now(), now() FROM cat_exchanges"
            " WHERE name = 'paper'",
            ex_id,
            owner.user_id,
            name,
        )
    return ex_id


async def a_bot(container: Container, owner: Identity, name: str = "one", *, dry_run: bool = False) -> UUID:
    body = {"name": name, "dry_run": dry_run}
    return UUID((await done(container, owner, "POST", "/api/v1/orm/bots", body))["bot_id"])


@dataclass
class Trader:
    """Somebody with an account, whose fills come one an hour."""

    container: Container
    caller: Identity
    ex_id: UUID
    count: int = 0

    async def fills(self, *rows: tuple[str, str, str], **values: Any) -> list[Fill]:
        """Record fills of (side, volume, price)."""
        made = []
        async with self.container.transaction() as connection:
            for side, volume, price in rows:
                self.count += 1
                symbol = values.get("symbol", "BTC/USDT")
                defaults: dict[str, Any] = {
                    "fill_id": new_id(),
                    "uid": self.caller.user_id,
                    "ex_id": self.ex_id,
                    "order_id": None,
                    "bot_id": None,
                    "symbol_id": await connection.fetchval("SELECT symbol_id FROM symbols WHERE symbol = $1", symbol),
                    "symbol": symbol,
                    "side": Side(side),
                    "source": FillSource.VENUE,
                    "venue_trade_id": str(self.count),
                    "venue_order_id": None,
                    "price": Decimal(price),
                    "volume": Decimal(volume),
                    "fee": Decimal(0),
                    "fee_currency": symbol.partition("/")[2],
                    "fee_quote": None,
                    "maker": None,
                    "at": START + timedelta(hours=self.count),
                }
                made.append(Fill(**{**defaults, **values}))
            return await ledger.record(connection, datetime.now(UTC), made)

    async def get(self, path: str) -> Any:
        return await done(self.container, self.caller, "GET", path if path.startswith("/") else f"{TRADES}/{path}")

    def entry(self, **values: Any) -> dict[str, Any]:
        body = {"ex_id": str(self.ex_id), "symbol": "BTC/USDT", "side": "buy", "price": "100", "volume": "1"}
        return {**body, **values}


async def a_trader(container: Container) -> Trader:
    async with container.transaction() as connection:
        known = await connection.fetchval("SELECT 1 FROM symbols")
        await a_venue(connection, "paper", *(() if known else ("BTC/USDT", "ETH/USDT", "ETH/BTC")))
    caller = await stored_identity(container)
    return Trader(container, caller, await an_account(container, caller))


@pytest.fixture
async def trader(container: Container) -> Trader:
    return await a_trader(container)


async def test_nobody_sees_or_enters_trades_without_a_credential(container: Container, trader: Trader) -> None:
    for path in (*LISTS, *FIGURES, f"bot?bot_id={NOBODY}"):
        assert (await call(container, None, "GET", f"{TRADES}/{path}")).status_code == 401, path
    for path in ("bot", "dry", "live"):
        assert (await call(container, None, "POST", f"{TRADES}/{path}", trader.entry())).status_code == 401


async def test_nobody_sees_trades_of_another_by_any_filter(container: Container, trader: Trader) -> None:
    bot_id = await a_bot(container, trader.caller)
    await trader.fills(("buy", "1", "100"), ("sell", "1", "120"), bot_id=bot_id)
    other = await a_trader(container)
    mine, theirs = await other.fills(("buy", "1", "1"), ("sell", "1", "2"))

    for path in LISTS:
        for query in ("", f"?ex_id={trader.ex_id}", f"?bot_id={bot_id}", "?symbol=BTC/USDT", "?start_time=0"):
            answer = await call(container, other.caller, "GET", f"{TRADES}/{path}{query}")
            if path == "by-bot" and "bot_id" in query:
                assert (answer.status_code, answer.json()["code"]) == (404, "bot_not_found")
                continue
            items = answer.json()["items"]
            assert all(item["ex_id"] == str(other.ex_id) for item in items)
            assert bool(items) == (path != "by-bot" and "_id" not in query)
    for path in FIGURES:
        assert "20" not in {
            each["pnl"] for query in ("", f"?ex_id={trader.ex_id}") for each in figures(await other.get(path + query))
        }
    for identifier in (str(bot_id), NOBODY):
        answer = await call(container, other.caller, "GET", f"{TRADES}/bot?bot_id={identifier}")
        assert (answer.status_code, answer.json()["code"]) == (404, "bot_not_found")
    cursor = (await trader.get("history?limit=1"))["next_cursor"]
    assert {item["trade_id"] for item in (await other.get(f"history?cursor={cursor}"))["items"]} <= {
        str(mine.fill_id),
        str(theirs.fill_id),
    }


def figures(answer: Any) -> list[Any]:
    return [answer] if "pnl" in answer else answer.get("figures") or answer.get("items") or []


async def test_a_trade_of_another_answers_as_a_missing_one(container: Container, trader: Trader) -> None:
    other = await a_trader(container)
    entered = await done(container, other.caller, "POST", f"{TRADES}/live", other.entry())

    for method, body in (("PATCH", {"price": "1"}), ("DELETE", None)):
        for identifier in (entered["trade_id"], NOBODY):
            answer = await call(container, trader.caller, method, f"{TRADES}/{identifier}", body)
            assert (answer.status_code, answer.json()["code"]) == (404, "trade_not_found")
    assert (await other.get("history"))["items"] == [entered]


async def test_viewers_and_keys_that_only_read_enter_nothing(container: Container, trader: Trader) -> None:
    for caller in (await stored_identity(container, Role.VIEWER), await stored_key(container, Scope.READ)):
        for method, path in (("POST", "live"), ("POST", "dry"), ("POST", "bot"), ("PATCH", NOBODY), ("DELETE", NOBODY)):
            answer = await call(container, caller, method, f"{TRADES}/{path}", trader.entry(bot_id=NOBODY))
            assert answer.status_code == 403, (method, path)


async def test_who_has_not_traded_gets_empty_lists_and_no_made_up_figures(trader: Trader) -> None:
    for path in LISTS:
        assert await trader.get(path) == {"items": [], "next_cursor": None}
    for path in ("stats", "stats/overall", "summary"):
        answer = await trader.get(path)
        assert (answer["figures"], answer["window"]) == ([], {"start_time": None, "end_time": None})
        assert "first in first out" in answer["basis"]
    assert (await trader.get("symbol-performance"))["items"] == []
    found = await trader.get("performance")
    assert (found["trades"], found["pnl"], found["currency"]) == (0, "0", None)
    for name in ("win_rate", "profit_factor", "expectancy", "sharpe_ratio", "sortino_ratio", "max_drawdown_share"):
        assert found[name] is None
        assert found["reasons"][name]


async def test_an_entered_trade_moves_position_and_profit_until_it_is_removed(
    container: Container, trader: Trader
) -> None:
    bought = await done(container, trader.caller, "POST", f"{TRADES}/live", trader.entry(fee="0.5"))
    assert (bought["source"], bought["editable"], bought["fee_quote"], bought["cost"]) == ("manual", True, "0.5", "100")
    sold = await done(container, trader.caller, "POST", f"{TRADES}/live", trader.entry(side="sell", price="130"))
    [closed] = (await trader.get("by-symbol"))["items"]
    assert (closed["pnl"], closed["entry_fill"], closed["exit_fill"]) == (
        "29.5",
        bought["trade_id"],
        sold["trade_id"],
    )

    path = f"{TRADES}/{sold['trade_id']}"
    changed = await done(container, trader.caller, "PATCH", path, {"price": "110", "volume": "0.5"})
    assert (changed["price"], changed["time"]) == ("110", sold["time"])
    [closed] = (await trader.get("by-symbol"))["items"]
    assert (closed["pnl"], closed["volume"]) == ("4.75", "0.5")
    assert (await trader.get("summary"))["open_positions"] == 1

    assert (await call(container, trader.caller, "DELETE", path)).status_code == 204
    assert (await trader.get("by-symbol"))["items"] == []
    assert [item["trade_id"] for item in (await trader.get("history"))["items"]] == [bought["trade_id"]]
    async with container.connection() as connection:
        actions = [row["action"] for row in await connection.fetch("SELECT action FROM audit ORDER BY sequence")]
    assert actions == ["enter_live_trade", "enter_live_trade", "change_trade", "delete_trade"]


async def test_what_a_venue_or_an_order_made_stays_as_it_is(container: Container, trader: Trader) -> None:
    order_id = uuid4()
    async with container.transaction() as connection:
        await connection.execute(
            "INSERT INTO orders (order_id, uid, ex_id, symbol_id, symbol, side, order_type, volume, client_order_id,"
            " status, created_at, updated_at)"
            " SELECT $1, $2, $3, symbol_id, symbol, 'buy', 'market', 1, 'x', 'filled', now(), now() FROM symbols"
            " WHERE symbol = 'BTC/USDT'",
            order_id,
            trader.caller.user_id,
            trader.ex_id,
        )
    made = await trader.fills(("buy", "1", "100"))
    made += await trader.fills(("buy", "1", "100"), source=FillSource.DRY, order_id=order_id)

    for fill in made:
        for method, body in (("PATCH", {"price": "1"}), ("DELETE", None)):
            answer = await call(container, trader.caller, method, f"{TRADES}/{fill.fill_id}", body)
            assert (answer.status_code, answer.json()["code"]) == (409, "trade_immutable")
    items = (await trader.get("history"))["items"]
    assert [(item["price"], item["editable"]) for item in items] == [("100", False)] * 2


@pytest.mark.parametrize(
    "changes",
    [
        {"price": "0"},
        {"price": "-1"},
        {"volume": "0"},
        {"price": 1.5},
        {"price": "NaN"},
        {"volume": "Infinity"},
        {"price": "1e-19"},
        {"price": "99999999999999999999", "volume": "99999999999999999999"},
        {"fee": "99999999999", "price": "99999999999"},
        {"side": "hold"},
        {"symbol": "NO/SUCH"},
        {"symbol": "BTC/USDT\x00"},
        {"time": "2999-01-01T00:00:00Z"},
        {"time": "1960-01-01T00:00:00Z"},
        {"time": "2026-01-01T00:00:00"},
        {"fee_currency": ""},
        {"source": "venue"},
        {"venue_trade_id": "7"},
        {"uid": NOBODY},
        {"balance": "1"},
    ],
)
async def test_an_entry_that_no_fill_could_be_is_refused(trader: Trader, changes: dict[str, Any]) -> None:
    for path in ("live", "dry"):
        answer = await call(trader.container, trader.caller, "POST", f"{TRADES}/{path}", trader.entry(**changes))
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"]
    assert (await trader.get("history"))["items"] == []


async def test_a_change_that_no_fill_could_be_is_refused(container: Container, trader: Trader) -> None:
    entered = await done(container, trader.caller, "POST", f"{TRADES}/live", trader.entry(price="1" + "0" * 15))
    for body in ({"volume": "100000"}, {"price": None}, {"time": "2999-01-01T00:00:00Z"}, {"symbol": "ETH/USDT"}):
        answer = await call(container, trader.caller, "PATCH", f"{TRADES}/{entered['trade_id']}", body)
        assert answer.status_code == 422, (body, answer.text)
    assert (await trader.get("history"))["items"] == [entered]


async def test_entries_name_only_accounts_and_bots_of_the_caller(container: Container, trader: Trader) -> None:
    other = await a_trader(container)
    foreign_bot = await a_bot(container, other.caller)

    for changes, code in (
        ({"ex_id": str(other.ex_id)}, "account_not_found"),
        ({"ex_id": NOBODY}, "account_not_found"),
        ({"bot_id": str(foreign_bot)}, "bot_not_found"),
        ({"bot_id": NOBODY}, "bot_not_found"),
    ):
        answer = await call(container, trader.caller, "POST", f"{TRADES}/live", trader.entry(**changes))
        assert (answer.status_code, answer.json()["code"]) == (404, code)


async def test_a_bot_s_entry_is_real_or_on_paper_as_the_bot_is(container: Container, trader: Trader) -> None:
    for name, dry_run in (("real", False), ("paper", True)):
        bot_id = await a_bot(container, trader.caller, name, dry_run=dry_run)
        await done(container, trader.caller, "POST", f"{TRADES}/bot", trader.entry(bot_id=str(bot_id)))
        [fill] = (await trader.get(f"bot?bot_id={bot_id}"))["items"]
        assert (fill["dry_run"], fill["bot_id"]) == (dry_run, str(bot_id))
    answer = await call(container, trader.caller, "POST", f"{TRADES}/bot", trader.entry())
    assert answer.status_code == 422


async def test_pages_show_everything_once_while_new_fills_arrive(trader: Trader) -> None:
    await trader.fills(*[("buy" if number % 2 else "sell", "1", "100") for number in range(9)])
    await trader.fills(*[("buy", "1", "100"), ("sell", "1", "101")] * 4, at=START)
    for path, key in (("history", "trade_id"), ("by-symbol", "trade_id")):
        whole = [item[key] for item in (await trader.get(f"{path}?limit=1000"))["items"]]
        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await trader.get(f"{path}?limit=3{f'&cursor={cursor}' if cursor else ''}")
            seen += [item[key] for item in page["items"]]
            cursor = page["next_cursor"]
            if len(seen) == 3:
                await trader.fills(("buy", "1", "100"))
        assert seen == whole
        assert len(set(seen)) == len(seen) > 7


async def test_filters_pick_what_they_name(container: Container, trader: Trader) -> None:
    bot_id = await a_bot(container, trader.caller)
    await trader.fills(("buy", "2", "100"), ("sell", "1", "110"))
    await trader.fills(("sell", "1", "50"), ("buy", "1", "40"), symbol="ETH/USDT", bot_id=bot_id)
    await trader.fills(("buy", "1", "10"), ("sell", "1", "9"), source=FillSource.DRY)

    async def count(query: str) -> int:
        return len((await trader.get(query))["items"])

    assert [await count(f"history?{each}") for each in ("", "symbol=ETH/USDT", f"bot_id={bot_id}", "side=sell")] == [
        6,
        2,
        2,
        3,
    ]
    assert [await count(f"history?dry_run={each}") for each in ("true", "false")] == [2, 4]
    assert await count("live") == 4
    assert await count("history?start_time=2026-01-01T02:00:00Z&end_time=2026-01-01T04:00:00Z") == 2
    assert [await count(f"by-symbol?{each}") for each in ("", "side=short", "side=long", "dry_run=true")] == [
        3,
        1,
        2,
        1,
    ]
    assert (await count("by-bot"), await count(f"by-bot?bot_id={bot_id}")) == (1, 1)
    milliseconds = int((START + timedelta(hours=4)).timestamp() * 1000)
    assert await count(f"by-symbol?start_time={milliseconds}&end_time={milliseconds + 1}") == 1
    for query in ("start_time=x", "start_time=2&end_time=1", "side=long", "cursor=x", "bot_id=1", "limit=0"):
        assert (await call(container, trader.caller, "GET", f"{TRADES}/history?{query}")).status_code == 422, query


async def test_figures_never_add_up_currencies_nor_paper_and_real(trader: Trader) -> None:
    await trader.fills(("buy", "1", "100"), ("sell", "1", "110"), ("buy", "1", "100"), ("sell", "1", "96"))
    await trader.fills(("buy", "1", "0.05"), ("sell", "1", "0.06"), symbol="ETH/BTC")
    await trader.fills(("buy", "1", "10"), ("sell", "1", "9"), source=FillSource.DRY)

    for path in ("stats", "stats/overall", "summary"):
        found = (await trader.get(path))["figures"]
        assert [(each["currency"], each["dry_run"], each["trades"], each["pnl"]) for each in found] == [
            ("USDT", False, 2, "6"),
            ("BTC", False, 1, "0.01"),
            ("USDT", True, 1, "-1"),
        ]
    assert (found[0]["win_rate"], found[0]["profit_factor"], found[0]["expectancy"]) == (0.5, 2.5, "3")
    by_symbol = (await trader.get("symbol-performance"))["items"]
    assert [(each["symbol"], each["dry_run"], each["pnl"]) for each in by_symbol] == [
        ("BTC/USDT", False, "6"),
        ("BTC/USDT", True, "-1"),
        ("ETH/BTC", False, "0.01"),
    ]
    summed = (await trader.get("summary"))["executed"]
    assert [(each["currency"], each["dry_run"], each["fills"], each["turnover"]) for each in summed] == [
        ("BTC", False, 2, "0.11"),
        ("USDT", False, 4, "406"),
        ("USDT", True, 2, "19"),
    ]


async def test_a_bot_s_stats_are_those_of_its_trades_and_of_the_way_it_trades(
    container: Container, trader: Trader
) -> None:
    bot_id = await a_bot(container, trader.caller)
    await trader.fills(("buy", "1", "100"), ("sell", "1", "110"), bot_id=bot_id)
    await trader.fills(("buy", "1", "100"), ("sell", "1", "90"))
    await trader.fills(("buy", "1", "10"), ("sell", "1", "9"), source=FillSource.DRY, bot_id=bot_id)

    stats = await trader.get(f"/api/v1/orm/bots/{bot_id}/stats")

    assert (stats["trades"], stats["pnl"], stats["currency"], stats["dry_run"]) == (1, "10", "USDT", False)
