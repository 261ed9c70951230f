"""Order books as subscribers see them: a numbered state and the prices touched since.

A client builds its book from a REST snapshot and the stream's differences, so both come from one sequence of states,
and whatever differs between two of them is remembered for those who follow. Update ids are the venue's time in
microseconds, so they rise across restarts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from local.paper.book import LEVELS, Depth
from local.paper.exchange import Exchange, Instrument


class BookState(NamedTuple):
    """The book at one update id."""

    update_id: int
    depth: Depth


@dataclass
class Listener:
    """Someone who follows differences: the prices touched since it last looked."""

    update_id: int
    bids: set[int] = field(default_factory=set)
    asks: set[int] = field(default_factory=set)


class OrderBooks:
    """The present book of every symbol."""

    def __init__(self, exchange: Exchange) -> None:
        self._clock = exchange.clock
        self._states: dict[str, BookState] = {}
        self._listeners: dict[str, list[Listener]] = {name: [] for name in exchange.instruments}

    def listen(self, instrument: Instrument) -> Listener:
        """Begin to note what changes; first event after the id of the present state."""
        listener = Listener(self.refresh(instrument).update_id)
        self._listeners[instrument.symbol.id].append(listener)
        return listener

    def ignore(self, instrument: Instrument, listener: Listener) -> None:
        """Stop noting."""
        self._listeners[instrument.symbol.id].remove(listener)

    def refresh(self, instrument: Instrument) -> BookState:
        """The book of this moment: a new state if it differs from the one before."""
        name, moment = instrument.symbol.id, self._clock.microseconds()
        depth, before = instrument.depth(moment // 1000, LEVELS), self._states.get(name)
        if before is not None and depth == before.depth:
            return before
        if before is not None:
            bids, asks = _touched(before.depth.bids, depth.bids), _touched(before.depth.asks, depth.asks)
            for listener in self._listeners[name]:
                listener.bids |= bids
                listener.asks |= asks
            moment = max(moment, before.update_id + 1)
        self._states[name] = BookState(moment, depth)
        return self._states[name]


def _touched(before: dict[int, int], after: dict[int, int]) -> set[int]:
    return {price for price, _ in before.items() ^ after.items()}
