"""Symbols by the names clients use; an unknown one is answered with those that read alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from fullon.market.errors import UnknownExchange, UnknownSymbol
from fullon.venues import store
from fullon.venues.errors import UnknownVenue
from fullon.venues.model import Symbol, Venue

if TYPE_CHECKING:
    from fullon.market.store import Connection

    Connections = Callable[[], AbstractAsyncContextManager[Connection]]

_SIGNS = re.compile(r"[^0-9A-Z]+")


class Catalogue:
    """Venues and symbols of the platform database, by name."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def exchange(self, name: str) -> Venue:
        """An exchange, whatever the case of its name.

        Raises:
            UnknownExchange: there is none.
        """
        async with self._connections() as connection:
            return await _exchange(connection, name)

    async def symbol(self, exchange: str, name: str) -> Symbol:
        """A symbol of an exchange.

        Raises:
            UnknownExchange, UnknownSymbol: there is none.
        """
        async with self._connections() as connection:
            venue = await _exchange(connection, exchange)
            symbols = await store.symbols_of(connection, venue.cat_ex_id)
        for each in symbols:
            if each.symbol == name:
                return each
        raise UnknownSymbol(venue.name, name, nearest(name, [each.symbol for each in symbols]))


async def _exchange(connection: Connection, name: str) -> Venue:
    try:
        return await store.venue_by_name(connection, name)
    except UnknownVenue as error:
        known = [venue.name for venue in await store.venues(connection)]
        raise UnknownExchange(name, nearest(name, known)) from error


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Up to ``count`` of the known names that read most like ``name``; case, ``/``, ``-`` and ``:`` do not matter."""
    from difflib import get_close_matches

    by_letters: dict[str, list[str]] = {}
    for each in known:
        by_letters.setdefault(_letters(each), []).append(each)
    matches = get_close_matches(_letters(name[:64]), by_letters, n=count, cutoff=0.6)
    return [each for match in matches for each in by_letters[match]][:count]


def _letters(name: str) -> str:
    return _SIGNS.sub("", name.upper())
