"""Reading a venue's list of trades from where a series ends, page by page, within bounds."""

from __future__ import annotations

import logging

from fullon.kernel.retry import Troubles, insist
from fullon.market.trade_series import TradeSeries
from fullon.venues.port import MarketData
from fullon.venues.quotes import Trade

PAGE = 1000
#: A longer gap than this is not read back: what a venue traded meanwhile may be millions.
LOOK_BACK_MS = 6 * 3600 * 1000
_PAGES = 200

_log = logging.getLogger("fullon.trades")


async def catch_up(
    data: MarketData, symbol: str, series: TradeSeries, begin: Trade | None, troubles: Troubles
) -> Trade | None:
    """Fill ``series`` with the trades after ``begin``; returns the last one read, or ``begin``.

    Without ``begin``, and after a longer gap than ``LOOK_BACK_MS``, only the newest page is read. Venues that do not
    page by id are read from the time of the last trade on, that time included: equal times lose none unless they fill
    a page.
    """
    outage = troubles.outage(f"list of trades of {data.name}")
    last = begin
    if last is not None:
        now = await insist(data.server_time, outage)
        if now - last.ts > LOOK_BACK_MS:
            _log.warning("trades skipped", extra={"exchange": data.name, "symbol": symbol, "after": last.ts})
            last = None
    for _ in range(_PAGES):
        since, after = (last.ts, last.trade_id) if last is not None else (None, None)
        page = await insist(lambda: data.trades(symbol, since, after, PAGE), outage)  # noqa: B023 - awaited at once
        series.fill(page)
        if not page or (last is not None and page[-1] == last):
            break
        start, last = last, page[-1]
        if start is None or len(page) < PAGE // 2:
            break
        if last.ts == start.ts and not data.capabilities.trades_by_id:
            _log.warning("trades of one moment fill a page", extra={"exchange": data.name, "symbol": symbol})
            break
    return last
