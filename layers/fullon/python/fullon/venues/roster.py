"""One task for each venue that has something to collect, following the catalogue while it changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fullon.kernel.errors import Forbidden, Invalid, NotFound
from fullon.kernel.retry import Troubles, insist
from fullon.venues.model import Symbol, Venue
from fullon.venues.port import MarketData

#: Seconds between two looks at the catalogue; a ring shortens the wait.
LOOK_SECONDS = 5.0
_REFUSED_SECONDS = 30.0
_log = logging.getLogger("fullon.venues")

Catalogue: TypeAlias = Sequence[tuple[Venue, Sequence[Symbol]]]


@dataclass(frozen=True)
class _Assignment:
    venue: Venue
    symbols: tuple[tuple[int, str, bool, int], ...]


class Roster:
    """Keeps a venue's task as long as its row and symbols stay the same, and starts it anew when they change.

    A venue that is down, slow or wrongly described holds up no other.

    Args:
        load: reads the catalogue.
        collect: works for one venue until cancelled.
        rung: set when the catalogue may have changed.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[Catalogue]],
        collect: Callable[[Venue, Sequence[Symbol]], Awaitable[None]],
        rung: asyncio.Event,
        troubles: Troubles,
    ) -> None:
        self._load = load
        self._collect = collect
        self._rung = rung
        self._troubles = troubles
        self._tasks: dict[int, tuple[_Assignment, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Work until cancelled; an unexpected error of a venue's task ends all of them."""
        outage = self._troubles.outage("the catalogue")
        try:
            while True:
                await self._assign(await insist(self._load, outage))
                await self._wait()
        finally:
            await _end([task for _, task in self._tasks.values()])

    async def _assign(self, catalogue: Catalogue) -> None:
        wanted = {venue.cat_ex_id: (_assignment(venue, symbols), venue, symbols) for venue, symbols in catalogue}
        stale = [key for key, (known, _) in self._tasks.items() if key not in wanted or wanted[key][0] != known]
        await _end([self._tasks.pop(key)[1] for key in stale])
        for key, (assignment, venue, symbols) in wanted.items():
            if key not in self._tasks:
                _log.info("collecting", extra={"exchange": venue.name, "symbols": len(symbols)})
                self._tasks[key] = (assignment, asyncio.create_task(self._work(venue, symbols)))

    async def _work(self, venue: Venue, symbols: Sequence[Symbol]) -> None:
        outage = self._troubles.outage(venue.name)
        try:
            while True:
                try:
                    await self._collect(venue, symbols)
                except (Invalid, NotFound, Forbidden) as error:
                    outage.failed(error)
                await asyncio.sleep(_REFUSED_SECONDS)
        finally:
            outage.passed()

    async def _wait(self) -> None:
        """Until the next look, a ring, or the end of a task."""
        ringing = asyncio.create_task(self._rung.wait())
        tasks = [task for _, task in self._tasks.values()]
        try:
            await asyncio.wait([ringing, *tasks], timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ringing.cancel()
        self._rung.clear()
        for task in tasks:
            if task.done():
                task.result()


async def listed(data: MarketData, symbols: Sequence[Symbol], troubles: Troubles) -> list[Symbol]:
    """Those of ``symbols`` that the venue lists; waits for a venue that is down."""
    markets = await insist(data.markets, troubles.outage(f"markets of {data.name}"), first=0.5, longest=15.0)
    known = {market.symbol for market in markets}
    for symbol in symbols:
        if symbol.symbol not in known:
            _log.error("symbol not listed", extra={"exchange": data.name, "symbol": symbol.symbol})
    return [symbol for symbol in symbols if symbol.symbol in known]


def _assignment(venue: Venue, symbols: Iterable[Symbol]) -> _Assignment:
    return _Assignment(venue, tuple((each.symbol_id, each.symbol, each.only_ticker, each.backtest) for each in symbols))


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
