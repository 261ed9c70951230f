"""Every public trade of a symbol exactly once, from a stream that may repeat, reorder or miss some. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from fullon.venues.quotes import Trade

#: Trades remembered to recognise a repetition; more than a list repeats.
_REMEMBERED = 2_500


class TradeSeries:
    """What is known of one symbol's trades.

    Attributes:
        last: the newest trade taken, by time and id; lists are read from there on.
        waiting: taken and not yet handed on.
        holding: new trades of the stream wait until the list has filled in what came before them.
    """

    def __init__(self, last: Trade | None = None) -> None:
        self.last = last
        self.waiting: list[Trade] = []
        self.holding = True
        self._held: list[Trade] = []
        self._known: dict[str, None] = {} if last is None else {last.trade_id: None}

    def take(self, trades: Iterable[Trade]) -> None:
        """Trades of the stream."""
        if self.holding:
            self._held.extend(trades)
        else:
            self._accept(trades)

    def fill(self, trades: Iterable[Trade]) -> int:
        """Trades of the venue's list; returns how many were new."""
        return self._accept(trades)

    def hold(self) -> None:
        """Keep what the stream says until :meth:`release`."""
        self.holding = True

    def release(self) -> None:
        """The list has caught up with the stream: what was kept follows."""
        self.holding = False
        held, self._held = self._held, []
        self._accept(held)

    def take_waiting(self) -> list[Trade]:
        """What is to be handed on, in order, and then no longer waiting."""
        taken, self.waiting = self.waiting, []
        return sorted(taken, key=lambda trade: trade.order)

    def _accept(self, trades: Iterable[Trade]) -> int:
        accepted = 0
        for trade in trades:
            if trade.trade_id in self._known:
                continue
            self._known[trade.trade_id] = None
            self.waiting.append(trade)
            accepted += 1
            if self.last is None or trade.order > self.last.order:
                self.last = trade
        while len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        return accepted
