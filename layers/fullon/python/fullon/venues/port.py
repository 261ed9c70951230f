"""The port of the product to a venue's market data. Implementations: ccxt for everything, Binance's own streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol, TypeAlias, TypeVar

from fullon.venues.model import Capabilities, Market
from fullon.venues.quotes import Bar, Tick, Trade

Item = TypeVar("Item")
#: Batches of what a venue streams; whoever reads it closes it (``contextlib.aclosing``).
Stream: TypeAlias = AsyncGenerator[Sequence[Item], None]


class MarketData(Protocol):
    """Market data of one venue.

    Times are epoch milliseconds by the venue's clock. Every method and iterator raises the errors of
    :mod:`fullon.venues.errors` and nothing of the library underneath. A stream runs until its
    connection is lost and then raises ``VenueDown``; whoever reads it decides when to open the next one.
    """

    name: str

    @property
    def capabilities(self) -> Capabilities:
        """What the venue offers."""

    async def server_time(self) -> int:
        """The venue's clock."""

    async def markets(self) -> list[Market]:
        """Everything it lists, read afresh."""

    async def tickers(self, symbols: Sequence[str]) -> list[Tick]:
        """The present state of ``symbols``."""

    async def candles(self, symbol: str, since: int, limit: int) -> list[Bar]:
        """One-minute bars from ``since`` on, oldest first, at most ``limit``; the running one is among them, and not
        told apart: every bar but the last of an answer is closed."""

    async def trades(self, symbol: str, since: int | None, after: str | None, limit: int) -> list[Trade]:
        """Public trades, oldest first: those after the id ``after`` where the venue pages by id, else those from the
        time ``since`` on, else the newest."""

    def stream_tickers(self, symbols: Sequence[str]) -> Stream[Tick]:
        """Changes of ``symbols``, in batches."""

    def stream_candles(self, symbols: Sequence[str]) -> Stream[tuple[str, Bar]]:
        """Running one-minute bars of ``symbols`` as they change, and each once more as ``final``."""

    def stream_trades(self, symbols: Sequence[str]) -> Stream[tuple[str, Trade]]:
        """Every public trade of ``symbols`` from now on."""

    async def close(self) -> None:
        """Close what is open; iterators still running end."""
