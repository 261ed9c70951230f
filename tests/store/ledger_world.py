"""Somebody's account with its fills, what the ledger keeps of them, and what it should keep, worked out another way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg

from fullon.kernel.ids import new_id
from fullon.orders import ledger
from fullon.orders.model import Fill, FillSource, Side
from tests.people import a_user, a_venue

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

D = Decimal
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Account:
    """Somebody's account at a venue with one symbol."""

    uid: UUID
    ex_id: UUID
    symbol_id: int

    def fill(
        self, number: int, side: Side, volume: str | D, price: str | D, fee: str | D = "0", *, minute: int | None = None
    ) -> Fill:
        return Fill(
            fill_id=new_id(),
            uid=self.uid,
            ex_id=self.ex_id,
            order_id=None,
            bot_id=None,
            symbol_id=self.symbol_id,
            symbol="BTC/USDT",
            side=side,
            source=FillSource.VENUE,
            venue_trade_id=str(number),
            venue_order_id=None,
            price=D(price),
            volume=D(volume),
            fee=D(fee),
            fee_currency="USDT",
            fee_quote=None,
            maker=None,
            at=START + timedelta(minutes=number if minute is None else minute),
        )

    def buy(self, number: int, volume: str, price: str, fee: str = "0") -> Fill:
        return self.fill(number, Side.BUY, volume, price, fee)

    def sell(self, number: int, volume: str, price: str, fee: str = "0") -> Fill:
        return self.fill(number, Side.SELL, volume, price, fee)


async def an_account(connection: Connection) -> Account:
    await a_venue(connection, "paper", *([] if await connection.fetchval("SELECT 1 FROM symbols") else ["BTC/USDT"]))
    uid, ex_id = await a_user(connection), uuid4()
    await connection.execute(
        "INSERT INTO exchanges (ex_id, uid, cat_ex_id, name, key_hint, sealed, data_key, master_key_id, created_at,"
        " updated_at) SELECT $1, $2, cat_ex_id, 'main', 'abcd', '-', '-', 'test', now(), now() FROM cat_exchanges"
        " WHERE name = 'paper'",
        ex_id,
        uid,
    )
    symbol_id = await connection.fetchval("SELECT symbol_id FROM symbols WHERE symbol = 'BTC/USDT'")
    return Account(uid, ex_id, symbol_id)


async def record(connection: Connection, *fills: Fill, **options: Any) -> list[Fill]:
    async with connection.transaction():
        return await ledger.record(connection, datetime.now(UTC), fills, **options)


#: A trade as (entry id, exit id, side, volume, entry fee, exit fee, pnl), a lot as (id, side, volume, fee).
State = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]


async def stored(connection: Connection, account: Account, *, dry_run: bool = False) -> State:
    trades = await connection.fetch(
        "SELECT e.venue_trade_id, x.venue_trade_id, t.side, t.volume, t.entry_fee, t.exit_fee, t.pnl FROM trades t"
        " JOIN fills e ON e.fill_id = entry_fill JOIN fills x ON x.fill_id = exit_fill"
        " WHERE t.ex_id = $1 AND t.dry_run = $2",
        account.ex_id,
        dry_run,
    )
    lots = await connection.fetch(
        "SELECT f.venue_trade_id, l.side, l.volume, l.fee FROM open_lots l JOIN fills f ON f.fill_id = l.lot_id"
        " WHERE l.ex_id = $1 AND l.dry_run = $2",
        account.ex_id,
        dry_run,
    )
    return sorted(tuple(row) for row in trades), sorted(tuple(row) for row in lots)


def expected(fills: Sequence[Fill]) -> State:
    """By intervals of the cumulative quantity: the nth unit bought meets the nth unit sold, whichever came first.

    Shares nothing with the queue of lots. Fees are shared by quantity, exactly, and profit follows from them.
    """
    ordered = sorted(fills, key=lambda each: (each.at, int(each.venue_trade_id)))
    spans: dict[Side, list[tuple[Fraction, Fraction, int, Fill]]] = {side: [] for side in Side}
    ends = {side: Fraction(0) for side in Side}
    for place, fill in enumerate(ordered):
        since = ends[fill.side]
        ends[fill.side] = since + Fraction(fill.volume)
        spans[fill.side].append((since, ends[fill.side], place, fill))
    trades = []
    for bought_since, bought_until, bought_at, bought in spans[Side.BUY]:
        for sold_since, sold_until, sold_at, sold in spans[Side.SELL]:
            volume = min(bought_until, sold_until) - max(bought_since, sold_since)
            if volume <= 0:
                continue
            entry, leave, side = (bought, sold, "long") if bought_at < sold_at else (sold, bought, "short")
            entry_fee = Fraction(entry.fee) * volume / Fraction(entry.volume)
            exit_fee = Fraction(leave.fee) * volume / Fraction(leave.volume)
            pnl = (Fraction(sold.price) - Fraction(bought.price)) * volume - entry_fee - exit_fee
            trades.append((entry.venue_trade_id, leave.venue_trade_id, side, volume, entry_fee, exit_fee, pnl))
    matched = min(ends.values())
    lots = [
        (
            fill.venue_trade_id,
            "long" if side is Side.BUY else "short",
            until - max(since, matched),
            Fraction(fill.fee) * (until - max(since, matched)) / Fraction(fill.volume),
        )
        for side in Side
        for since, until, _, fill in spans[side]
        if until > matched
    ]
    return sorted(trades), sorted(lots)


def assert_same(found: State, wanted: State) -> None:
    """Names, sides and quantities are equal; fees and profits to the digits that are kept."""
    for ours, theirs in zip(found, wanted, strict=True):
        assert [row[:-3] if len(row) == 7 else row[:-1] for row in ours] == [
            row[:-3] if len(row) == 7 else row[:-1] for row in theirs
        ]
        for our, their in zip(ours, theirs, strict=True):
            for one, other in zip(our, their, strict=True):
                if isinstance(other, Fraction):
                    assert abs(Fraction(one) - other) < Fraction(1, 10**15)
