"""Dashboards over a million fills of one user, against adding up all of them in Python, first in first out.

Fills are generated in PostgreSQL: twenty symbols, three bots, three years; of each four fills the second and the fourth
sell what the first and the third bought, so three trades follow from four fills. Lots and trades are generated beside
them; the alternative, which plays every fill, must come to the same profit before anything counts. Views are asked over
ASGI in process, with identity, models and JSON; what is timed of the alternative is reading the fills, playing them and
the sums, once, as its time is no matter of milliseconds.

Below: what one more fill costs, and one that is ten minutes late, so that the fills since (a few hundred by then) are
played again.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import orjson
from pydantic import SecretStr

from benchmarks.candles import App, get
from benchmarks.figures import median, percentile, table
from fullon.kernel.ids import new_id
from fullon.orders import fill_store, ledger, performance
from fullon.orders.lots import Lots
from fullon.orders.model import Fill
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from functions.migrate.migrations import upgrade
from functions.orm.app import create
from local.stores.postgres import Postgres
from local.stores.valkey import Valkey
from tests.api.callers import as_behind_gateway, stored_identity
from tests.people import a_venue
from tests.servers import finish, running_postgres, running_valkey, short_directory

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection

FILLS = 1_000_000
SYMBOLS = 20
ROUNDS = 7
RECORDED = 200
DATABASES = ("fullon", "fullon_ohlcv")
UNTIL = datetime(2026, 6, 1, tzinfo=UTC)
SINCE = UNTIL - timedelta(days=3 * 365)

_FILLS = """
INSERT INTO fills (fill_id, uid, ex_id, bot_id, symbol_id, symbol, side, source, venue_trade_id, price, volume, fee,
    fee_currency, fee_quote, at, recorded_at)
SELECT md5('f' || number)::uuid, $1, $2, ($3::uuid[])[(1 + number / 4 % 3)::int], s.symbol_id, s.symbol,
    CASE WHEN number % 2 = 0 THEN 'buy' ELSE 'sell' END, 'venue', number::text, price,
    CASE number % 4 WHEN 0 THEN 2 WHEN 3 THEN 2 ELSE 1 END * 0.01, price * 0.00001, 'USDT', price * 0.00001,
    $4::timestamptz + number * ($5::interval / $6::bigint), now()
FROM (SELECT number, 100 + (number * 7919 % 10007) * 0.01 AS price FROM generate_series(0, $6::bigint - 1) AS number) n
JOIN symbols s ON s.symbol = 'C' || (number / 4 % $7::bigint) || '/USDT'
"""
#: The first fill of four is closed by the second and, for the rest of it, by the fourth; the third by the fourth.
_TRADES = """
INSERT INTO trades (trade_id, uid, ex_id, bot_id, symbol, dry_run, side, volume, entry_price, exit_price, entry_fee,
    exit_fee, pnl, roi, opened_at, closed_at, entry_fill, exit_fill)
SELECT md5(b.venue_trade_id || '-' || s.venue_trade_id)::uuid, b.uid, b.ex_id, b.bot_id, b.symbol, false, 'long', 0.01,
    b.price, s.price, b.fee * 0.01 / b.volume, s.fee * 0.01 / s.volume,
    (s.price - b.price) * 0.01 - b.fee * 0.01 / b.volume - s.fee * 0.01 / s.volume,
    0, b.at, s.at, b.fill_id, s.fill_id
FROM generate_series(0, $1::bigint - 1, 4) AS number
CROSS JOIN (VALUES (0, 1), (0, 3), (2, 3)) AS pair (entry, leave)
JOIN fills b ON b.fill_id = md5('f' || (number + entry))::uuid
JOIN fills s ON s.fill_id = md5('f' || (number + leave))::uuid
"""


async def generated(container: Container, uid: UUID) -> tuple[UUID, list[UUID]]:
    """An account with the fills, and its bots."""
    ex_id, bot_ids = uuid4(), [uuid4() for _ in range(3)]
    async with container.connection() as connection:
        await a_venue(connection, "paper", *(f"C{number}/USDT" for number in range(SYMBOLS)))
        await connection.execute(
            "INSERT INTO exchanges (ex_id, uid, cat_ex_id, name, key_hint, sealed, data_key, master_key_id, created_at,"
            " updated_at) SELECT $1, $2, cat_ex_id, 'main', 'abcd', '-', '-', 'test', now(), now() FROM cat_exchanges"
            " WHERE name = 'paper'",
            ex_id,
            uid,
        )
        for number, bot_id in enumerate(bot_ids):
            await connection.execute(
                "INSERT INTO bots (bot_id, uid, name, dry_run, created_at, updated_at)"
                " VALUES ($1, $2, $3, false, now(), now())",
                bot_id,
                uid,
                f"bot {number}",
            )
        values = (uid, ex_id, bot_ids, SINCE, UNTIL - SINCE, FILLS, SYMBOLS)
        await connection.execute(_FILLS, *values, timeout=600)
        await connection.execute("ANALYZE fills", timeout=600)
        await connection.execute(_TRADES, FILLS, timeout=600)
        await connection.execute("VACUUM ANALYZE", timeout=600)
    return ex_id, bot_ids


async def played(connection: Connection, uid: UUID) -> Decimal:
    """What one would do without stored trades: read every fill, play it, add up."""
    lots: dict[str, Lots] = {}
    profits: list[Decimal] = []
    async with connection.transaction():
        query = f"SELECT {fill_store.COLUMNS} FROM fills WHERE uid = $1 ORDER BY at, fill_id"
        async for row in connection.cursor(query, uid, prefetch=5000):
            fill = fill_store.of_row(row)
            closed = lots.setdefault(fill.symbol, Lots()).take(fill)
            profits += [each.pnl for each in closed]
    return performance.of_trades(profits).pnl


async def recorded(connection: Connection, uid: UUID, *, late: timedelta | None) -> list[float]:
    """Milliseconds of taking in one fill of the first symbol, each a transaction."""
    row = await connection.fetchrow(f"SELECT {fill_store.COLUMNS} FROM fills WHERE uid = $1 LIMIT 1", uid)
    sample: Fill = fill_store.of_row(row)
    last = await connection.fetchval(
        "SELECT max(at) FROM fills WHERE ex_id = $1 AND symbol = $2", sample.ex_id, sample.symbol
    )
    taken = []
    for number in range(RECORDED):
        at = last - late if late else last + timedelta(seconds=number + 1)
        fill = replace(sample, fill_id=new_id(), venue_trade_id=f"new-{late}-{number}", at=at)
        started = time.perf_counter()
        async with connection.transaction():
            await ledger.record(connection, UNTIL, [fill])
        taken.append((time.perf_counter() - started) * 1000)
    return taken


async def run(settings: Settings) -> tuple[list[list[str]], list[list[str]]]:
    """Measure and return the rows of both tables."""
    container = Container(settings)
    caller = await stored_identity(container)
    uid = caller.user_id
    started = time.perf_counter()
    _, bot_ids = await generated(container, uid)
    print(f"{FILLS:,} fills generated in {time.perf_counter() - started:.0f} s", flush=True)
    app: App = as_behind_gateway(create(container), caller)
    async with container.connection() as connection:
        started = time.perf_counter()
        profit = await played(connection, uid)
        alternative = (time.perf_counter() - started) * 1000
    orm = "/api/v1/orm"
    month = "start_time=2026-05-01T00:00:00Z"
    views: dict[str, tuple[str, str]] = {
        "trading-overview": (f"{orm}/views/trading-overview", ""),
        "performance-metrics, all": (f"{orm}/views/performance-metrics", "capital=10000"),
        "performance-metrics, a month": (f"{orm}/views/performance-metrics", f"capital=10000&{month}"),
        "risk-metrics, all": (f"{orm}/views/risk-metrics", "capital=10000"),
        "user-summary": (f"{orm}/views/user-summary", ""),
        "bot-dashboard": (f"{orm}/views/bot-dashboard/{uid}", ""),
        "portfolio-stats": (f"{orm}/views/portfolio-stats", ""),
        "symbol-performance": (f"{orm}/trades/symbol-performance", ""),
        "bots/{id}/stats": (f"{orm}/bots/{bot_ids[0]}/stats", ""),
        "trades/history, a page of 50": (f"{orm}/trades/history", ""),
        "trades/by-symbol, a page of 50": (f"{orm}/trades/by-symbol", "symbol=C0/USDT"),
    }
    answer: Any = orjson.loads(await get(app, *views["performance-metrics, all"]))
    if Decimal(answer["pnl"]) != profit:
        raise RuntimeError(f"the view says {answer['pnl']}, playing every fill {profit}")
    rows = [["every fill played in Python, once", f"{alternative:,.0f}", "", "1×"]]
    for name, request in views.items():
        ask = partial(get, app, *request)
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            await ask()
            times.append((time.perf_counter() - started) * 1000)
        rows.append([name, f"{median(times):,.1f}", f"{min(times):,.1f}", f"{alternative / median(times):,.0f}×"])
    costs = []
    async with container.connection() as connection:
        for name, late in (("the newest", None), ("ten minutes late", timedelta(minutes=10))):
            times = await recorded(connection, uid, late=late)
            costs.append([name, f"{median(times):.2f}", f"{percentile(times, 0.99):.2f}"])
    await container.close()
    return rows, costs


async def prepared(postgres: Postgres, valkey: Valkey) -> Settings:
    """Both databases, migrated."""
    connection = await asyncpg.connect(postgres.dsn("postgres"))
    for name in DATABASES:
        await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    platform, candles = (postgres.dsn(name) for name in DATABASES)
    await upgrade(platform, candles)
    return Settings(
        environment="local",
        database_url=SecretStr(platform),
        db_ohlcv_name=DATABASES[1],
        redis_url=SecretStr(valkey.url),
    )


def main() -> None:
    """Start the servers, measure, print."""
    with short_directory() as directory, running_postgres(directory) as postgres, running_valkey(directory) as valkey:
        settings = finish(prepared(postgres, valkey))
        rows, costs = finish(run(settings))
    table(f"Dashboards of a user with {FILLS:,} fills", ["view", "median ms", "fastest ms", "× faster"], rows)
    table("Taking in one fill of an account and symbol with 50,000", ["fill", "median ms", "p99 ms"], costs)


if __name__ == "__main__":
    main()
