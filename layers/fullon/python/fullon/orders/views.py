"""Figures of a user's records, added up by PostgreSQL: closed trades, fills, open positions, balances.

Profit is in the quote currency of a symbol, so sums are by currency and never across; real trades and those on paper
are never added up either, unless a caller asks for both and says so. What figures follow from the sums is
:mod:`fullon.orders.performance`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fullon.orders import performance
from fullon.orders.selection import Selection

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection


class By(StrEnum):
    """What sums can be grouped by, beside the quote currency."""

    SYMBOL = "symbol"
    DAY = "day"
    BOT = "bot_id"
    DRY_RUN = "dry_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums of closed trades of one quote currency.

    Attributes:
        fees: of both sides, already taken off the profit.
        first, last: when the first and the last of them was closed.
    """

    trades: int = 0
    wins: int = 0
    losses: int = 0
    gross_profit: Decimal = Decimal(0)
    gross_loss: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    best: Decimal | None = None
    worst: Decimal | None = None
    first: datetime | None = None
    last: datetime | None = None

    @property
    def pnl(self) -> Decimal:
        """Profit after fees."""
        return self.gross_profit - self.gross_loss

    @property
    def figures(self) -> performance.TradeFigures:
        """What the sums amount to."""
        return performance.of_sums(
            trades=self.trades,
            wins=self.wins,
            losses=self.losses,
            gross_profit=self.gross_profit,
            gross_loss=self.gross_loss,
            best=self.best,
            worst=self.worst,
        )

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            trades=self.trades + other.trades,
            wins=self.wins + other.wins,
            losses=self.losses + other.losses,
            gross_profit=self.gross_profit + other.gross_profit,
            gross_loss=self.gross_loss + other.gross_loss,
            fees=self.fees + other.fees,
            best=max((each.best for each in (self, other) if each.best is not None), default=None),
            worst=min((each.worst for each in (self, other) if each.worst is not None), default=None),
            first=min((each.first for each in (self, other) if each.first is not None), default=None),
            last=max((each.last for each in (self, other) if each.last is not None), default=None),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Sums of closed trades of a quote currency, and of whatever else they are grouped by."""

    currency: str
    by: tuple[Any, ...]
    totals: Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A closed lot, or a part of one: a row of ``trades``; amounts in the quote currency."""

    trade_id: UUID
    ex_id: UUID
    bot_id: UUID | None
    symbol: str
    dry_run: bool
    side: str
    volume: Decimal
    entry_price: Decimal
    exit_price: Decimal
    entry_fee: Decimal
    exit_fee: Decimal
    pnl: Decimal
    roi: Decimal
    opened_at: datetime
    closed_at: datetime
    entry_fill: UUID
    exit_fill: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """Sums of fills of a symbol.

    Attributes:
        turnover: price times quantity, in the quote currency.
        fees: in the quote currency, of those whose worth is known.
        fees_unknown: fills whose fee's worth in the quote currency is not known.
    """

    symbol: str
    dry_run: bool
    fills: int
    turnover: Decimal
    fees: Decimal
    fees_unknown: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an account holds, or owes, of a symbol by its fills: the sum of its open lots.

    Attributes:
        volume: positive; ``side`` says which way.
        cost: price times quantity of its lots, in the quote currency.
        fees: paid for them.
    """

    ex_id: UUID
    account: str
    exchange: str
    symbol: str
    dry_run: bool
    side: str
    lots: int
    volume: Decimal
    cost: Decimal
    fees: Decimal
    opened_at: datetime

    @property
    def entry_price(self) -> Decimal:
        """Average price of the lots, to 18 digits."""
        return round(self.cost / self.volume, 18)


_TRADE = ", ".join(Trade.__dataclass_fields__)
#: By symbol first, as naming the currency of every trade would cost as much as adding it up.
_GROUPS = """
SELECT sum(trades)::bigint AS trades, sum(wins)::bigint AS wins, sum(losses)::bigint AS losses,
    sum(gross_profit) AS gross_profit, sum(gross_loss) AS gross_loss, sum(fees) AS fees, max(best) AS best,
    min(worst) AS worst, min(first) AS first, max(last) AS last,
    split_part(split_part(symbol, '/', 2), ':', 1) AS currency{keys}
FROM (
    SELECT count(*) AS trades, count(*) FILTER (WHERE pnl > 0) AS wins, count(*) FILTER (WHERE pnl < 0) AS losses,
        coalesce(sum(pnl) FILTER (WHERE pnl > 0), 0) AS gross_profit,
        coalesce(-sum(pnl) FILTER (WHERE pnl < 0), 0) AS gross_loss,
        sum(entry_fee) + sum(exit_fee) AS fees, max(pnl) AS best, min(pnl) AS worst,
        min(closed_at) AS first, max(closed_at) AS last, symbol{inner_keys}
    FROM {trades} WHERE {where} GROUP BY symbol{inner_keys}
) by_symbol
GROUP BY currency{keys} ORDER BY currency{keys}
"""
_TRADES_BY_DAY = "(SELECT *, (closed_at AT TIME ZONE 'UTC')::date AS day FROM trades) by_day"
_EXECUTED = """
SELECT symbol, source = 'dry' AS dry_run, count(*) AS fills, sum(price * volume) AS turnover,
    coalesce(sum(fee_quote), 0) AS fees, count(*) FILTER (WHERE fee_quote IS NULL) AS fees_unknown,
    min(at) AS first, max(at) AS last
"""
_HELD = """
SELECT l.ex_id, x.name AS account, c.name AS exchange, l.symbol, l.dry_run, l.side, l.lots, l.volume, l.cost, l.fees,
    l.opened_at
FROM (
    SELECT ex_id, symbol, dry_run, side, count(*) AS lots, sum(volume) AS volume, sum(volume * price) AS cost,
        sum(fee) AS fees, min(opened_at) AS opened_at
    FROM open_lots WHERE {where} GROUP BY ex_id, symbol, dry_run, side
) l JOIN exchanges x USING (ex_id) JOIN cat_exchanges c USING (cat_ex_id)
ORDER BY c.name, x.name, l.symbol, l.dry_run
"""


def currency_of(symbol: str) -> str:
    """The quote currency of a unified symbol: USDT of ``BTC/USDT`` and of ``BTC/USDT:USDT``."""
    return symbol.partition("/")[2].partition(":")[0]


async def groups(connection: Connection, selection: Selection, *by: By) -> list[Group]:
    """Sums of closed trades by quote currency, and by what else is asked for; in the order of those."""
    where, values = selection.of_trades()
    query = _GROUPS.format(
        keys="".join(f", {key}" for key in by),
        inner_keys="".join(f", {key}" for key in by if key is not By.SYMBOL),
        trades=_TRADES_BY_DAY if By.DAY in by else "trades",
        where=where,
    )
    names = Totals.__dataclass_fields__
    count = len(names)
    return [
        Group(
            currency=row["currency"],
            by=tuple(row)[count + 1 :],
            totals=Totals(**{name: row[name] for name in names}),
        )
        for row in await connection.fetch(query, *values)
    ]


def by_currency(found: Iterable[Group]) -> dict[str, Totals]:
    """Groups added up by quote currency; the one with the most trades first, of equal ones by name."""
    sums: dict[str, Totals] = {}
    for group in found:
        sums[group.currency] = sums.get(group.currency, Totals()) + group.totals
    return dict(sorted(sums.items(), key=lambda item: (-item[1].trades, item[0])))


async def closed(
    connection: Connection, selection: Selection, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Trade]:
    """Closed trades of a selection, newest first; ``before`` is the last of the page before."""
    where, values = selection.of_trades()
    if before is not None:
        where += f" AND (closed_at, trade_id) < (${len(values) + 1}, ${len(values) + 2})"
        values += before
    rows = await connection.fetch(
        f"SELECT {_TRADE} FROM trades WHERE {where}"  # noqa: S608 - constants
        f" ORDER BY closed_at DESC, trade_id DESC LIMIT ${len(values) + 1}",
        *values,
        limit,
    )
    return [Trade(**dict(row)) for row in rows]


async def executed(connection: Connection, selection: Selection) -> list[Executed]:
    """Sums of fills by symbol, real and on paper apart."""
    where, values = selection.of_fills()
    rows = await connection.fetch(
        f"{_EXECUTED} FROM fills WHERE {where} GROUP BY 1, 2 ORDER BY 1, 2",
        *values,
    )
    return [Executed(**dict(row)) for row in rows]


async def held(connection: Connection, selection: Selection) -> list[Held]:
    """Open positions by account and symbol."""
    where, values = selection.of_lots()
    return [Held(**dict(row)) for row in await connection.fetch(_HELD.format(where=where), *values)]
