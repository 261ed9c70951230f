"""Query parameters, read with Binance's rules; reading also notes which were asked for, to refuse the others."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from local.paper import errors
from local.paper.exchange import Exchange, Instrument
from local.paper.klines import INTERVALS, Interval

_INTEGER = re.compile(r"[0-9]{1,20}")
_SYMBOL = re.compile(r"[A-Z0-9\-_.]{1,20}")
_SYMBOL_RANGE = "^[A-Z0-9-_.]{1,20}$"


class Parameters:
    """The query of one request.

    Every method raises :class:`local.paper.errors.VenueError` where Binance refuses.
    """

    def __init__(self, query: Mapping[str, str], exchange: Exchange) -> None:
        self._query = query
        self._instruments = exchange.instruments
        self._read: set[str] = set()

    def text(self, name: str, *allowed: str) -> str | None:
        """An optional text, one of ``allowed`` where they are named."""
        self._read.add(name)
        value = self._query.get(name)
        if value is not None and allowed and value not in allowed:
            raise errors.invalid_data(name)
        return value

    def integer(self, name: str) -> int | None:
        """An optional whole number, not negative."""
        value = self.text(name)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value):
            raise errors.illegal(name, "^[0-9]{1,20}$")
        return int(value)

    def limit(self, default: int, maximum: int) -> int:
        """How many are wanted; more than the maximum is taken for the maximum, as the spot API does."""
        value = self.integer("limit")
        if value == 0:
            raise errors.invalid_data("limit")
        return min(default if value is None else value, maximum)

    def instrument(self) -> Instrument:
        """The symbol, which is mandatory."""
        name = self.text("symbol")
        if not name:
            raise errors.missing("symbol")
        return self._find("symbol", name)

    def instruments(self) -> list[Instrument] | None:
        """The symbols of ``symbol=BTCUSDT`` or ``symbols=["BTCUSDT","ETHUSDT"]``; None where neither is given."""
        one, several = self.text("symbol"), self.text("symbols")
        if one is not None and several is not None:
            raise errors.bad_combination()
        if one is not None:
            return [self._find("symbol", one)]
        if several is None:
            return None
        try:
            names = json.loads(several)
        except json.JSONDecodeError:
            names = None
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise errors.illegal("symbols", r"^\[(\"[A-Z0-9-_.]{1,20}\"(,\"[A-Z0-9-_.]{1,20}\"){0,}){0,1}\]$")
        return [self._find("symbols", name) for name in names]

    def interval(self) -> Interval:
        """The interval, which is mandatory."""
        name = self.text("interval")
        if not name:
            raise errors.missing("interval")
        if name not in INTERVALS:
            raise errors.invalid_interval()
        return INTERVALS[name]

    def finish(self) -> None:
        """Refuse what nobody asked for."""
        if not self._read.issuperset(self._query):
            raise errors.unread(len(self._read.intersection(self._query)), len(self._query))

    def _find(self, parameter: str, name: str) -> Instrument:
        if not _SYMBOL.fullmatch(name):
            raise errors.illegal(parameter, _SYMBOL_RANGE)
        if name not in self._instruments:
            raise errors.invalid_symbol()
        return self._instruments[name]
