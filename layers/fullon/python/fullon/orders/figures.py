"""What the handling of orders tells of its work; whoever runs it makes metrics of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _ignore(*_: float) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Figures:
    """Who is told what; by default nobody.

    Attributes:
        sent: an order is sent to a venue.
        refused: a venue refused one, or nobody may send it.
        acknowledged: a venue has taken one, so many milliseconds after it was decided.
        waiting: so many wait to be sent.
    """

    sent: Callable[[], None] = _ignore
    refused: Callable[[], None] = _ignore
    acknowledged: Callable[[float], None] = _ignore
    waiting: Callable[[int], None] = _ignore


SILENT = Figures()
