"""The ticker daemon: streams the tickers of every active symbol of every active venue into Valkey."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from fullon.kernel.retry import Troubles
from fullon.market.live_cache import LiveCache
from fullon.market.tick_collector import TickPublisher, collect
from fullon.runtime import daemon, metrics
from fullon.venues import cache, store
from fullon.venues.connect import connect
from fullon.venues.model import Symbol, Venue
from fullon.venues.roster import Catalogue, Roster

_log = logging.getLogger("fullon.ticker")


async def work(context: daemon.Context) -> None:
    """Stream until cancelled."""
    container, heartbeat = context.container, context.heartbeat
    troubles = Troubles(_log)
    pulse = daemon.Pulse(heartbeat, troubles)
    publisher = TickPublisher(
        LiveCache(container.valkey, context.name), context.lease.holder, troubles, pulse.count, metrics.collecting()
    )
    rung = asyncio.Event()

    async def load() -> Catalogue:
        async with container.connection() as connection:
            return await store.active_symbols(connection)

    async def collect_venue(venue: Venue, symbols: Sequence[Symbol]) -> None:
        data = connect(venue, container.settings.exchange_url(venue.name), container.clock)
        try:
            await collect(venue, data, symbols, publisher, troubles)
        finally:
            await data.close()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pulse.run())
        tasks.create_task(publisher.run())
        tasks.create_task(publisher.restore())
        tasks.create_task(cache.listen(container.valkey, rung))
        tasks.create_task(Roster(load, collect_venue, rung, troubles).run())


if __name__ == "__main__":
    daemon.run("ticker", work)
