"""Use cases around the market's data: what there is, how fresh and complete it is, whether it can be relied on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from fullon.market import coverage
from fullon.market.catalogue import Catalogue, nearest
from fullon.market.coverage import Coverage, Gap
from fullon.venues import store
from fullon.venues.model import Symbol, Venue

if TYPE_CHECKING:
    from fullon.market.service import Connections, Pools

#: A minute closes, is written and is read: a newest candle older than this is not fresh.
FRESH = timedelta(minutes=3)
CheckName = Literal["active", "symbols", "candles", "fresh", "complete", "plausible", "roll_ups"]


@dataclass(frozen=True, slots=True)
class SymbolState:
    """A symbol and what is stored of it; ``gaps`` are the latest of ``gap_count``."""

    symbol: Symbol
    coverage: Coverage
    gap_count: int = 0
    gaps: Sequence[Gap] = ()

    def is_fresh(self, now: datetime) -> bool:
        """The newest candle has only just closed."""
        age = self.coverage.age(now)
        return age is not None and age < FRESH


@dataclass(frozen=True, slots=True)
class Check:
    """One question about the data, answered in a sentence."""

    name: CheckName
    passed: bool
    detail: str


class Overview:
    """Venues and symbols of the platform database, joined with what the candle database has of them."""

    def __init__(self, candles: Pools, platform: Connections) -> None:
        self._candles = candles
        self._platform = platform
        self._catalogue = Catalogue(platform)

    async def exchanges(self) -> list[Venue]:
        """The whole catalogue, by name."""
        async with self._platform() as connection:
            return await store.venues(connection)

    async def symbols(
        self, exchange: str, *, active: bool | None = None, after: str = "", limit: int | None = None
    ) -> tuple[Venue, list[Symbol]]:
        """An exchange and its symbols by name, those after the name ``after``.

        Raises:
            UnknownExchange: the catalogue does not have it.
        """
        venue = await self._catalogue.exchange(exchange)
        async with self._platform() as connection:
            return venue, await store.symbols_of(connection, venue.cat_ex_id, active=active, after=after, limit=limit)

    async def symbol(self, exchange: str, name: str) -> SymbolState:
        """One symbol and what is stored of it, without its gaps.

        Raises:
            UnknownExchange, UnknownSymbol: the catalogue does not have it.
        """
        symbol = await self._catalogue.symbol(exchange, name)
        async with (await self._candles()).acquire() as connection:
            found = await coverage.coverage(connection, [symbol.symbol_id])
        return SymbolState(symbol, found.get(symbol.symbol_id, Coverage()))

    async def search(self, text: str, *, after: tuple[str, int], limit: int) -> list[Symbol]:
        """Symbols whose name contains ``text``; where there is none, those that read alike."""
        async with self._platform() as connection:
            found = await store.search_symbols(connection, text, after=after, limit=limit)
            if found or after != ("", 0):
                return found
            names = {pair.symbol for pair in await store.pairs(connection, limit=100_000)}
            alike = nearest(text, names, count=5)
            return [symbol for name in alike for symbol in await store.symbols_named(connection, name)][:limit]

    async def pairs(self, *, after: str, limit: int) -> list[store.Pair]:
        """What active venues trade, by name, with who has it."""
        async with self._platform() as connection:
            return await store.pairs(connection, after=after, limit=limit)

    async def status(
        self, exchange: str, *, active: bool | None, after: str, limit: int | None
    ) -> tuple[Venue, list[SymbolState]]:
        """An exchange's symbols with what is stored of them, by name.

        Raises:
            UnknownExchange: the catalogue does not have it.
        """
        venue, symbols = await self.symbols(exchange, active=active, after=after, limit=limit)
        states: list[SymbolState] = []
        async with (await self._candles()).acquire() as connection:
            found = await coverage.coverage(connection, [symbol.symbol_id for symbol in symbols])
            for symbol in symbols:
                state = SymbolState(symbol, found.get(symbol.symbol_id, Coverage()))
                if state.coverage.missing:
                    total, latest = await coverage.gaps(connection, symbol.symbol_id)
                    state = SymbolState(symbol, state.coverage, total, latest)
                states.append(state)
        return venue, states

    async def validate(self, exchange: str, now: datetime) -> tuple[Venue, list[Check]]:
        """Checks on an exchange's collected symbols; the last day of them is looked at minute by minute.

        Raises:
            UnknownExchange: the catalogue does not have it.
        """
        venue, states = await self.status(exchange, active=True, after="", limit=None)
        collected = [state for state in states if not state.symbol.only_ticker]
        stored = [state for state in collected if state.coverage.newest is not None]
        newest = max((state.coverage.newest for state in stored if state.coverage.newest), default=now)
        since = (newest - timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
        series = [state.symbol.symbol_id for state in stored]
        async with (await self._candles()).acquire() as connection:
            implausible = await coverage.implausible(connection, series, since)
            wrong = await coverage.wrong_roll_ups(connection, series, since)
        stale = [state for state in stored if not state.is_fresh(now)]
        torn = [state for state in stored if state.coverage.missing]
        empty = [state for state in collected if state.coverage.newest is None]
        return venue, [
            Check("active", venue.active, f"The exchange is {'' if venue.active else 'not '}active."),
            Check("symbols", bool(states), f"{len(states)} symbols are active."),
            _each("candles", collected, empty, "have candles", "have none"),
            _each("fresh", stored, stale, "have a candle of the last three minutes", "have not"),
            _each("complete", stored, torn, "have no gap", "have gaps"),
            Check("plausible", not implausible, f"{implausible} minutes of the last day have values that cannot be."),
            Check("roll_ups", not wrong, f"{wrong} hours of the last day differ from their minutes."),
        ]


def _each(name: CheckName, asked: Sequence[SymbolState], failed: Sequence[SymbolState], good: str, bad: str) -> Check:
    names = ", ".join(state.symbol.symbol for state in failed[:5])
    more = f" and {len(failed) - 5} more" if len(failed) > 5 else ""
    detail = f"{len(asked) - len(failed)} of {len(asked)} symbols {good}"
    return Check(name, bool(asked) and not failed, f"{detail}; {names}{more} {bad}." if failed else f"{detail}.")
