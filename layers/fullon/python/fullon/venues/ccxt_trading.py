"""Placing orders through ccxt, at venues of Binance's family; see :class:`fullon.venues.trading.Trading`.

Only where a venue refuses what arrives late: a request names the time of its writing and how long it holds
(``timestamp``, ``recvWindow``), so nothing that was given up can arrive afterwards, whoever was paused how long.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Mapping
from contextvars import ContextVar
from decimal import Decimal
from typing import Any

import aiohttp
from ccxt.base import errors as foreign

from fullon.kernel.clock import Clock, to_milliseconds
from fullon.kernel.errors import FullonError
from fullon.kernel.money import to_text
from fullon.venues import ccxt_orders
from fullon.venues.account import Keys
from fullon.venues.budget import Budget
from fullon.venues.ccxt_account import CcxtAccount
from fullon.venues.ccxt_errors import FOREIGN, translate
from fullon.venues.errors import VenueDown, VenueLimit, VenueTimedOut
from fullon.venues.order_answers import Heard, judge
from fullon.venues.trading import Found, Placement, Refused, Unknown, check_places

#: How long after it was written down an order is taken by the venue.
WINDOW_SECONDS = 5.0
#: How long an answer is waited for.
ANSWER_SECONDS = 8.0
_CLOCK_CODE = -1021
#: How many of the latest orders and trades of a symbol are looked through for one.
_LATEST = 1000

_heard: ContextVar[Heard | None] = ContextVar("heard", default=None)


class CcxtTrading(CcxtAccount):
    """One account for orders.

    Args:
        window: seconds after ``sent_at`` in which the venue takes an order.

    Raises:
        NotOffered: the venue takes orders however late they arrive (:data:`fullon.venues.trading.PLACES`).
    """

    def __init__(
        self,
        name: str,
        ccxt_id: str,
        params: Mapping[str, Any],
        base_url: str | None,
        keys: Keys,
        *,
        test: bool,
        clock: Clock,
        budget: Budget | None = None,
        window: float = WINDOW_SECONDS,
    ) -> None:
        check_places(name, ccxt_id)
        self._budget = budget or Budget(clock)
        self._window = window
        self._offset = 0
        self._loading = asyncio.Lock()
        super().__init__(name, ccxt_id, params, base_url, keys, test=test, clock=clock)

    async def turn(self, symbol: str, leverage: Decimal = Decimal(1)) -> None:
        await self._ready(symbol)
        if leverage > 1:
            await self._set_leverage(symbol, leverage)
        await self._budget.order()

    async def place(self, placement: Placement) -> Found:
        exchange = self._exchange
        parameters = {
            "newClientOrderId": placement.client_order_id,
            "timestamp": to_milliseconds(placement.sent_at) + self._offset,
            "recvWindow": int(self._window * 1000),
        }
        if placement.stop_price is not None:
            parameters["triggerPrice"] = to_text(placement.stop_price)
        self._check_steps(placement)
        heard = Heard()
        try:
            raw = await self._asked(
                heard,
                exchange.create_order(
                    placement.symbol,
                    "limit" if placement.price is not None else "market",
                    placement.side,
                    to_text(placement.volume),
                    None if placement.price is None else to_text(placement.price),
                    parameters,
                ),
            )
            return ccxt_orders.placed(raw)
        except FOREIGN:
            answer = self._judged(heard)
        if heard.code == _CLOCK_CODE:
            await self._measure()
        raise answer

    async def _set_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Set it anew for each order, as somebody may have changed it at the venue; twice is as good as once."""
        if leverage % 1 or not self._exchange.markets[symbol]["contract"]:
            detail = f"The exchange {self.name} offers no leverage of {to_text(leverage)} for {symbol}."
            raise Refused(detail, rule="leverage", exchange=self.name)
        await self._budget.read(1)
        heard = Heard()
        try:
            await self._asked(heard, self._exchange.set_leverage(int(leverage), symbol))
        except FOREIGN:
            answer = self._judged(heard)
        else:
            return
        if heard.code == _CLOCK_CODE:
            await self._measure()
        if isinstance(answer, Unknown):
            raise VenueTimedOut(
                f"The exchange {self.name} did not say whether it set the leverage.", exchange=self.name
            )
        raise answer

    def _judged(self, heard: Heard) -> FullonError:
        answer = judge(self.name, heard)
        if isinstance(answer, VenueLimit):
            self._budget.back_off(answer.retry_after)
        return answer

    async def cancel(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Found | None:
        await self._ready(symbol)
        await self._budget.cancellation()
        parameters = {} if venue_order_id is not None else {"clientOrderId": client_order_id}
        try:
            raw = await self._read("cancel_order", venue_order_id, symbol, parameters)
        except foreign.OrderNotFound:
            return await self.find(symbol, client_order_id, venue_order_id)  # it ended before, or was never there
        return await self._with_fills(raw)

    async def find(self, symbol: str, client_order_id: str, venue_order_id: str | None = None) -> Found | None:
        await self._ready(symbol)
        await self._budget.read(4)
        parameters = {} if venue_order_id is not None else {"clientOrderId": client_order_id}
        try:
            return await self._with_fills(await self._read("fetch_order", venue_order_id, symbol, parameters))
        except foreign.OrderNotFound:
            pass
        await self._budget.read(6)
        alive = await self._read("fetch_open_orders", symbol)
        await self._budget.read(20)
        latest = await self._read("fetch_orders", symbol, None, _LATEST)
        for raw in (*alive, *latest):
            if raw.get("clientOrderId") == client_order_id or str(raw["id"]) == venue_order_id:
                return await self._with_fills(raw)
        return await self._by_fills(symbol, client_order_id, {str(raw["id"]) for raw in latest})

    async def _by_fills(self, symbol: str, client_order_id: str, known: set[str]) -> Found | None:
        """Through trades whose orders are in no list yet."""
        await self._budget.read(20)
        trades = await self._read("fetch_my_trades", symbol, None, _LATEST)
        oldest = min((int(each) for each in known if each.isdecimal()), default=0)
        theirs = {str(trade.get("order")) for trade in trades} - known
        for venue_order_id in sorted(each for each in theirs if each.isdecimal() and int(each) >= oldest):
            await self._budget.read(4)
            try:
                raw = await self._read("fetch_order", venue_order_id, symbol)
            except foreign.OrderNotFound:
                raise VenueDown(
                    f"The exchange {self.name} shows trades of an order that it does not show.", exchange=self.name
                ) from None
            if raw.get("clientOrderId") == client_order_id:
                return self._understood(raw, [trade for trade in trades if str(trade.get("order")) == venue_order_id])
        return None

    async def _with_fills(self, raw: Mapping[str, Any]) -> Found:
        stated = self._understood(raw, [])
        if not stated.order.filled:
            return stated
        await self._budget.read(20)
        parameters = {"orderId": stated.order.venue_order_id}
        trades = await self._read("fetch_my_trades", stated.order.symbol, None, _LATEST, parameters)
        return self._understood(raw, trades)

    def _understood(self, raw: Mapping[str, Any], trades: list[Any]) -> Found:
        try:
            return ccxt_orders.found(raw, trades)
        except FOREIGN as error:
            raise translate(self.name, error) from None

    async def _ready(self, symbol: str) -> None:
        """Know the venue's markets, ``symbol`` among them."""
        async with self._loading:
            if not self._exchange.markets:
                await self._budget.read(20)
                await self._read("load_markets")
        market = self._exchange.markets.get(symbol)
        if market is None:
            raise Refused(f"The exchange {self.name} does not list {symbol}.", rule="symbol", exchange=self.name)

    def _check_steps(self, placement: Placement) -> None:
        """What ccxt would round is refused: the order would be another one.

        Raises:
            Refused: an amount is finer than the venue's step.
        """
        exchange = self._exchange
        for rule, round_, value in (
            ("quantity_step", exchange.amount_to_precision, placement.volume),
            ("price_tick", exchange.price_to_precision, placement.price),
            ("price_tick", exchange.price_to_precision, placement.stop_price),
        ):
            if value is None:
                continue
            try:
                rounded = Decimal(str(round_(placement.symbol, to_text(value))))
            except FOREIGN:
                rounded = Decimal(0)  # below the smallest step
            if rounded != value:
                raise Refused(
                    f"The exchange {self.name} takes {to_text(rounded)} where the order says {to_text(value)}.",
                    rule=rule,
                    exchange=self.name,
                )

    async def _read(self, method: str, *arguments: Any) -> Any:
        """Ask what may be asked again.

        Raises:
            OrderNotFound: of ccxt, the one answer that its callers understand.
            FullonError: everything else.
        """
        heard = Heard()
        try:
            return await self._asked(heard, getattr(self._exchange, method)(*arguments))
        except foreign.OrderNotFound:
            raise
        except FOREIGN as error:
            answer = self._not_read(error, heard)
        if isinstance(answer, VenueLimit):
            self._budget.back_off(answer.retry_after)
        if heard.code == _CLOCK_CODE:
            await self._measure()
        raise answer

    def _not_read(self, error: Exception, heard: Heard) -> FullonError:
        if type(error) is foreign.ExchangeError and not 400 <= heard.status < 500:
            error = foreign.ExchangeNotAvailable()  # ccxt has no place for some codes that say: not now
        return translate(self.name, error, heard.retry_after)

    async def _asked(self, heard: Heard, asking: Awaitable[Any]) -> Any:
        """Ask once, and note what is heard; each task has its own ears."""
        token = _heard.set(heard)
        try:
            return await asking
        except (foreign.ExchangeNotAvailable, OSError) as error:
            heard.connected = not isinstance(error.__cause__, aiohttp.ClientConnectorError | socket.gaierror)
            raise
        finally:
            _heard.reset(token)

    async def _measure(self) -> None:
        """Sign with the venue's time from now on; our own is trusted until the venue refuses it."""
        try:
            self._offset = await self._clock_offset()
        except FullonError:
            return  # the next refusal measures again
        self._exchange.options["timeDifference"] = -self._offset

    def _make(self) -> Any:
        exchange = super()._make()
        exchange.timeout = int(ANSWER_SECONDS * 1000)
        look_for_errors, fetch = exchange.handle_errors, exchange.fetch

        def note_answer(status: int, *answer: Any) -> Any:
            if (heard := _heard.get()) is not None:
                _note(heard, status, *answer)
            return look_for_errors(status, *answer)

        async def note_sending(*request: Any) -> Any:
            if (heard := _heard.get()) is not None:
                heard.sent = True
            return await fetch(*request)

        exchange.handle_errors, exchange.fetch = note_answer, note_sending
        return exchange


def _note(heard: Heard, status: int, *answer: Any) -> None:
    """Keep what judging needs; ``answer`` is what ccxt hands to ``handle_errors``."""
    _, _, _, headers, _, document, *_ = answer
    heard.status = status
    wait = {str(name).lower(): value for name, value in (headers or {}).items()}.get("retry-after", "")
    heard.retry_after = int(wait) if str(wait).isdecimal() else None
    if isinstance(document, Mapping):
        code = document.get("code")
        heard.code = code if isinstance(code, int) else None
        heard.message = str(document.get("msg") or "")
