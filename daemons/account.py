"""The account daemon: balances, positions, orders and fills of every exchange account that is in use.

It also asks venues for functions that cannot (:mod:`fullon.venues.rpc_server`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fullon.fleet import store as fleet
from fullon.kernel.retry import Troubles
from fullon.orders import account_cache
from fullon.orders.account_keeper import AccountKeeper, Surroundings
from fullon.orders.account_roster import AccountRoster, Assignment
from fullon.orders.prices import Prices
from fullon.runtime import daemon
from fullon.venues import accounts, store
from fullon.venues.account import Examination
from fullon.venues.connect import connect_account_data, examine_account, list_markets
from fullon.venues.model import Market
from fullon.venues.rpc_server import Answers, RpcServer

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

    async def examine(uid: UUID, ex_id: UUID) -> Examination:
        async with container.connection() as connection:
            account = await accounts.keys_of(connection, uid, ex_id)
            venue = await store.venue(connection, account.account.cat_ex_id)
        keys, address = await account.keys(container.seals), container.settings.exchange_url(venue.name)
        return await examine_account(venue, address, keys, container.clock, test=account.account.test)

    async def markets(cat_ex_id: int) -> list[Market]:
        async with container.connection() as connection:
            venue = await store.venue(connection, cat_ex_id)
        return await list_markets(venue, container.settings.exchange_url(venue.name), container.clock)

    questions = RpcServer(
        container.valkey,
        container.clock,
        Answers(examine, markets),
        troubles.outage("questions of functions"),
        leading=lambda: context.leading,
        counted=pulse.count,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pulse.run())
        tasks.create_task(questions.run())
        tasks.create_task(AccountRoster(load, keep, forget, troubles).run())


if __name__ == "__main__":
    daemon.run("account", work)
