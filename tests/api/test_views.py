"""Dashboards over HTTP: every figure against a calculation of the test's own."""

from __future__ import annotations

import math
import random
import statistics
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from fullon.identity.model import Role
from fullon.market.keys import ticks
from fullon.orders.model import FillSource
from fullon.runtime.container import Container
from fullon.venues.quotes import Tick
from tests.api.callers import stored_identity
from tests.api.test_trades import NOBODY, START, Trader, a_bot, a_trader, call, done
from tests.identities import candles_database, without_valkey  # noqa: F401 - a fixture

VIEWS = "/api/v1/orm/views"
PLAIN = ("trading-overview", "performance-metrics", "user-summary", "portfolio-stats", "risk-metrics")
D = Decimal


@pytest.fixture
async def trader(container: Container) -> Trader:
    return await a_trader(container)


async def get(trader: Trader, path: str) -> Any:
    return await trader.get(f"{VIEWS}/{path}")


async def a_price(container: Container, symbol: str, price: str) -> None:
    import orjson

    tick = Tick("paper", symbol, D(price), None, None, None, None, 1)
    await container.valkey.hset(ticks("paper"), symbol, orjson.dumps(tick.to_record()))


async def a_balance(trader: Trader, currency: str, total: str, worth: str | None, at: datetime) -> None:
    async with trader.container.transaction() as connection:
        await connection.execute(
            "INSERT INTO exchange_history (ex_id, at, currency, free, used, quote_value)"
            " VALUES ($1, $2, $3, $4, 0, $5)",
            trader.ex_id,
            at,
            currency,
            D(total),
            None if worth is None else D(worth),
        )


async def test_dashboards_need_a_credential(container: Container, trader: Trader) -> None:
    for path in (*PLAIN, f"bot-dashboard/{trader.caller.user_id}"):
        assert (await call(container, None, "GET", f"{VIEWS}/{path}")).status_code == 401


async def test_a_dashboard_of_another_answers_as_that_of_nobody_except_to_an_admin(
    container: Container, trader: Trader
) -> None:
    other, admin = await a_trader(container), await stored_identity(container, Role.ADMIN)
    await a_bot(container, other.caller, "theirs")
    path = f"{VIEWS}/bot-dashboard"

    foreign = await call(container, trader.caller, "GET", f"{path}/{other.caller.user_id}")
    missing = await call(container, trader.caller, "GET", f"{path}/{NOBODY}")
    problems = [{**each.json(), "request_id": None} for each in (foreign, missing)]
    assert (foreign.status_code, problems[0]) == (404, problems[1])
    assert (await call(container, admin, "GET", f"{path}/{NOBODY}")).status_code == 404

    seen = await done(container, admin, "GET", f"{path}/{other.caller.user_id}")
    assert [bot["name"] for bot in seen["bots"]] == ["theirs"]
    assert (await get(trader, f"bot-dashboard/{trader.caller.user_id}"))["bots"] == []


async def test_figures_are_of_the_caller_alone(container: Container, trader: Trader) -> None:
    other = await a_trader(container)
    await other.fills(("buy", "2", "100"), ("sell", "1", "120"))
    await a_balance(other, "USDT", "1000", "1000", START)

    assert (await get(trader, "trading-overview"))["profit"] == []
    assert (await get(trader, "trading-overview"))["counts"]["open_positions"] == 0
    for path in ("performance-metrics", "risk-metrics"):
        assert (await get(trader, f"{path}?ex_id={other.ex_id}"))["currency"] is None
    assert (await get(trader, "risk-metrics"))["exposure"] == []
    summary = await get(trader, "user-summary")
    assert (summary["figures"], summary["executed"], summary["user_id"]) == ([], [], str(trader.caller.user_id))
    portfolio = await get(trader, f"portfolio-stats?ex_id={other.ex_id}")
    assert (portfolio["balances"], portfolio["positions"], portfolio["worth"]) == ([], [], None)


async def test_who_has_nothing_gets_reasons_and_not_zeros(trader: Trader) -> None:
    for path in PLAIN:
        answer = await get(trader, path)
        assert answer["basis"]
        assert answer["window"] == {"start_time": None, "end_time": None}
    metrics = await get(trader, "performance-metrics?capital=1000")
    names = ("win_rate", "profit_factor", "sharpe_ratio", "sortino_ratio", "expectancy")
    assert [metrics[name] for name in names] == [None] * 5
    assert metrics["reasons"].keys() >= set(names)
    risk = await get(trader, "risk-metrics")
    assert (risk["value_at_risk"], risk["exposure"]) == (None, [])
    assert risk["reasons"]["value_at_risk"]
    portfolio = await get(trader, "portfolio-stats")
    assert (portfolio["worth"], portfolio["worth_reason"]) == (None, "No balance was written down yet.")


async def history(trader: Trader, days: int) -> dict[int, Decimal]:
    """Round trips on some of the days; profit by day."""
    chance = random.Random(11)
    profits: dict[int, Decimal] = {0: D(0)}
    for day in [0, *sorted(chance.sample(range(1, days), days // 2))]:
        for _ in range(chance.randint(1, 3)):
            gain = D(chance.randint(-300, 340)) / 10
            at = START + timedelta(days=day, hours=chance.randint(1, 20))
            await trader.fills(("buy", "1", "1000"), at=at)
            await trader.fills(("sell", "1", str(1000 + gain)), at=at + timedelta(minutes=1), fee=D("0.5"))
            profits[day] = profits.get(day, D(0)) + gain - D("0.5")
    return profits


async def test_performance_metrics_are_those_of_an_independent_calculation(trader: Trader) -> None:
    profits = await history(trader, 40)
    trades = [D(item["pnl"]) for item in (await trader.get("by-symbol?limit=1000"))["items"]]

    found = await get(trader, "performance-metrics?capital=5000")
    risk = await get(trader, "risk-metrics?capital=5000")

    won, lost = [each for each in trades if each > 0], [-each for each in trades if each < 0]
    assert (found["trades"], found["wins"], found["losses"]) == (len(trades), len(won), len(lost))
    assert D(found["pnl"]) == sum(trades) == sum(profits.values())
    assert found["win_rate"] == pytest.approx(len(won) / len(trades))
    assert found["profit_factor"] == pytest.approx(float(sum(won) / sum(lost)))
    assert float(found["expectancy"]) == pytest.approx(float(sum(trades) / len(trades)))
    equity, curve, rates = 5000.0, [5000.0], []
    for day in range(max(profits) + 1):
        gain = float(profits.get(day, 0))
        rates.append(gain / equity)
        equity += gain
        curve.append(equity)
    year = math.sqrt(365)
    assert found["days"] == len(rates)
    assert found["sharpe_ratio"] == pytest.approx(statistics.fmean(rates) / statistics.stdev(rates) * year)
    downside = math.sqrt(statistics.fmean(min(rate, 0) ** 2 for rate in rates))
    assert found["sortino_ratio"] == pytest.approx(statistics.fmean(rates) / downside * year)
    falls = [(max(curve[: place + 1]) - value, max(curve[: place + 1])) for place, value in enumerate(curve)]
    deepest, peak = max(falls)
    for answer in (found, risk):
        assert float(answer["max_drawdown"]) == pytest.approx(deepest)
        assert answer["max_drawdown_share"] == pytest.approx(deepest / peak)
    worst = sorted(rates)[math.floor(0.05 * len(rates) + 1e-9)]
    assert risk["value_at_risk"] == pytest.approx(max(0.0, -worst))
    assert float(risk["value_at_risk_amount"]) == pytest.approx(max(0.0, -worst) * equity)


async def test_a_window_s_idle_days_count_and_nothing_outside_it_does(trader: Trader) -> None:
    await trader.fills(("buy", "1", "100"), ("sell", "1", "110"), at=START + timedelta(days=1))
    await trader.fills(("buy", "1", "100"), ("sell", "1", "130"), at=START + timedelta(days=20))

    found = await get(
        trader, "performance-metrics?start_time=2026-01-01T00:00:00Z&end_time=2026-01-11T00:00:00Z&capital=100"
    )

    assert (found["trades"], found["pnl"], found["days"]) == (1, "10", 10)
    rates = [0.1 if day == 1 else 0.0 for day in range(10)]
    assert found["sharpe_ratio"] == pytest.approx(statistics.fmean(rates) / statistics.stdev(rates) * math.sqrt(365))
    assert (found["sortino_ratio"], found["reasons"]["sortino_ratio"]) == (None, "No day lost anything.")


async def test_without_a_capital_returns_are_null_unless_balances_tell_it(trader: Trader) -> None:
    await history(trader, 10)
    bare = await get(trader, "performance-metrics")
    assert (bare["sharpe_ratio"], bare["capital"], bare["capital_basis"]) == (None, None, "Not known.")
    assert "capital" in bare["reasons"]["sharpe_ratio"]
    assert D(bare["max_drawdown"]) > 0

    await a_balance(trader, "USDT", "3000", "3000", START - timedelta(days=2))
    await a_balance(trader, "USDT", "4000", "4000", START - timedelta(days=1))
    await a_balance(trader, "BTC", "0.1", "6000", START - timedelta(days=1))
    await a_balance(trader, "USDT", "9999", "9999", START + timedelta(days=3))
    assert (await get(trader, "performance-metrics"))["capital"] == "10000"
    await a_balance(trader, "ETH", "1", None, START - timedelta(days=1))
    assert (await get(trader, "performance-metrics"))["capital"] is None


async def test_figures_are_of_one_currency_and_name_the_others(trader: Trader) -> None:
    await trader.fills(*[("buy", "1", "100"), ("sell", "1", "110")] * 2)
    await trader.fills(("buy", "1", "0.05"), ("sell", "1", "0.06"), symbol="ETH/BTC")
    await trader.fills(("buy", "1", "10"), ("sell", "1", "9"), source=FillSource.DRY)

    usual = await get(trader, "performance-metrics")
    assert (usual["currency"], usual["pnl"], usual["other_currencies"]) == ("USDT", "20", ["BTC"])
    other = await get(trader, "performance-metrics?currency=BTC")
    assert (other["currency"], other["pnl"], other["other_currencies"]) == ("BTC", "0.01", ["USDT"])
    dry = await get(trader, "performance-metrics?dry_run=true")
    assert (dry["dry_run"], dry["pnl"]) == (True, "-1")
    for bad in ("0", "-5", "x", "NaN", "1e40"):
        answer = await call(trader.container, trader.caller, "GET", f"{VIEWS}/performance-metrics?capital={bad}")
        assert answer.status_code == 422, bad


async def test_positions_are_valued_at_the_latest_price_or_not_at_all(container: Container, trader: Trader) -> None:
    await trader.fills(("buy", "1", "100"), ("buy", "1", "110"), fee=D(1))
    await trader.fills(("sell", "2", "50"), symbol="ETH/USDT")
    await a_price(container, "BTC/USDT", "120")

    portfolio = await get(trader, "portfolio-stats")
    bitcoin, ether = portfolio["positions"]
    assert (bitcoin["side"], bitcoin["volume"], bitcoin["entry_price"], bitcoin["lots"]) == ("long", "2", "105", 2)
    assert (bitcoin["mark"], bitcoin["value"], bitcoin["unrealized"]) == ("120", "240", "28")
    assert (ether["side"], ether["mark"], ether["unrealized"]) == ("short", None, None)
    assert ether["reason"] == "No price of this symbol is known at present."
    [exposure] = portfolio["exposure"]
    assert (exposure["cost"], exposure["gross"], exposure["reason"] is None) == ("310", None, False)

    await a_price(container, "ETH/USDT", "40")
    for path in ("portfolio-stats", "risk-metrics"):
        [exposure] = (await get(trader, path))["exposure"]
        assert (exposure["gross"], exposure["net"], exposure["unrealized"]) == ("320", "160", "48")

    alone = without_valkey(container.settings)
    lost = Trader(alone, trader.caller, trader.ex_id)
    portfolio = await get(lost, "portfolio-stats")
    await alone.close()
    assert {each["reason"] for each in portfolio["positions"]} == {"The cache of prices cannot be reached."}


async def test_balances_are_the_last_ones_written_down(trader: Trader) -> None:
    await a_balance(trader, "USDT", "100", "100", START)
    await a_balance(trader, "USDT", "70", "70", START + timedelta(days=1))
    await a_balance(trader, "BTC", "1", "50000", START)
    await a_balance(trader, "DUST", "0", None, START)

    portfolio = await get(trader, "portfolio-stats")
    assert [(each["currency"], each["total"]) for each in portfolio["balances"]] == [
        ("BTC", "1"),
        ("DUST", "0"),
        ("USDT", "70"),
    ]
    assert portfolio["worth"] == "50070"
    await a_balance(trader, "XYZ", "5", None, START)
    portfolio = await get(trader, "portfolio-stats")
    assert (portfolio["worth"], portfolio["worth_reason"]) == (None, "A balance has no known price.")


async def test_the_overview_adds_up_by_period(trader: Trader) -> None:
    now = datetime.now(UTC)
    for days, price in ((0, "101"), (6, "110"), (7, "200"), (29, "1100"), (30, "2100")):
        await trader.fills(("buy", "1", "100"), ("sell", "1", price), at=now - timedelta(days=days))

    overview = await get(trader, "trading-overview")

    [profit] = overview["profit"]
    assert [profit[name]["pnl"] for name in ("today", "week", "month", "ever")] == ["1", "11", "1111", "3111"]
    assert [profit[name]["trades"] for name in ("today", "week", "month", "ever")] == [1, 2, 4, 5]
    assert overview["counts"]["accounts"] == 1


async def test_the_bot_dashboard_shows_each_bot_as_it_trades_now(container: Container, trader: Trader) -> None:
    real = await a_bot(container, trader.caller, "real")
    await a_bot(container, trader.caller, "idle", dry_run=True)
    await trader.fills(("buy", "2", "100"), ("sell", "1", "110"), bot_id=real)
    await trader.fills(("buy", "1", "10"), ("sell", "1", "9"), source=FillSource.DRY, bot_id=real)

    path = f"bot-dashboard/{trader.caller.user_id}"
    first, second = (await get(trader, path))["bots"]
    assert (first["name"], first["open_positions"], [each["pnl"] for each in first["figures"]]) == ("real", 1, ["10"])
    assert (second["name"], second["open_positions"], second["figures"]) == ("idle", 0, [])

    page = await get(trader, f"{path}?limit=1")
    rest = await get(trader, f"{path}?limit=1&cursor={page['next_cursor']}")
    assert [bot["name"] for bot in page["bots"] + rest["bots"]] == ["real", "idle"]
    assert rest["next_cursor"] is None


async def test_the_user_summary_counts_what_there_is(container: Container, trader: Trader) -> None:
    await a_bot(container, trader.caller)
    await trader.fills(("buy", "1", "100"), ("sell", "1", "110"), fee=D("0.1"))

    summary = await get(trader, "user-summary")

    assert (summary["counts"]["bots"], summary["counts"]["accounts"], summary["counts"]["open_orders"]) == (1, 1, 0)
    [executed], [figures] = summary["executed"], summary["figures"]
    assert (executed["fills"], executed["turnover"], executed["fees"], figures["pnl"]) == (2, "210", "0.2", "9.8")
