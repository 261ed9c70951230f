"""The ohlcv daemon: candles and public trades of every active symbol that wants more than tickers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from fullon.fleet import store as fleet
from fullon.fleet.leases import LEASE_SECONDS
from fullon.kernel.retry import Troubles, insist
from fullon.market import candles_store
from fullon.market.candle_check import CandleCheck
from fullon.market.candle_collector import CandleCollector
from fullon.market.candles_store import Writer
from fullon.market.errors import Superseded
from fullon.market.live_cache import LiveCache
from fullon.market.trade_collector import TradeCollector
from fullon.runtime import daemon, metrics
from fullon.venues import cache, store
from fullon.venues.clock import VenueClock
from fullon.venues.connect import connect
from fullon.venues.model import Symbol, Venue
from fullon.venues.port import MarketData
from fullon.venues.roster import Catalogue, Roster, listed

_log = logging.getLogger("fullon.ohlcv")


async def work(context: daemon.Context) -> None:
    """Collect until cancelled."""
    container = context.container
    troubles = Troubles(_log)
    pulse = daemon.Pulse(context.heartbeat, troubles)
    writer = Writer(context.name, context.lease.fence)
    rung = asyncio.Event()

    async def load() -> Catalogue:
        async with container.connection() as connection:
            catalogue = await store.active_symbols(connection)
        wanted = [(venue, [each for each in symbols if not each.only_ticker]) for venue, symbols in catalogue]
        return [(venue, symbols) for venue, symbols in wanted if symbols]

    async def collect_venue(venue: Venue, symbols: Sequence[Symbol]) -> None:
        data = connect(venue, container.settings.exchange_url(venue.name), container.clock)
        try:
            await _collect(context, venue, data, symbols, writer, pulse, troubles)
        finally:
            await data.close()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pulse.run())
        await insist(lambda: _claim(context, writer), troubles.outage("the candle database"))
        tasks.create_task(cache.listen(container.valkey, rung))
        tasks.create_task(Roster(load, collect_venue, rung, troubles).run())


async def _claim(context: daemon.Context, writer: Writer) -> None:
    """Shut out whoever wrote before us."""
    try:
        async with context.container.candle_transaction() as connection:
            await candles_store.claim(connection, writer)
    except Superseded:
        # Either another leads by now, which renewing finds out, or the fences of a restored database began anew.
        async with context.container.connection() as connection:
            await fleet.renew_lease(connection, context.lease, LEASE_SECONDS)
        async with context.container.candle_transaction() as connection:
            await candles_store.claim(connection, writer, restart=True)


async def _collect(
    context: daemon.Context,
    venue: Venue,
    data: MarketData,
    symbols: Sequence[Symbol],
    writer: Writer,
    pulse: daemon.Pulse,
    troubles: Troubles,
) -> None:
    container = context.container
    wanted = await listed(data, symbols, troubles)
    if not wanted:
        return

    async def register() -> None:
        async with container.candle_transaction() as connection:
            await candles_store.put_series(connection, wanted)

    await insist(register, troubles.outage("the candle database"))
    live = LiveCache(container.valkey, f"{context.name}:{venue.name}")
    clock = VenueClock(data, container.clock)
    candles = CandleCollector(
        venue,
        data,
        wanted,
        CandleCheck(data, clock, container.candle_transaction, writer, metrics.collecting()),
        live,
        owner=context.lease.holder,
        venue_clock=clock,
        clock=container.clock,
        troubles=troubles,
        progress=pulse.count,
    )
    trades = TradeCollector(
        venue,
        data,
        wanted,
        live,
        container.candle_transaction,
        writer,
        leading=lambda: context.leading,
        troubles=troubles,
        progress=pulse.count,
        figures=metrics.collecting(),
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(candles.run())
        if data.capabilities.trades:
            tasks.create_task(trades.run())


if __name__ == "__main__":
    daemon.run("ohlcv", work)
