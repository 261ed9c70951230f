"""Fills, and the lots and trades that follow from them, kept in the fill's own transaction.

Fills of an account in a symbol form one queue (two, as those on paper count apart): first in, first out, by
:mod:`fullon.orders.lots`. Open lots and closed trades are stored, so that reading them costs nothing of it. Whatever
order fills arrive in, stored lots and trades are those of all fills in their own order: when one arrives that is older
than others, or one that was entered by hand changes, the queue is taken back to that moment and played again from
there. Taking back is exact: the parts of a lot that trades closed add up to the lot, fees included.

Writers of a queue stand in line behind an advisory lock that ends with their transaction, which must be one that reads
what was committed meanwhile (``READ COMMITTED``, PostgreSQL's usual).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID, uuid5

from fullon.orders import fees, fill_store
from fullon.orders.errors import TradeImmutable
from fullon.orders.lots import Closed, Lot, Lots
from fullon.orders.model import Fill, FillSource

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection

#: What may be changed about a fill that was entered by hand.
CHANGEABLE = frozenset({"side", "price", "volume", "fee", "fee_currency", "at"})
#: Fills that are played at a time, so that a long history does not fill the memory.
_BATCH = 5000
_TRADE_IDS = UUID("5b0f5d0e-6c1e-5b57-9d0c-3f0c2a6f7a11")


class Queue(NamedTuple):
    """The lots of an account in a symbol, real or on paper."""

    ex_id: UUID
    symbol: str
    dry_run: bool


_THIS = "ex_id = $1 AND symbol = $2 AND dry_run = $3"
_FILLS = f"""
SELECT {fill_store.COLUMNS} FROM fills
WHERE ex_id = $1 AND symbol = $2 AND (source = 'dry') = $3 AND at >= $4 ORDER BY {fill_store.IN_ORDER}
"""  # noqa: S608 - constant lists of columns
_COUNT = "SELECT count(*) FROM fills WHERE ex_id = $1 AND symbol = $2 AND (source = 'dry') = $3 AND at >= $4"
_LOTS = """
SELECT l.lot_id, l.bot_id, l.side, l.volume, l.price, l.fee, l.opened_at
FROM open_lots l JOIN fills f ON f.fill_id = l.lot_id
WHERE l.ex_id = $1 AND l.symbol = $2 AND l.dry_run = $3
ORDER BY f.at, length(f.venue_trade_id), f.venue_trade_id COLLATE "C"
"""
_RESTORE = f"""
WITH undone AS (DELETE FROM trades WHERE {_THIS} AND closed_at >= $4 RETURNING *)
INSERT INTO open_lots (lot_id, uid, ex_id, bot_id, symbol, dry_run, side, volume, price, fee, opened_at)
SELECT entry_fill, uid, ex_id, bot_id, symbol, dry_run, side, sum(volume), entry_price, sum(entry_fee), opened_at
FROM undone WHERE opened_at < $4
GROUP BY entry_fill, uid, ex_id, bot_id, symbol, dry_run, side, entry_price, opened_at
ON CONFLICT (lot_id) DO UPDATE SET volume = open_lots.volume + excluded.volume, fee = open_lots.fee + excluded.fee
"""  # noqa: S608 - a constant condition
_OPENED = """
INSERT INTO open_lots (lot_id, uid, ex_id, bot_id, symbol, dry_run, side, volume, price, fee, opened_at)
SELECT lot_id, $4, $1, bot_id, $2, $3, side, volume, price, fee, opened_at
FROM unnest($5::uuid[], $6::uuid[], $7::text[], $8::numeric[], $9::numeric[], $10::numeric[], $11::timestamptz[])
    AS lot (lot_id, bot_id, side, volume, price, fee, opened_at)
ON CONFLICT (lot_id) DO UPDATE SET volume = excluded.volume, fee = excluded.fee
"""
_CLOSED = """
INSERT INTO trades (ex_id, symbol, dry_run, uid, trade_id, bot_id, side, volume, entry_price, exit_price, entry_fee,
    exit_fee, pnl, roi, opened_at, closed_at, entry_fill, exit_fill)
SELECT $1, $2, $3, $4, *
FROM unnest($5::uuid[], $6::uuid[], $7::text[], $8::numeric[], $9::numeric[], $10::numeric[], $11::numeric[],
    $12::numeric[], $13::numeric[], $14::numeric[], $15::timestamptz[], $16::timestamptz[], $17::uuid[], $18::uuid[])
"""
_ADOPTED = """
WITH adopted AS (
    UPDATE fills SET order_id = $5, bot_id = $6
    WHERE uid = $1 AND ex_id = $2 AND symbol = $3 AND venue_order_id = $4 AND order_id IS NULL RETURNING fill_id
), lots AS (UPDATE open_lots SET bot_id = $6 WHERE lot_id IN (SELECT fill_id FROM adopted)),
trades AS (UPDATE trades SET bot_id = $6 WHERE entry_fill IN (SELECT fill_id FROM adopted))
SELECT count(*) FROM adopted
"""


async def record(
    connection: Connection, recorded_at: datetime, fills: Sequence[Fill], price_of: fees.PriceOf | None = None
) -> list[Fill]:
    """Take in fills, in any order, and keep lots and trades; those that are known already change nothing.

    A trade belongs to the bot whose fill opened its lot, whoever closed it.

    Args:
        connection: in a transaction, at whose end other writers of the same account and symbol go on.
        fills: where ``fee_quote`` is None it is worked out of the fee's currency.
        price_of: what a fee in a third currency is worth; without it such a fee counts as of unknown worth.

    Returns:
        The new ones, as they are stored.
    """
    assert connection.is_in_transaction(), "lots and fills are written together"
    if not fills:
        return []
    for ex_id, symbol in sorted({(fill.ex_id, fill.symbol) for fill in fills}):
        await _stand_in_line(connection, ex_id, symbol)
    new = await fill_store.insert(connection, recorded_at, await _valued(connection, fills, price_of))
    queues: dict[Queue, list[Fill]] = {}
    for fill in new:
        queues.setdefault(queue_of(fill), []).append(fill)
    for queue, arrived in queues.items():
        arrived.sort(key=fill_store.order)
        since = arrived[0].at
        if await connection.fetchval(_COUNT, *queue, since) == len(arrived):
            await _take(connection, queue, arrived)
        else:
            await _take_back(connection, queue, since)
            await _play(connection, queue, since)
    return new


async def change(connection: Connection, uid: UUID, fill_id: UUID, values: Mapping[str, Any]) -> Fill:
    """Change a fill of ``uid`` that was entered by hand, and what followed from it.

    Args:
        values: any of :data:`CHANGEABLE`.

    Raises:
        TradeNotFound, TradeImmutable: it cannot be done.
    """
    assert values.keys() <= CHANGEABLE, "columns are chosen by the caller, never by a request"
    before = await _by_hand(connection, uid, fill_id)
    [after] = await _valued(connection, [replace(before, **values, fee_quote=None)], None)
    since = min(before.at, after.at)
    await _take_back(connection, queue_of(before), since)
    await fill_store.update(connection, after)
    await _play(connection, queue_of(before), since)
    return after


async def remove(connection: Connection, uid: UUID, fill_id: UUID) -> Fill:
    """Remove a fill of ``uid`` that was entered by hand, and what followed from it; says what it was.

    Raises:
        TradeNotFound, TradeImmutable: it cannot be done.
    """
    fill = await _by_hand(connection, uid, fill_id)
    await _take_back(connection, queue_of(fill), fill.at)
    await connection.execute("DELETE FROM fills WHERE fill_id = $1", fill_id)
    await _play(connection, queue_of(fill), fill.at)
    return fill


async def adopt(
    connection: Connection,
    uid: UUID,
    ex_id: UUID,
    symbol: str,
    venue_order_id: str,
    *,
    order_id: UUID,
    bot_id: UUID | None,
) -> int:
    """Give fills that were known before their order was to the order and its bot; says how many there were."""
    await _stand_in_line(connection, ex_id, symbol)
    found: int = await connection.fetchval(_ADOPTED, uid, ex_id, symbol, venue_order_id, order_id, bot_id)
    return found


def is_by_hand(fill: Fill) -> bool:
    """Whether a person entered it: neither a venue nor an order made it."""
    return fill.source is not FillSource.VENUE and fill.order_id is None


def queue_of(fill: Fill) -> Queue:
    """Where a fill counts."""
    return Queue(fill.ex_id, fill.symbol, fill.source is FillSource.DRY)


async def _stand_in_line(connection: Connection, ex_id: UUID, symbol: str) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"ledger:{ex_id}:{symbol}")


async def _by_hand(connection: Connection, uid: UUID, fill_id: UUID) -> Fill:
    fill = await fill_store.get(connection, uid, fill_id)
    await _stand_in_line(connection, fill.ex_id, fill.symbol)
    fill = await fill_store.get(connection, uid, fill_id)
    if not is_by_hand(fill):
        raise TradeImmutable
    return fill


async def _valued(connection: Connection, fills: Sequence[Fill], price_of: fees.PriceOf | None) -> list[Fill]:
    if all(fill.fee_quote is not None for fill in fills):
        return list(fills)
    rows = await connection.fetch(
        "SELECT symbol_id, base, quote FROM symbols WHERE symbol_id = ANY($1)", fill_store.symbols_of(fills)
    )
    pairs = {row["symbol_id"]: (row["base"], row["quote"]) for row in rows}

    def worth(fill: Fill) -> Decimal | None:
        if fill.symbol_id not in pairs:
            return None  # the insert refuses it: there is no such symbol
        base, quote = pairs[fill.symbol_id]
        return fees.in_quote(
            fill.fee, fill.fee_currency, base=base, quote=quote, price=fill.price, at=fill.at, price_of=price_of
        )

    return [fill if fill.fee_quote is not None else replace(fill, fee_quote=worth(fill)) for fill in fills]


async def _take_back(connection: Connection, queue: Queue, since: datetime) -> None:
    """Lots and trades of a queue as they were before ``since``."""
    await connection.execute(f"DELETE FROM open_lots WHERE {_THIS} AND opened_at >= $4", *queue, since)  # noqa: S608 - constant
    await connection.execute(_RESTORE, *queue, since)


async def _play(connection: Connection, queue: Queue, since: datetime) -> None:
    """Take all stored fills of a queue from ``since`` on."""
    cursor = await connection.cursor(_FILLS, *queue, since)
    while rows := await cursor.fetch(_BATCH):
        await _take(connection, queue, [fill_store.of_row(row) for row in rows])


async def _take(connection: Connection, queue: Queue, fills: Sequence[Fill]) -> None:
    """Take fills that are later than all that were taken, in order."""
    rows = await connection.fetch(_LOTS, *queue)
    held = [
        Lot(
            row["lot_id"],
            1 if row["side"] == "long" else -1,
            row["volume"],
            row["price"],
            row["fee"],
            row["opened_at"],
        )
        for row in rows
    ]
    bots = {row["lot_id"]: row["bot_id"] for row in rows} | {fill.fill_id: fill.bot_id for fill in fills}
    with localcontext() as context:
        context.prec = fees.PRECISION
        lots = Lots(held)
        closed = [each for fill in fills for each in lots.take(fill)]
        trades = [_trade(each, bots[each.entry_fill]) for each in closed]
    owner = fills[0].uid
    before, after = set(held), set(lots.held)
    gone = {lot.fill_id for lot in before} - {lot.fill_id for lot in after}
    if gone:
        await connection.execute("DELETE FROM open_lots WHERE lot_id = ANY($1)", list(gone))
    if changed := after - before:
        await connection.execute(
            _OPENED, *queue, owner, *_columns([_lot(each, bots[each.fill_id]) for each in changed])
        )
    if trades:
        await connection.execute(_CLOSED, *queue, owner, *_columns(trades))


def _lot(lot: Lot, bot_id: UUID | None) -> tuple[object, ...]:
    return lot.fill_id, bot_id, _side(lot.direction), lot.volume, lot.price, lot.fee, lot.opened_at


def _trade(closed: Closed, bot_id: UUID | None) -> tuple[object, ...]:
    """A fill closes a lot once, so the two name the trade, however often it is worked out again."""
    return (
        uuid5(_TRADE_IDS, f"{closed.entry_fill}{closed.exit_fill}"),
        bot_id,
        _side(closed.direction),
        closed.volume,
        closed.entry_price,
        closed.exit_price,
        closed.entry_fee,
        closed.exit_fee,
        round(closed.pnl, 18),
        closed.roi,
        closed.opened_at,
        closed.closed_at,
        closed.entry_fill,
        closed.exit_fill,
    )


def _side(direction: int) -> str:
    return "long" if direction > 0 else "short"


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
