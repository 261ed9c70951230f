"""What the collectors tell of their work; whoever runs them makes metrics of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _ignore(*_: float) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Figures:
    """Who is told what; by default nobody.

    Attributes:
        ticks_written: to Valkey: how many, and how long the oldest of them had waited here, in milliseconds.
        trades_published: the same of trades.
        trades_stored: how many PostgreSQL has taken.
        trades_waiting: how many are in memory that one of the two does not have yet.
        candles_stored: how many minutes were new to PostgreSQL or different.
    """

    ticks_written: Callable[[int, float], None] = _ignore
    trades_published: Callable[[int, float], None] = _ignore
    trades_stored: Callable[[int], None] = _ignore
    trades_waiting: Callable[[int], None] = _ignore
    candles_stored: Callable[[int], None] = _ignore


SILENT = Figures()
