"""Keeps what the platform knows of one exchange account as its venue says, until cancelled.

The user stream tells at once, the check tells everything: it asks for open orders, for the fills after the last one
that a check has seen, and for balances. What the check learns and the stream does not tell within seconds shows that
the stream has fallen silent, and it is opened anew. Without a stream the check comes more often, and with open orders
more often still.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fullon.kernel.clock import Clock
from fullon.kernel.errors import Conflict, Forbidden, Invalid, LimitExceeded, NotFound, Unavailable
from fullon.kernel.retry import PASSING, Backoff, Outage, Troubles
from fullon.orders import account_cache, balances, fill_intake, positions, venue_orders
from fullon.orders.account_cache import AccountState
from fullon.orders.account_check import AccountCheck
from fullon.orders.model import Balance
from fullon.venues.account import Account
from fullon.venues.account_data import AccountData, Event, VenueFill, VenueOrder
from fullon.venues.errors import VenueClockDiffers
from fullon.venues.follow import Hold, follow

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from fullon.orders.fill_store import Connection
    from fullon.orders.prices import Prices

    #: A transaction that only the leader can commit.
    Fenced = Callable[[], AbstractAsyncContextManager[Connection]]

#: Seconds between two checks of an account: while the stream stands with and without open orders, and without one.
CHECK_WITH_ORDERS, CHECK_AT_REST = 15.0, 60.0
POLL_WITH_ORDERS, POLL_AT_REST = 2.0, 10.0
#: Seconds in which the stream has to tell what a check has learned.
STREAM_OWES_SECONDS = 10.0
#: A stream that stands says so every few seconds.
SILENCE_SECONDS = 30.0
#: Seconds between two looks at the venue's clock.
CLOCK_SECONDS = 300.0
#: A venue's clock that is this far from ours is said, in milliseconds.
CLOCK_TOLERANCE = 1_000
#: Several changes of balances come together.
_GATHER_SECONDS = 0.2
_REFUSED_SECONDS = 30.0
_BEYOND_REPAIR = (Invalid, NotFound, Forbidden)
_log = logging.getLogger("fullon.account")


@dataclass(frozen=True)
class Surroundings:
    """What a keeper works with.

    Attributes:
        fenced: opens a transaction that only the leader can commit.
        leading: whether this process may still write elsewhere.
        counted: told of work done.
        pace: all intervals times this; a replayed venue is faster than time.
    """

    fenced: Fenced
    valkey: Redis
    prices: Prices
    clock: Clock
    troubles: Troubles
    leading: Callable[[], bool]
    counted: Callable[[int], None]
    pace: float = 1.0


class AccountKeeper:
    """One account."""

    def __init__(self, account: Account, data: AccountData, around: Surroundings) -> None:
        self._account = account
        self._data = data
        self._around = around
        self._check = AccountCheck(account, data, around.fenced, around.clock)
        self._events: list[Event] = []
        self._rung = asyncio.Event()
        self._hold = Hold()
        self._standing = False
        self._owed: dict[tuple[str, ...], float] = {}
        self._check_at = self._clock_at = float("-inf")
        self._balances_at = float("inf")
        self._published: AccountState | None = None
        self._name = f"{account.exchange} account {account.ex_id}"

    async def run(self) -> None:
        """Keep it until cancelled; a venue that is away or refuses is waited for."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._work())
            if self._data.streams:
                tasks.create_task(
                    follow(
                        self._data.stream,
                        self._heard,
                        what=f"events of {self._name}",
                        troubles=self._around.troubles,
                        silence=SILENCE_SECONDS,
                        opening=self._opening,
                        hold=self._hold,
                        personal=True,
                    )
                )

    def _opening(self) -> None:
        self._standing = False
        self._check_at = min(self._check_at, self._around.clock.monotonic() + self._interval(False))
        self._rung.set()

    def _heard(self, batch: Sequence[Event]) -> None:
        if not self._standing:  # what happened before it stood comes with a check
            self._standing = True
            _log.info("stream stands", extra={"ex_id": str(self._account.ex_id)})
            self._owed.clear()
            self._check_at = float("-inf")
            self._rung.set()
        if batch:
            self._events += batch
            self._rung.set()

    async def _work(self) -> None:
        backoff, outage = Backoff(0.5, 30.0), self._around.troubles.outage(self._name)
        refusal = self._around.troubles.outage(self._name, counts=False)  # a matter of its owner alone
        cache_outage = self._around.troubles.outage("the cache")
        try:
            while True:
                pause = 0.0
                try:
                    await self._step(cache_outage)
                    backoff.reset()
                    outage.passed()
                except PASSING as error:
                    outage.failed(error)
                    if isinstance(error, VenueClockDiffers):
                        self._clock_at = float("-inf")
                    pause = max(backoff.pause(), error.retry_after if isinstance(error, LimitExceeded) else 0.0)
                except Conflict as error:  # somebody else changed the same order
                    outage.failed(error)
                    pause = backoff.pause()
                except _BEYOND_REPAIR as error:
                    refusal.failed(error)
                    pause = _REFUSED_SECONDS * self._around.pace
                await asyncio.sleep(pause)
        finally:
            outage.passed()

    async def _step(self, cache_outage: Outage) -> None:
        """Wait until something is to be done, and do it."""
        await self._wait()
        if self._events:
            await self._take_events()
        now = self._around.clock.monotonic()
        if now >= self._check_at:
            await self._look()
        if now >= self._balances_at:
            try:
                await self._refresh()
                cache_outage.passed()
            except Unavailable as error:
                if error.code != "cache_down":
                    raise
                self._published = None
                self._balances_at = self._around.clock.monotonic() + 1.0
                cache_outage.failed(error)

    async def _wait(self) -> None:
        due = min(self._check_at, self._balances_at, *(at + STREAM_OWES_SECONDS for at in self._owed.values()))
        seconds = due - self._around.clock.monotonic()
        if seconds > 0 and not self._events:
            try:
                async with asyncio.timeout(seconds):
                    await self._rung.wait()
            except TimeoutError:
                pass
        self._rung.clear()
        late = self._around.clock.monotonic() - STREAM_OWES_SECONDS
        if any(at <= late for at in self._owed.values()):
            _log.warning("stream owes", extra={"ex_id": str(self._account.ex_id), "missing": len(self._owed)})
            self._owed.clear()
            self._hold.abandon()

    async def _take_events(self) -> None:
        """What the stream told; it waits until it is written."""
        events = list(self._events)
        fills = [event for event in events if isinstance(event, VenueFill)]
        orders = [event for event in events if isinstance(event, VenueOrder)]
        if fills or orders:
            names = {fill.symbol for fill in fills} | {order.symbol for order in orders}
            async with self._around.fenced() as connection:
                symbols = await fill_intake.symbol_ids(connection, self._account, names)
                for order in orders:
                    await venue_orders.see(connection, self._around.clock, self._account, order, symbols[order.symbol])
                await fill_intake.take(connection, self._around.clock, self._account, fills)
        del self._events[: len(events)]
        told: list[VenueFill | VenueOrder] = [*fills, *orders]
        for each in told:
            self._owed.pop(_key(each), None)
        self._check.touched(each.symbol for each in told)
        self._around.counted(len(events))
        self._balances_at = min(self._balances_at, self._around.clock.monotonic() + _GATHER_SECONDS)
        if orders or fills:
            self._check_at = min(self._check_at, self._around.clock.monotonic() + self._interval(True))

    async def _look(self) -> None:
        """Ask the venue for everything that may have happened."""
        now = self._around.clock.monotonic()
        if now >= self._clock_at:
            await self._look_at_the_clock()
            self._clock_at = now + CLOCK_SECONDS
        stood = self._standing
        learned = await self._check.run()
        self._around.counted(1)
        if stood and self._standing:
            moment = self._around.clock.monotonic()
            told = {_key(event) for event in self._events if not isinstance(event, str)}
            self._owed |= {_key(each): moment for each in learned.news if _key(each) not in told}
        self._balances_at = float("-inf")
        self._check_at = self._around.clock.monotonic() + self._interval(learned.open_orders)

    async def _look_at_the_clock(self) -> None:
        offset = await self._data.clock_offset()
        if abs(offset) > CLOCK_TOLERANCE:
            _log.warning(
                "venue clock differs",
                extra={"exchange": self._account.exchange, "ex_id": str(self._account.ex_id), "offset_ms": offset},
            )

    def _interval(self, open_orders: bool) -> float:
        if self._standing:
            seconds = CHECK_WITH_ORDERS if open_orders else CHECK_AT_REST
        else:
            seconds = POLL_WITH_ORDERS if open_orders else POLL_AT_REST
        return seconds * self._around.pace

    async def _refresh(self) -> None:
        """Balances and positions: history in PostgreSQL, then the latest in Valkey."""
        account, around = self._account, self._around
        self._balances_at = float("inf")
        try:
            stated = await self._data.balances()
            of_venue = await self._data.positions()
            marks = await around.prices.of(account.exchange)
        except PASSING:
            self._balances_at = float("-inf")
            raise
        at = around.clock.now()
        held = [Balance(each.currency, each.free, each.used) for each in stated]
        async with around.fenced() as connection:
            changed = await balances.record(connection, account.ex_id, at, held, balances.prices_of(marks))
            of_fills = await positions.of_fills(connection, account.ex_id, marks)
        self._check.balances_changed(changed)
        if not around.leading():
            return
        together = positions.together(positions.of_venue(account.ex_id, of_venue, at), of_fills)
        state = AccountState(
            account.ex_id,
            account.uid,
            [balances.data_of(each) for each in held],
            [positions.data_of(each) for each in together],
            at,
        )
        before = self._published
        news = [
            name
            for name in account_cache.PARTS
            if before is None or before.part(name)["items"] != state.part(name)["items"]
        ]
        await account_cache.put(around.valkey, state, changed=news)
        self._published = state


def _key(each: VenueFill | VenueOrder) -> tuple[str, ...]:
    if isinstance(each, VenueFill):
        return "fill", each.symbol, each.venue_trade_id
    return "order", each.symbol, each.venue_order_id
