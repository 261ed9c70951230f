"""Writing public trades to PostgreSQL; writing one again changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from fullon.kernel.clock import from_milliseconds, to_milliseconds
from fullon.market.candles_store import make_partitions
from fullon.venues.quotes import Trade

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

_INTAKE = """
CREATE TEMP TABLE IF NOT EXISTS trade_intake (
    series_id integer, ts timestamptz, trade_id text, ordinal bigint, price numeric, amount numeric, side text
) ON COMMIT DELETE ROWS
"""
_LAST = """
SELECT wanted.series_id, newest.*
  FROM unnest($1::integer[]) AS wanted (series_id)
 CROSS JOIN LATERAL (SELECT ts, trade_id, price, amount, side FROM trades WHERE trades.series_id = wanted.series_id
                      ORDER BY ts DESC, ordinal DESC LIMIT 1) AS newest
"""
_COLUMNS = "series_id, ts, trade_id, ordinal, price, amount, side"


async def put_trades(connection: Connection, trades: Iterable[tuple[int, Trade]]) -> None:
    """Store trades, each with its series; call it in a transaction."""
    rows = [
        (series, from_milliseconds(each.ts), each.trade_id, each.ordinal, each.price, each.amount, each.side)
        for series, each in trades
    ]
    if not rows:
        return
    await make_partitions(connection, "trades", [to_milliseconds(row[1]) for row in rows])
    await connection.execute(_INTAKE)
    await connection.copy_records_to_table("trade_intake", records=rows)
    await connection.execute(
        f"INSERT INTO trades ({_COLUMNS}) SELECT {_COLUMNS} FROM trade_intake"  # noqa: S608 - constants
        " ON CONFLICT (series_id, ts, trade_id) DO NOTHING"
    )
    await connection.execute("DELETE FROM trade_intake")


async def last_trades(connection: Connection, series_ids: Sequence[int]) -> dict[int, Trade]:
    """The newest trade of each series that has any."""
    rows = await connection.fetch(_LAST, list(series_ids))
    return {
        row["series_id"]: Trade(row["trade_id"], to_milliseconds(row["ts"]), row["price"], row["amount"], row["side"])
        for row in rows
    }
