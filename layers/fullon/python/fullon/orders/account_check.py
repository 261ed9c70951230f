"""One look at everything that an account's venue says: open orders, orders that ended unseen, fills, unknown orders."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from fullon.kernel.clock import Clock
from fullon.orders import fill_intake, order_store, venue_orders
from fullon.orders.model import Order, OrderStatus
from fullon.venues.account import Account
from fullon.venues.account_data import AccountData, VenueFill, VenueOrder

if TYPE_CHECKING:
    from fullon.orders.fill_store import Connection

    Fenced = Callable[[], AbstractAsyncContextManager[Connection]]

#: Every symbol in use is looked at so often, whatever happens.
SWEEP_SECONDS = 600.0
#: So many fills before the newest known one are asked for again when a look begins: what the stream left out there is
#: found.
OVERLAP = 200
#: Pages of fills of a symbol in one look; the next one goes on.
_PAGES = 20
#: Orders of fills that nobody knows, asked for in one look.
_UNKNOWN_ORDERS = 20
_AT_VENUE = (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)

_SYMBOLS = """
SELECT symbol FROM symbols WHERE cat_ex_id = $1 AND active
UNION SELECT DISTINCT symbol FROM fills WHERE ex_id = $2 AND source = 'venue'
UNION SELECT DISTINCT symbol FROM orders WHERE ex_id = $2
ORDER BY symbol
"""
_LAST = """
SELECT venue_trade_id, at FROM (
    SELECT venue_trade_id, at FROM fills WHERE ex_id = $1 AND symbol = $2 AND source = 'venue'
    ORDER BY at DESC, length(venue_trade_id) DESC, venue_trade_id COLLATE "C" DESC LIMIT $3
) newest ORDER BY at, length(venue_trade_id), venue_trade_id COLLATE "C" LIMIT 1
"""
_ORPHANS = """
SELECT DISTINCT symbol, venue_order_id FROM fills
WHERE ex_id = $1 AND source = 'venue' AND order_id IS NULL AND venue_order_id IS NOT NULL
"""
_log = logging.getLogger("fullon.account")


@dataclass(slots=True)
class Learned:
    """What a look found.

    Attributes:
        news: fills and orders that were not known before.
        open_orders: whether there are any.
    """

    news: list[VenueFill | VenueOrder] = field(default_factory=list)
    open_orders: bool = False


class AccountCheck:
    """Looks at one account, and remembers how far it has seen."""

    def __init__(self, account: Account, data: AccountData, fenced: Fenced, clock: Clock) -> None:
        self._account = account
        self._data = data
        self._fenced = fenced
        self._clock = clock
        self._seen: dict[str, tuple[str, datetime]] = {}
        self._touched: set[str] = set()
        self._currencies: set[str] = set()
        self._asked_in_vain: set[tuple[str, str]] = set()
        self._sweep_at = float("-inf")

    def touched(self, symbols: Iterable[str]) -> None:
        """Something happened there."""
        self._touched.update(symbols)

    def balances_changed(self, currencies: Iterable[str]) -> None:
        """There is more or less of these."""
        self._currencies.update(currencies)

    async def run(self) -> Learned:
        """Look; raises what the venue's port raises, and is to be repeated then."""
        learned = Learned()
        async with self._fenced() as connection:
            symbols = [
                row["symbol"] for row in await connection.fetch(_SYMBOLS, self._account.cat_ex_id, self._account.ex_id)
            ]
            alive = await self._alive(connection)
        sweeping = self._clock.monotonic() >= self._sweep_at
        busy = {order.symbol for order in alive} | self._touched
        open_orders = await self._data.open_orders(symbols if sweeping else sorted(busy) or symbols)
        learned.open_orders = bool(open_orders)
        await self._see(open_orders, learned)
        await self._ask_for_ended(open_orders, learned)
        if sweeping:
            self._seen.clear()
        currencies, touched = set(self._currencies), set(self._touched)
        moved = {name for name in symbols if name.partition("/")[0] in currencies}
        looked_at = symbols if sweeping else sorted(busy | moved | {order.symbol for order in open_orders})
        for symbol in looked_at:
            await self._look_at_fills(symbol, learned)
        await self._ask_for_unknown(learned)
        self._currencies -= currencies
        self._touched -= touched
        if sweeping:
            self._sweep_at = self._clock.monotonic() + SWEEP_SECONDS
        return learned

    async def _alive(self, connection: Connection) -> list[Order]:
        found = await order_store.for_account(connection, self._account.ex_id, statuses=_AT_VENUE)
        return [order for order in found if not order.dry_run]

    async def _see(self, stated: Iterable[VenueOrder], learned: Learned) -> None:
        """A transaction each, so that nobody waits for long."""
        for each in stated:
            async with self._fenced() as connection:
                known = venue_orders.which(await venue_orders.lock(connection, self._account.ex_id, [each]), each)
                ids = await fill_intake.symbol_ids(connection, self._account, [each.symbol])
                await venue_orders.see(connection, self._clock, self._account, each, ids[each.symbol])
            if known is None:
                learned.news.append(each)

    async def _ask_for_ended(self, open_orders: Iterable[VenueOrder], learned: Learned) -> None:
        """Orders that are open here and not there have ended: how?"""
        there = {(order.symbol, order.venue_order_id) for order in open_orders}
        async with self._fenced() as connection:
            alive = await self._alive(connection)
        for order in alive:
            if order.venue_order_id is None or (order.symbol, order.venue_order_id) in there:
                continue
            stated = await self._data.order(order.symbol, order.venue_order_id)
            if stated is None:
                _log.warning(
                    "order not known at the venue",
                    extra={"order_id": str(order.order_id), "venue_order_id": order.venue_order_id},
                )
                continue
            self._touched.add(order.symbol)
            await self._see([stated], learned)

    async def _look_at_fills(self, symbol: str, learned: Learned) -> None:
        after, since = self._seen.get(symbol) or await self._last(symbol) or (None, None)
        for _ in range(_PAGES):
            page = await self._data.fills(symbol, after, since)
            if not page:
                return
            async with self._fenced() as connection:
                new = await fill_intake.take(connection, self._clock, self._account, page)
            ids = {fill.venue_trade_id for fill in new}
            learned.news += [each for each in page if each.venue_trade_id in ids]
            last = page[-1]
            if (last.venue_trade_id, last.at) == (after, since):
                return
            after, since = last.venue_trade_id, last.at
            self._seen[symbol] = (after, since)

    async def _last(self, symbol: str) -> tuple[str, datetime] | None:
        async with self._fenced() as connection:
            row = await connection.fetchrow(_LAST, self._account.ex_id, symbol, OVERLAP)
        return None if row is None else (row["venue_trade_id"], row["at"])

    async def _ask_for_unknown(self, learned: Learned) -> None:
        """Fills without an order have one at the venue: ours under its client order id, or somebody's own."""
        async with self._fenced() as connection:
            rows = await connection.fetch(_ORPHANS, self._account.ex_id)
        orphans = [(row["symbol"], row["venue_order_id"]) for row in rows]
        for symbol, venue_order_id in [each for each in orphans if each not in self._asked_in_vain][:_UNKNOWN_ORDERS]:
            stated = await self._data.order(symbol, venue_order_id)
            if stated is None:
                self._asked_in_vain.add((symbol, venue_order_id))
            else:
                await self._see([stated], learned)
