"""What an exchange says: asked from here where this process can, else by the account daemon, which can everywhere.

In the cloud this function has neither ccxt nor a way to the internet. The answer is the same either way, and so is what
goes wrong.
"""

from __future__ import annotations

from types import ModuleType

from redis.exceptions import RedisError

from fullon.fleet import cache as fleet
from fullon.kernel.errors import Unavailable
from fullon.runtime.container import Container
from fullon.venues.account import Examination
from fullon.venues.accounts import SealedAccount
from fullon.venues.errors import AccountDaemonDown
from fullon.venues.model import Market, Venue
from fullon.venues.rpc_client import RpcClient


async def examine(stores: Container, venue: Venue, looked_at: SealedAccount) -> Examination:
    """What ``venue`` says of the keys of an account, which must be the caller's.

    Raises:
        FullonError: the venue refuses the keys, or cannot be asked at present.
    """
    account = looked_at.account
    if (connect := _connections()) is None:
        return await (await _account_daemon(stores)).examine_account(account.uid, account.ex_id)
    keys, address = await looked_at.keys(stores.seals), stores.settings.exchange_url(venue.name)
    found: Examination = await connect.examine_account(venue, address, keys, stores.clock, test=account.test)
    return found


async def markets(stores: Container, venue: Venue) -> list[Market]:
    """Everything that ``venue`` lists.

    Raises:
        FullonError: the venue cannot be asked at present.
    """
    if (connect := _connections()) is None:
        return await (await _account_daemon(stores)).list_markets(venue.cat_ex_id)
    listed: list[Market] = await connect.list_markets(venue, stores.settings.exchange_url(venue.name), stores.clock)
    return listed


def _connections() -> ModuleType | None:
    """:mod:`fullon.venues.connect` where it is; the layer of the functions in the cloud is made without it."""
    try:
        from fullon.venues import connect
    except ImportError:
        return None
    return connect


async def _account_daemon(stores: Container) -> RpcClient:
    try:
        alive = await fleet.is_alive(stores.valkey, "account", stores.clock.now())
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("The cache cannot be reached; try again shortly.", code="cache_down") from error
    if not alive:
        raise AccountDaemonDown
    return RpcClient(stores.valkey, stores.clock)
