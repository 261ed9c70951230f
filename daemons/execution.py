"""The execution daemon: brings orders to their venues, each once, and fills those of dry runs."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal

from fullon.kernel.retry import Troubles
from fullon.market import cache as market
from fullon.orders import bell
from fullon.orders.desk import Floor
from fullon.orders.desks import Desks
from fullon.orders.dry_run import DryRun
from fullon.orders.execution import GRACE_SECONDS
from fullon.orders.leader import Leader
from fullon.runtime import daemon, metrics
from fullon.runtime.container import Container
from fullon.venues import store
from fullon.venues.accounts import SealedAccount
from fullon.venues.connect import connect_trading, taker_rate
from fullon.venues.quotes import Tick
from fullon.venues.trading import Trading

_log = logging.getLogger("fullon.execution")


async def work(context: daemon.Context, *, grace: float = GRACE_SECONDS) -> None:
    """Act on orders until cancelled.

    Args:
        grace: seconds between the two looks that prove an order absent.
    """
    container = context.container
    troubles = Troubles(_log)
    pulse = daemon.Pulse(context.heartbeat, troubles)
    leader = Leader(container.transaction, context.lease, container.clock)
    rates: dict[str, Decimal] = {}
    orders, dry_orders = asyncio.Event(), asyncio.Event()

    async def connect(sealed: SealedAccount) -> Trading:
        return await _connect(container, sealed)

    async def tick(exchange: str, symbol: str) -> Tick | None:
        return await market.present_tick(container.valkey, exchange, symbol)

    async def rate(exchange: str) -> Decimal:
        if exchange not in rates:
            async with container.connection() as connection:
                rates[exchange] = taker_rate(await store.venue_by_name(connection, exchange))
        return rates[exchange]

    floor = Floor(
        connection=container.connection,
        connect=connect,
        leader=leader,
        clock=container.clock,
        troubles=troubles,
        grace=grace,
        figures=metrics.executing(),
        progress=pulse.count,
    )
    dry_run = DryRun(container.connection, leader, container.clock, tick, rate, dry_orders, troubles, pulse.count)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pulse.run())
        tasks.create_task(bell.listen(container.valkey, orders, dry_orders))
        tasks.create_task(Desks(floor, orders).run())
        tasks.create_task(dry_run.run())


async def _connect(container: Container, sealed: SealedAccount) -> Trading:
    account = sealed.account
    async with container.connection() as connection:
        venue = await store.venue(connection, account.cat_ex_id)
    keys = await sealed.keys(container.seals)
    url = container.settings.exchange_url(venue.name)
    return connect_trading(venue, url, keys, container.clock, test=account.test)


if __name__ == "__main__":
    daemon.run("execution", work)
