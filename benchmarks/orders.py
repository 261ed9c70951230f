"""From an order's intent to its venue's acknowledgement, against ccxt called directly, which keeps no record.

PostgreSQL is on the disk and waits for it (fsync), because that is what an intent's durability costs. Intents are
entered as the API enters them; the execution daemon runs as its own process against the paper venue. What ours does
more for each order: the intent, ``submitted`` before and the answer after the sending, each in a transaction with its
history, its announcement and the check of the leader's fence; and the fills.

Latency: single orders, one after the other, by the times in the history. Throughput: orders that are all there at
once, by the time from the first intent to the last acknowledgement; an account's own rate budget (30 at once, 6 a
second, :mod:`fullon.venues.budget`) is not exceeded, so it does not show. Each account has one symbol, in which orders
wait for each other, here and there.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from ccxt import pro

from benchmarks.figures import median, percentile, table
from fullon.orders.model import Order
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from functions.migrate.migrations import upgrade
from local.paper.addresses import ccxt_overrides
from tests.daemons.collecting import Stage, sow, stage
from tests.daemons.executing import SYMBOL, Trader, a_trader
from tests.local.paper_trading import SECRET, open_account
from tests.paper_venue import RunningVenue, paper_venue
from tests.servers import running_postgres, running_valkey

LATENCIES = int(os.environ.get("ORDERS_LATENCIES", "100"))
#: Between two of them, so that the rate budget has room.
PAUSE_SECONDS = 0.2
AT_ONCE = 25
ACCOUNTS = 50
EACH = 10
PATIENCE_SECONDS = 300.0
VOLUME = "0.001"
_ACKNOWLEDGED = """
SELECT o.order_id, o.created_at, min(e.at) FILTER (WHERE e.status = 'submitted') AS submitted,
    min(e.at) FILTER (WHERE e.status IN ('open', 'partially_filled', 'filled')) AS acknowledged
FROM orders o JOIN order_events e USING (order_id) WHERE o.order_id = ANY($1) GROUP BY 1, 2
"""
_LEFT = "SELECT count(*) FROM orders WHERE status IN ('new', 'submitted', 'unknown')"


async def acknowledged(made: Stage, orders: list[Order]) -> list[Any]:
    """The times of these orders, once each has its venue's answer."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (await made.query(_LEFT, database="platform"))[0][0]:
        if time.monotonic() > until:
            raise SystemExit(f"Orders without an answer after {PATIENCE_SECONDS:g} s.")
        await asyncio.sleep(0.1)
    rows = await made.query(_ACKNOWLEDGED, [order.order_id for order in orders], database="platform")
    if unanswered := [row for row in rows if row["acknowledged"] is None]:
        raise SystemExit(f"{len(unanswered)} of {len(orders)} orders were not taken by the venue.")
    return rows


def milliseconds(rows: list[Any], since: str) -> list[float]:
    """From a time to the acknowledgement."""
    return [(row["acknowledged"] - row[since]).total_seconds() * 1000 for row in rows]


def rate(rows: list[Any]) -> float:
    """Orders a second, from the first intent to the last acknowledgement."""
    began, ended = min(row["created_at"] for row in rows), max(row["acknowledged"] for row in rows)
    return len(rows) / float((ended - began).total_seconds())


@asynccontextmanager
async def direct(venue: RunningVenue, number: int) -> AsyncIterator[list[Any]]:
    """Accounts of their own, each with a client of ccxt."""
    async with AsyncExitStack() as stack:
        clients = []
        for index in range(number):
            key = f"DirectKey{index:08d}"
            await open_account(venue, key, SECRET)
            client = pro.binance(
                {"apiKey": key, "secret": SECRET, "enableRateLimit": False, **ccxt_overrides(venue.url)}
            )
            stack.push_async_callback(client.close)
            await client.load_markets()
            clients.append(client)
        yield clients


async def direct_order(client: Any) -> float:
    """Milliseconds of one order."""
    began = time.perf_counter()
    answer = await client.create_order(SYMBOL, "market", "buy", float(VOLUME))
    assert answer["status"] == "closed"
    return (time.perf_counter() - began) * 1000


async def direct_rate(clients: list[Any], each: int) -> float:
    """Orders a second over all accounts, one after the other in each."""

    async def one_account(client: Any) -> None:
        for _ in range(each):
            await direct_order(client)

    began = time.perf_counter()
    await asyncio.gather(*(one_account(client) for client in clients))
    return len(clients) * each / (time.perf_counter() - began)


async def latencies(made: Stage, trader: Trader, venue: RunningVenue) -> list[list[str]]:
    """Single orders, in turns with ccxt."""
    bare: list[float] = []
    orders: list[Order] = []
    async with direct(venue, 1) as [client]:
        await direct_order(client)
        await acknowledged(made, [await trader.enter(VOLUME)])
        for _ in range(LATENCIES):
            orders.append(await trader.enter(VOLUME))
            await asyncio.sleep(PAUSE_SECONDS)
            bare.append(await direct_order(client))
    rows = await acknowledged(made, orders)
    named = {
        "intent to acknowledgement": milliseconds(rows, "created_at"),
        "of which: submitted to acknowledgement": milliseconds(rows, "submitted"),
        "ccxt directly": bare,
    }
    base = median(bare)
    return [
        [name, f"{median(found):.1f}", f"{percentile(found, 0.99):.1f}", f"{median(found) / base:.2f}"]
        for name, found in named.items()
    ]


async def throughput(made: Stage, traders: list[Trader], venue: RunningVenue, each: int) -> list[str]:
    """Orders of so many accounts, all entered at once."""
    entered = await asyncio.gather(*(trader.enter(VOLUME) for trader in traders for _ in range(each)))
    ours = rate(await acknowledged(made, list(entered)))
    async with direct(venue, len(traders)) as clients:
        bare = await direct_rate(clients, each)
    return [
        f"{len(traders)} account{'s' * (len(traders) > 1)}, {each} orders each",
        f"{ours:.0f}",
        f"{ours / len(traders):.1f}",
        f"{bare:.0f}",
        f"{ours / bare:.2f}",
    ]


async def _main(folder: Path) -> None:
    with (
        running_postgres(folder, {}) as postgres,
        running_valkey(folder) as valkey,
        paper_venue("--control", "--log-level", "WARNING", "--order-limit", "100000") as venue,
    ):
        connection = await asyncpg.connect(postgres.dsn("postgres"))
        for name in ("fullon", "fullon_ohlcv"):
            await connection.execute(f'CREATE DATABASE "{name}"')
        await connection.close()
        await upgrade(postgres.dsn("fullon"), postgres.dsn("fullon_ohlcv"))
        os.environ |= {
            "ENVIRONMENT": "local",
            "DATABASE_URL": postgres.dsn("fullon"),
            "REDIS_URL": valkey.url,
            "JWT_SECRET_KEY": "a-benchmark-secret-of-more-than-thirty-two-bytes",
            "ENCRYPTION_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "EXCHANGE_URL_PAPER": venue.url,
            "LOG_LEVEL": "WARNING",
        }
        container = Container(Settings.load())
        try:
            with stage(venue, postgres.dsn("fullon"), postgres.dsn("fullon_ohlcv"), valkey.url) as made:
                await sow(made, symbols=[SYMBOL], backtest=0)
                made.start("execution")
                first, *others = [await a_trader(container, made) for _ in range(ACCOUNTS + 1)]
                rows = await latencies(made, first, venue)
                table("One order at a time", ["way", "p50 ms", "p99 ms", "p50 ×"], rows)
                counts = [
                    await throughput(made, others[:1], venue, AT_ONCE),
                    await throughput(made, [*others[1:], first], venue, EACH),
                ]
                columns = ["entered at once", "orders/s", "orders/s an account", "ccxt directly", "×"]
                table("Orders a second until acknowledged", columns, counts)
        finally:
            await container.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="fullon-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        asyncio.run(_main(Path(name)))
