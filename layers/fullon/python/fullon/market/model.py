"""Values of the market. Ticks, trades and bars are what a venue says, so they are defined one layer below."""

from __future__ import annotations

from fullon.venues.quotes import Bar, Side, Tick, Trade

__all__ = ["Bar", "Side", "Tick", "Trade"]
