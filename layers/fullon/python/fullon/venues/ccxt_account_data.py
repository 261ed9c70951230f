"""Reading an account through ccxt, and its user stream through ccxt.pro; see :class:`account_data.AccountData`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from ccxt.base import errors as foreign

from fullon.kernel.clock import to_milliseconds
from fullon.kernel.errors import FullonError
from fullon.venues import ccxt_account_values as values
from fullon.venues.account_data import (
    BALANCES_CHANGED,
    Event,
    VenueBalance,
    VenueFill,
    VenueOrder,
    VenuePosition,
)
from fullon.venues.ccxt_account import CcxtAccount
from fullon.venues.ccxt_errors import FOREIGN
from fullon.venues.ccxt_venue import TRADES_FROM_ID
from fullon.venues.errors import VenueRefuses
from fullon.venues.port import Stream

_PAGE = 1000
#: Seconds after which a stream that has nothing to tell says that it stands. ccxt itself ends one whose socket does not
#: answer two pings, five seconds apart.
_STANDS_SECONDS = 5.0
_CONTRACTS = ("swap", "future", "delivery")


class CcxtAccountData(CcxtAccount):
    """One account at one venue, for reading."""

    _by_symbol = False
    _our_clock_refused = False

    @property
    def streams(self) -> bool:
        has = self._exchange.has
        return bool(has.get("watchOrders") or has.get("watchMyTrades"))

    async def clock_offset(self) -> int:
        offset = await self._clock_offset()
        if self._our_clock_refused and "timeDifference" in self._exchange.options:
            self._exchange.options["timeDifference"] = -offset
        return offset

    async def balances(self) -> list[VenueBalance]:
        return values.balances(await self._asked("fetch_balance"))

    async def positions(self) -> list[VenuePosition]:
        # A spot account is not asked: ccxt would turn to another host of the venue, and sign with these keys there.
        exchange = self._exchange
        if exchange.options.get("defaultType", "spot") not in _CONTRACTS or not exchange.has.get("fetchPositions"):
            return []
        found = (values.position(raw) for raw in await self._asked("fetch_positions"))
        return [position for position in found if position is not None]

    async def open_orders(self, symbols: Sequence[str]) -> list[VenueOrder]:
        if not self._by_symbol:
            try:
                return _orders(await self._asked("fetch_open_orders"))
            except VenueRefuses:
                self._by_symbol = True  # it wants to be asked for each symbol
        return [order for symbol in symbols for order in _orders(await self._asked("fetch_open_orders", symbol))]

    async def order(self, symbol: str, venue_order_id: str) -> VenueOrder | None:
        async def ask() -> Any:
            try:
                return await self._exchange.fetch_order(venue_order_id, symbol)
            except foreign.OrderNotFound:
                return None

        await self._listed()
        raw = await self._signed(ask)
        return None if raw is None else values.order(raw)

    async def fills(self, symbol: str, after: str | None, since: datetime | None) -> list[VenueFill]:
        parameter = TRADES_FROM_ID.get(self._ccxt_id)
        if after is not None and parameter is not None and after.isdecimal():
            raw = await self._asked("fetch_my_trades", symbol, None, _PAGE, {parameter: str(int(after) + 1)})
        else:
            start = None if since is None else to_milliseconds(since)
            raw = await self._asked("fetch_my_trades", symbol, start, _PAGE)
        found = [fill for each in raw if (fill := values.fill(each)) is not None]
        return sorted(found, key=lambda fill: (fill.at, len(fill.venue_trade_id), fill.venue_trade_id))

    async def stream(self) -> Stream[Event]:
        await self._listed()
        exchange = self._make()
        exchange.set_markets(self._exchange.markets, self._exchange.currencies)
        if "timeDifference" in exchange.options:
            exchange.options["timeDifference"] = self._exchange.options["timeDifference"]
        told = _Told(exchange)
        bell = asyncio.Event()
        failures: list[Exception] = []

        async def repeat(watch: Callable[[], Awaitable[Any]], news: Callable[[], None]) -> None:
            try:
                while True:
                    await watch()
                    news()
                    bell.set()
            except FOREIGN as error:
                failures.append(error)
                bell.set()

        tasks = [asyncio.create_task(repeat(watch, news)) for watch, news in told.calls()]
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_STANDS_SECONDS):
                        await bell.wait()
                bell.clear()
                yield told.collect()
                if failures:
                    raise await self._told(failures[0], exchange) from None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await exchange.close()

    async def _asked(self, method: str, *arguments: Any) -> Any:
        await self._listed()
        return await self._signed(method, *arguments)

    async def _listed(self) -> None:
        if not self._exchange.markets:
            await self._signed("load_markets")

    async def _clock_differs(self) -> FullonError:
        self._our_clock_refused = True
        return await super()._clock_differs()

    def _make(self) -> Any:
        exchange = super()._make()
        exchange.enableRateLimit = True
        exchange.options["warnOnFetchOpenOrdersWithoutSymbol"] = False
        return exchange


class _Told:
    """What ccxt's caches hold that was not told yet; a ``watch…`` call serves as a bell, see :mod:`ccxt_streams`."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self._orders: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._fills: set[tuple[str, str]] = set()
        self._balances = False

    def calls(self) -> list[tuple[Callable[[], Awaitable[Any]], Callable[[], None]]]:
        """What to repeat, each with what to do after it."""
        exchange, has = self._exchange, self._exchange.has
        found: list[tuple[Callable[[], Awaitable[Any]], Callable[[], None]]] = []
        if has.get("watchOrders"):
            found.append((exchange.watch_orders, lambda: None))
        if has.get("watchMyTrades"):
            found.append((exchange.watch_my_trades, lambda: None))
        if has.get("watchBalance"):
            found.append((exchange.watch_balance, self._balances_changed))
        return found

    def _balances_changed(self) -> None:
        self._balances = True

    def collect(self) -> list[Event]:
        """What is new: fills before the orders that they changed."""
        events: list[Event] = []
        fills = {}
        for raw in list(self._exchange.myTrades or ()):
            key = (str(raw.get("symbol")), str(raw.get("id")))
            fills[key] = raw
            if key not in self._fills and (fill := values.fill(raw)) is not None:
                events.append(fill)
        self._fills = set(fills)
        orders = {}
        for raw in list(self._exchange.orders or ()):
            key = (str(raw.get("symbol")), str(raw.get("id")))
            orders[key] = state = (raw.get("status"), raw.get("filled"), raw.get("amount"), raw.get("price"))
            if self._orders.get(key) != state and (order := values.order(raw)) is not None:
                events.append(order)
        self._orders = orders
        if self._balances:
            self._balances = False
            events.append(BALANCES_CHANGED)
        return events


def _orders(raw: Sequence[Any]) -> list[VenueOrder]:
    return [order for each in raw if (order := values.order(each)) is not None]
