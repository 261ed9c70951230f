"""Which exchanges and symbols can be subscribed to: PostgreSQL's word, believed for seconds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from fullon.kernel.clock import Clock
from fullon.streams import store
from fullon.streams.errors import UnknownAccount, UnknownBot, UnknownExchange, UnknownSymbols
from fullon.streams.model import Topics

if TYPE_CHECKING:
    from fullon.streams.store import Connection

    Connections = Callable[[], AbstractAsyncContextManager[Connection]]

BELIEVED_SECONDS = 10.0
#: What is missing is asked for again, but not by every frame.
DOUBTED_SECONDS = 1.0


class Catalogue:
    """The active exchanges and symbols.

    Args:
        connection: opens a connection of the platform database.
    """

    def __init__(self, connection: Connections, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._known: dict[str, tuple[float, frozenset[str] | None]] = {}

    async def check(self, topics: Topics) -> None:
        """Every exchange and symbol of the topics exists and is active; an account or a bot is the owner's.

        Raises:
            UnknownExchange, UnknownSymbols: the error names them.
            UnknownAccount, UnknownBot: it is somebody else's, or nobody's.
            Unavailable: the database cannot be reached.
        """
        if topics.part is not None:
            await self._check_part(topics)
        if topics.exchange is None:
            return
        symbols = await self._symbols(topics.exchange, BELIEVED_SECONDS)
        if symbols is None or not symbols.issuperset(topics.symbols):
            symbols = await self._symbols(topics.exchange, DOUBTED_SECONDS)
        if symbols is None:
            raise UnknownExchange(topics.exchange)
        missing = [symbol for symbol in topics.symbols if symbol not in symbols]
        if missing:
            raise UnknownSymbols(topics.exchange, missing)

    async def _check_part(self, topics: Topics) -> None:
        async with self._connection() as connection:
            kinds = await store.kinds_of(connection, topics.owner, topics.part)
        if not any(member in kinds for member in topics.channel.members):
            raise UnknownAccount if "account" in topics.channel.members else UnknownBot

    async def _symbols(self, exchange: str, seconds: float) -> frozenset[str] | None:
        now = self._clock.monotonic()
        known = self._known.get(exchange)
        if known is not None and now - known[0] < seconds:
            return known[1]
        async with self._connection() as connection:
            symbols = await store.active_exchange(connection, exchange)
        if symbols is None and len(self._known) > 1000:
            self._known.clear()  # names that somebody made up
        self._known[exchange] = (now, symbols)
        return symbols
