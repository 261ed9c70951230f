"""Exchange accounts of the caller. A foreign account answers as a missing one; keys come in and never go out."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response

from fullon.identity.model import Identity
from fullon.kernel.errors import FullonError
from fullon.kernel.ids import new_id
from fullon.runtime.audited import act
from fullon.runtime.container import Container
from fullon.runtime.http import Caller, Stores, TradingCaller
from fullon.runtime.pages import Cursor, Limit, Page, decode_id_cursor, page_of
from fullon.runtime.problems import responses
from fullon.venues import accounts, store, validation
from fullon.venues.account import Account, Permissions
from fullon.venues.accounts import SealedAccount
from fullon.venues.sealing import Binding
from functions.orm import exchange_answers
from functions.orm.account_schemas import (
    LARGEST_ID,
    AccountAnswer,
    AccountChange,
    AccountIdAnswer,
    NewAccount,
    ValidationAnswer,
)
from functions.orm.routes.bots import own

router = APIRouter(prefix="/api/v1/orm/exchanges")

_ACCOUNTS = "/user-exchanges"
_ACCOUNT = "/user-exchanges/{ex_id}"
IsActive = Annotated[bool | None, Query(description="Only those that are, or are not.")]
AtVenue = Annotated[int | None, Query(ge=1, lt=LARGEST_ID, description="Only those at this exchange.", examples=[1])]


@router.get(
    _ACCOUNTS, operation_id="list_accounts", summary="One's own accounts, oldest first", responses=responses(401, 403)
)
async def list_accounts(
    caller: Caller,
    stores: Stores,
    active: IsActive = None,
    cat_ex_id: AtVenue = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AccountAnswer]:
    after = decode_id_cursor(cursor)
    async with stores.connection() as connection:
        found = await accounts.listing(
            connection, caller.user_id, active=active, cat_ex_id=cat_ex_id, after=after, limit=limit + 1
        )
    return page_of(found, limit, AccountAnswer.of, lambda account: account.ex_id)


@router.post(
    _ACCOUNTS,
    operation_id="create_account",
    summary="Enter an account at an exchange",
    description="The keys are sealed and never shown again. Validate the account to see what they may do.",
    status_code=201,
    responses=responses(401, 403, 404, 409),
)
async def create_account(body: NewAccount, caller: TradingCaller, stores: Stores) -> AccountAnswer:
    own(body.uid, caller)
    keys, binding = body.keys(), Binding(caller.user_id, new_id())
    sealed = await stores.seals.seal(binding, keys.to_bytes())
    details = {"cat_ex_id": body.cat_ex_id, "test": body.test, "allow_withdraw_keys": body.allow_withdraw_keys}
    async with act(stores, caller, "create_account", f"account {binding.ex_id}", **details) as doing:
        account = await accounts.add(
            doing.connection,
            stores.clock,
            binding,
            sealed,
            cat_ex_id=body.cat_ex_id,
            name=body.name,
            key_hint=keys.hint,
            test=body.test,
            active=body.active,
            allow_withdraw_keys=body.allow_withdraw_keys,
        )
    return AccountAnswer.of(account)


@router.get(_ACCOUNT, operation_id="get_account", summary="An account", responses=responses(401, 403, 404))
async def get_account(ex_id: UUID, caller: Caller, stores: Stores) -> AccountAnswer:
    async with stores.connection() as connection:
        return AccountAnswer.of(await accounts.get(connection, caller.user_id, ex_id))


@router.patch(
    _ACCOUNT,
    operation_id="change_account",
    summary="Change an account, switch it on or off, give it other keys",
    description="With other keys, network or rules for keys, what the exchange said of the keys is forgotten.",
    responses=responses(401, 403, 404, 409),
)
async def change_account(ex_id: UUID, body: AccountChange, caller: TradingCaller, stores: Stores) -> AccountAnswer:
    values, keys, sealed = body.values(), body.keys(), None
    if keys is not None:
        sealed = (await stores.seals.seal(Binding(caller.user_id, ex_id), keys.to_bytes()), keys.hint)
    fields = sorted(body.model_fields_set)
    async with act(stores, caller, "change_account", f"account {ex_id}", fields=fields) as doing:
        account = await accounts.change(doing.connection, stores.clock, caller.user_id, ex_id, values, sealed)
    return AccountAnswer.of(account)


@router.delete(
    _ACCOUNT,
    operation_id="delete_account",
    summary="Remove an account with its keys and its history",
    description="Ended orders, fills, trades and balances of it go too; switch it off to keep them. Not while orders of"
    " it are alive.",
    status_code=204,
    responses=responses(401, 403, 404, 409),
)
async def delete_account(ex_id: UUID, caller: TradingCaller, stores: Stores) -> Response:
    async with act(stores, caller, "delete_account", f"account {ex_id}") as doing:
        await accounts.delete(doing.connection, caller.user_id, ex_id)
    return Response(status_code=204)


@router.get(
    "/id-by-name",
    operation_id="get_account_id",
    summary="The id of one of one's own accounts by its name",
    responses=responses(401, 403, 404, 409),
)
async def get_account_id(
    name: Annotated[str, Query(min_length=1, max_length=60, pattern=r"^[^\x00]*$", examples=["main"])],
    caller: Caller,
    stores: Stores,
    cat_ex_id: AtVenue = None,
) -> AccountIdAnswer:
    async with stores.connection() as connection:
        account = await accounts.by_name(connection, caller.user_id, name, cat_ex_id)
    return AccountIdAnswer(
        ex_id=account.ex_id, name=account.name, cat_ex_id=account.cat_ex_id, exchange=account.exchange
    )


@router.post(
    _ACCOUNT + "/validate",
    operation_id="validate_account",
    summary="Ask the exchange whether the keys are right and what they may do",
    description="Keys that can withdraw are refused unless the account allows them. What is found is kept with the"
    " account; when the exchange cannot be asked, nothing changes.",
    responses=responses(401, 403, 404, 409, 429, 504),
)
async def validate_account(ex_id: UUID, caller: TradingCaller, stores: Stores) -> ValidationAnswer:
    async with stores.connection() as connection:
        looked_at = await accounts.keys_of(connection, caller.user_id, ex_id)
        venue = await store.venue(connection, looked_at.account.cat_ex_id)
    permissions: Permissions | None = None
    try:
        found = await exchange_answers.examine(stores, venue, looked_at)
        permissions = found.permissions
        validation.refuse(looked_at.account, permissions)
    except validation.ABOUT_KEYS as refusal:
        await _keep(stores, caller, looked_at, permissions, refusal)
        raise
    kept = await _keep(stores, caller, looked_at, permissions, None)
    return ValidationAnswer.of(kept, found, validation.warnings(kept, found))


async def _keep(
    stores: Container,
    caller: Identity,
    looked_at: SealedAccount,
    permissions: Permissions | None,
    refusal: FullonError | None,
) -> Account:
    subject, result = f"account {looked_at.account.ex_id}", "accepted" if refusal is None else refusal.code
    async with act(stores, caller, "validate_account", subject, result=result) as doing:
        return await accounts.examined(
            doing.connection, stores.clock, looked_at, permissions, None if refusal is None else refusal.detail
        )
