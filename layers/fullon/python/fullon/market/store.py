"""Reading candles and trades from PostgreSQL. Writing is :mod:`candles_store` and :mod:`trades_store`.

Candles come packed (:mod:`fullon.market.packed`): minutes by whole hours, which complete hours keep ready; hours and
days as rows. Times are epoch milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from fullon.kernel.clock import from_milliseconds, to_milliseconds
from fullon.kernel.timeframes import HOUR_MS, MINUTE_MS
from fullon.market.packed import packed_row

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

RollUp = Literal["candles_1h", "candles_1d"]

# What is known of a series and its rows come in one round trip; ``{rows}`` is an array of packed rows.
_FOUND = """
SELECT series.series_id, series.exchange, series.symbol, series.verified_until,
       (SELECT ts FROM candles WHERE candles.series_id = series.series_id ORDER BY ts DESC LIMIT 1) AS newest,
       {rows} AS rows
  FROM series
 WHERE exchange = $1 AND symbol = $2
"""
_HOURS = f"""
ARRAY(SELECT coalesce(packed, (
                 SELECT string_agg({packed_row("candles")}, ''::bytea ORDER BY candles.ts)
                   FROM candles
                  WHERE candles.series_id = hours.series_id
                    AND candles.ts >= hours.ts AND candles.ts < hours.ts + interval '1 hour'))
        FROM candles_1h AS hours
       WHERE hours.series_id = series.series_id AND {{condition}}
       ORDER BY hours.ts {{direction}} LIMIT {{limit}})
"""  # noqa: S608 - constants, like all below
_ROWS = f"""
ARRAY(SELECT string_agg({packed_row("found")}, ''::bytea ORDER BY found.ts)
        FROM (SELECT * FROM {{table}} AS kept
               WHERE kept.series_id = series.series_id AND {{condition}}
               ORDER BY kept.ts {{direction}} LIMIT {{limit}}) AS found
      HAVING count(*) > 0)
"""  # noqa: S608
_NOTHING = _FOUND.format(rows="NULL::bytea[]")
_LATEST_HOURS = _FOUND.format(
    rows=_HOURS.format(condition="($3::timestamptz IS NULL OR hours.ts < $3)", direction="DESC", limit="$4")
)
_HOURS_BETWEEN = _FOUND.format(
    rows=_HOURS.format(
        condition="hours.ts >= $3 AND ($4::timestamptz IS NULL OR hours.ts < $4)", direction="", limit="$5"
    )
)
_LATEST_ROWS = {
    table: _FOUND.format(rows=_ROWS.format(table=table, condition="true", direction="DESC", limit="$3"))
    for table in ("candles_1h", "candles_1d")
}
_ROWS_BETWEEN = {
    table: _FOUND.format(
        rows=_ROWS.format(
            table=table,
            condition="kept.ts >= $3 AND ($4::timestamptz IS NULL OR kept.ts < $4)",
            direction="",
            limit="$5",
        )
    )
    for table in ("candles_1h", "candles_1d")
}
_TRADE = "trade_id, ts, trim_scale(price)::text AS price, trim_scale(amount)::text AS amount, side, ordinal"
_LATEST_TRADES = f"""
SELECT {_TRADE} FROM trades WHERE series_id = $1 ORDER BY ts DESC, ordinal DESC, trade_id DESC LIMIT $2
"""  # noqa: S608 - constants
_TRADES_BETWEEN = f"""
SELECT {_TRADE} FROM trades
 WHERE series_id = $1 AND ts >= $2 AND ($3::timestamptz IS NULL OR ts < $3)
   AND ($4::bigint IS NULL OR ts > $2 OR (ordinal, trade_id) > ($4, $5::text))
 ORDER BY ts, ordinal, trade_id LIMIT $6
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Series:
    """A symbol of an exchange, and how far its stored candles are known.

    Attributes:
        series_id: None as long as nothing was ever collected.
        closed_until: everything before this has closed by the venue's clock: the end of the newest stored minute,
            or later when the venue was read later and had nothing newer; 0 when nothing is stored.
        verified_until: before this nothing changes any more: it was read from the venue after it had closed.
    """

    series_id: int | None
    exchange: str
    symbol: str
    closed_until: int = 0
    verified_until: int = 0


@dataclass(frozen=True, slots=True)
class StoredTrade:
    """A public trade as it is stored; price and amount in plain notation, ``ordinal`` orders equal times."""

    trade_id: str
    ts: datetime
    price: str
    amount: str
    side: str | None
    ordinal: int


async def series(connection: Connection, exchange: str, symbol: str) -> Series | None:
    """What is known of the candles of a symbol; None if nothing was ever collected."""
    return _found(await connection.fetchrow(_NOTHING, exchange, symbol))[0]


async def latest_hours(
    connection: Connection, exchange: str, symbol: str, hours: int, before: int | None = None
) -> tuple[Series | None, list[bytes]]:
    """The minutes of the latest hours that have any, oldest hour first."""
    found, rows = _found(await connection.fetchrow(_LATEST_HOURS, exchange, symbol, _time(before), hours))
    return found, rows[::-1]


async def hours_between(
    connection: Connection, exchange: str, symbol: str, start: int, end: int | None, hours: int
) -> tuple[Series | None, list[bytes]]:
    """The minutes of the first ``hours`` hours that have any, from the hour that holds ``start`` to before ``end``."""
    begin = from_milliseconds(start - start % HOUR_MS)
    return _found(await connection.fetchrow(_HOURS_BETWEEN, exchange, symbol, begin, _time(end), hours))


async def latest_rows(
    connection: Connection, table: RollUp, exchange: str, symbol: str, limit: int
) -> tuple[Series | None, list[bytes]]:
    """The latest rows of hours or days, together."""
    return _found(await connection.fetchrow(_LATEST_ROWS[table], exchange, symbol, limit))


async def rows_between(
    connection: Connection, table: RollUp, exchange: str, symbol: str, start: int, end: int | None, limit: int
) -> tuple[Series | None, list[bytes]]:
    """The first ``limit`` rows of hours or days with ``start`` ≤ time < ``end``, together."""
    begin = from_milliseconds(start)
    return _found(await connection.fetchrow(_ROWS_BETWEEN[table], exchange, symbol, begin, _time(end), limit))


async def close_before(connection: Connection, series_id: int, moment: int) -> float | None:
    """Close of the last minute before ``moment``."""
    value = await connection.fetchval(
        "SELECT close FROM candles WHERE series_id = $1 AND ts < $2 ORDER BY ts DESC LIMIT 1",
        series_id,
        from_milliseconds(moment),
    )
    return None if value is None else float(value)


async def latest_trades(connection: Connection, series_id: int, limit: int) -> list[StoredTrade]:
    """The latest public trades, oldest first."""
    rows = await connection.fetch(_LATEST_TRADES, series_id, limit)
    return [StoredTrade(*row) for row in reversed(rows)]


async def trades_between(
    connection: Connection,
    series_id: int,
    start: datetime,
    end: datetime | None,
    limit: int,
    after: tuple[int, str] | None = None,
) -> list[StoredTrade]:
    """The first public trades with ``start`` ≤ time < ``end``, oldest first.

    Args:
        after: of those at exactly ``start``, only the ones behind this ordinal and id.
    """
    ordinal, trade_id = after or (None, None)
    rows = await connection.fetch(_TRADES_BETWEEN, series_id, start, end, ordinal, trade_id, limit)
    return [StoredTrade(*row) for row in rows]


def _found(row: Any) -> tuple[Series | None, list[bytes]]:
    if row is None:
        return None, []
    verified = to_milliseconds(row["verified_until"]) if row["verified_until"] else 0
    closed = to_milliseconds(row["newest"]) + MINUTE_MS if row["newest"] else 0
    known = Series(row["series_id"], row["exchange"], row["symbol"], max(closed, verified if closed else 0), verified)
    return known, row["rows"] or []


def _time(ts: int | None) -> datetime | None:
    return None if ts is None else from_milliseconds(ts)
