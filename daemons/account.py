"""The account daemon: balances, positions, orders and fills of every exchange account that is in use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fullon.fleet import store as fleet
from fullon.kernel.retry import Troubles
from fullon.orders import account_cache
from fullon.orders.account_keeper import AccountKeeper, Surroundings
from fullon.orders.account_roster import AccountRoster, Assignment
from fullon.orders.prices import Prices
from fullon.runtime import daemon
from fullon.venues import accounts, store
from fullon.venues.connect import connect_account_data

if TYPE_CHECKING:
    import asyncpg

_log = logging.getLogger("fullon.account")


async def work(context: daemon.Context) -> None:
    """Look after all accounts until cancelled."""
    container = context.container
    troubles = Troubles(_log)
    pulse = daemon.Pulse(context.heartbeat, troubles)
    prices = Prices(container.valkey, container.clock)

    @asynccontextmanager
    async def fenced() -> AsyncIterator[asyncpg.pool.PoolConnectionProxy[Any] | asyncpg.Connection[Any]]:
        async with container.transaction() as connection:
            await fleet.assert_fence(connection, context.lease)
            yield connection

    async def load() -> list[Assignment]:
        async with container.connection() as connection:
            in_use = await accounts.in_use(connection)
            venues = {venue.cat_ex_id: venue for venue in await store.venues(connection)}
        return [Assignment(each, venues[each.account.cat_ex_id]) for each in in_use]

    async def keep(each: Assignment) -> None:
        account, venue = each.account.account, each.venue
        keys = await each.account.keys(container.seals)
        address = container.settings.exchange_url(venue.name)
        data = connect_account_data(venue, address, keys, container.clock, test=account.test)
        around = Surroundings(
            fenced,
            container.valkey,
            prices,
            container.clock,
            troubles,
            leading=lambda: context.leading,
            counted=pulse.count,
            pace=float(venue.params.get("account_pace", 1.0)),
        )
        try:
            await AccountKeeper(account, data, around).run()
        finally:
            await data.close()

    async def forget(each: Assignment) -> None:
        await account_cache.forget(container.valkey, each.account.account.uid, each.ex_id)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pulse.run())
        tasks.create_task(AccountRoster(load, keep, forget, troubles).run())


if __name__ == "__main__":
    daemon.run("account", work)
