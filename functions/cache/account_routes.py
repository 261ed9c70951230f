"""Balances and positions of a user's exchange accounts, as the account daemon last saw them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from fullon.identity.errors import UserNotFound
from fullon.identity.model import Identity
from fullon.market import cache
from fullon.market.errors import NotCached
from fullon.orders import account_cache
from fullon.orders.account_cache import AccountState
from fullon.runtime.container import Container
from fullon.runtime.http import Caller, Stores
from fullon.runtime.problems import responses
from fullon.venues import accounts
from fullon.venues.account import Account
from functions.cache.account_schemas import (
    AccountBalances,
    AccountPositions,
    CachedBalance,
    CachedPosition,
    UserBalances,
    UserPositions,
)
from functions.cache.ages import age

router = APIRouter(prefix="/api/v1/cache")


@router.get(
    "/accounts/{user_id}/balances",
    operation_id="get_cached_balances",
    summary="Balances of a user's accounts",
    responses=responses(401, 403, 404, 504),
)
async def cached_balances(user_id: UUID, stores: Stores, caller: Caller) -> UserBalances:
    """What each account has, as its venue last said. One's own; admins may look at anybody's."""
    found, now = await _found(user_id, stores, caller, "balances"), stores.clock.now()
    items = [
        AccountBalances(
            **_account(account, state, now), balances=[CachedBalance.model_validate(each) for each in state.balances]
        )
        for account, state in found
    ]
    return UserBalances(user_id=user_id, items=items, **age(min(state.as_of for _, state in found), now))


@router.get(
    "/accounts/{user_id}/positions",
    operation_id="get_cached_positions",
    summary="Positions of a user's accounts",
    responses=responses(401, 403, 404, 504),
)
async def cached_positions(user_id: UUID, stores: Stores, caller: Caller) -> UserPositions:
    """What each account holds, as of its last look at the venue. One's own; admins may look at anybody's."""
    found, now = await _found(user_id, stores, caller, "positions"), stores.clock.now()
    items = [
        AccountPositions(
            **_account(account, state, now), positions=[CachedPosition.model_validate(each) for each in state.positions]
        )
        for account, state in found
    ]
    return UserPositions(user_id=user_id, items=items, **age(min(state.as_of for _, state in found), now))


async def _found(user_id: UUID, stores: Container, caller: Identity, what: str) -> list[tuple[Account, AccountState]]:
    if user_id != caller.user_id and not caller.is_admin:
        raise UserNotFound
    async with stores.connection() as connection:
        theirs = await accounts.listing(connection, user_id, active=True, limit=accounts.MOST_PER_USER)
    async with cache.bounded():
        states = await account_cache.read(stores.valkey, [account.ex_id for account in theirs])
    known = {state.ex_id: state for state in states if state.uid == user_id}
    if not known:
        raise NotCached(f"There are no {what} of this user in the cache.")
    return [(account, known[account.ex_id]) for account in theirs if account.ex_id in known]


def _account(account: Account, state: AccountState, now: datetime) -> dict[str, Any]:
    return {
        "ex_id": account.ex_id,
        "exchange": account.exchange,
        "name": account.name,
        **age(state.as_of, now),
    }
