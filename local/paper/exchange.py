"""The venue's market, put together: for each symbol its trades, bars and book, all at the venue's own time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local import demo_data
from local.paper.book import BEAT_MS, BookModel, Depth, Quote
from local.paper.clock import VenueClock
from local.paper.history import MINUTE_MS, Minutes, recorded, synthetic
from local.paper.klines import Klines, Span
from local.paper.market import BTC_USDT, SYMBOLS, Symbol
from local.paper.prints import Tape, Trade

#: One-minute bars that exist when a session begins: thirty days.
HISTORY_MINUTES = 43_200
DAY_MS = 24 * 60 * MINUTE_MS


class Instrument:
    """One symbol with its market.

    Args:
        symbol: its precision and rules.
        minutes: its cycle of bars.
        seed: tells its prints from those of another symbol.
        listed: the first minute that exists.
        place: its place among the symbols, from 0 to 1; quotes and tickers of different places change at
            different moments, as they do on a real venue.
    """

    def __init__(self, symbol: Symbol, minutes: Minutes, seed: int, listed: int, place: float = 0.0) -> None:
        self.symbol = symbol
        self.tape = Tape(minutes, f"{seed}:{symbol.id}")
        self.klines = Klines(self.tape, listed)
        self.listed = listed
        self.place = place
        day = minutes.volume[: DAY_MS // MINUTE_MS]
        self._book = BookModel(minutes.open[0], sum(day) // (8 * len(day)), int(place * BEAT_MS))

    def last(self, now: int) -> Trade:
        """The latest trade at ``now``."""
        return self.tape.last(now)

    def recent(self, now: int, limit: int) -> list[Trade]:
        """The newest ``limit`` trades at ``now``, oldest first."""
        return self.tape.before(now, limit, self.listed)

    def quote(self, now: int) -> Quote:
        """Best bid and ask at ``now``."""
        return self._book.quote(self.last(now), now)

    def depth(self, now: int, levels: int) -> Depth:
        """The book at ``now``."""
        return self._book.depth(self.last(now), now, levels)

    def day(self, now: int) -> Span:
        """What was traded in the 24 hours up to ``now``."""
        span = self.klines.span(now - DAY_MS + 1, now)
        assert span is not None, "a symbol is listed for thirty days before the first request"
        return span


@dataclass(frozen=True)
class Exchange:
    """Everything there is to trade, and the time."""

    clock: VenueClock
    instruments: dict[str, Instrument]


def open_exchange(clock: VenueClock, seed: int, recording: Path | None) -> Exchange:
    """The venue's market.

    Args:
        clock: the venue's time; history begins thirty days before its first moment and grows from there.
        seed: of the synthetic symbols and of all prints.
        recording: minutes of BTC, as :mod:`local.demo_data` fetches them; None for a synthetic BTC as well.

    Raises:
        Corrupt, Invalid: the recording cannot be used.
    """
    listed = clock.begin // MINUTE_MS - HISTORY_MINUTES
    instruments = {}
    for number, symbol in enumerate(SYMBOLS):
        if recording is not None and symbol is BTC_USDT:
            minutes = recorded(symbol, demo_data.load(recording))
        else:
            minutes = synthetic(symbol, seed)
        instruments[symbol.id] = Instrument(symbol, minutes, seed, listed, number / len(SYMBOLS))
    return Exchange(clock, instruments)
