"""API keys: one's own, and an overview for admins. A foreign key answers exactly as a missing one.

Making and changing keys needs a login: otherwise a stolen key could make another and outlive its own end. What a login
may do follows from its role alone.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from fullon.identity import api_keys
from fullon.identity.model import Identity
from fullon.kernel.errors import Invalid
from fullon.runtime.audited import act
from fullon.runtime.http import AdminCaller, Caller, Stores, require_login
from fullon.runtime.pages import Cursor, Limit, Page, decode_id_cursor, page_of
from fullon.runtime.problems import responses
from functions.orm.schemas import KeyAnswer, KeyChange, KeyForUser, NewKeyAnswer, OwnKey

router = APIRouter(prefix="/api/v1/orm/api_keys")

LoggedIn = Annotated[Identity, Depends(require_login("Managing API keys"))]
IsActive = Annotated[bool | None, Query(description="Only those that are, or are not.")]
_NO_STORE = {"Cache-Control": "no-store"}


@router.post(
    "/me",
    operation_id="create_my_key",
    summary="Make a key for oneself",
    description="The answer holds the only copy of the key.",
    status_code=201,
    responses=responses(401, 403, 409),
)
async def create_my_key(body: OwnKey, caller: LoggedIn, stores: Stores, response: Response) -> NewKeyAnswer:
    if body.uid not in {None, caller.user_id}:
        raise Invalid("You can make keys only for yourself here.", fields={"uid": "not yours"})
    return await _create(body, caller.user_id, caller, stores, response)


@router.get("/me", operation_id="list_my_keys", summary="One's own keys, oldest first", responses=responses(401, 403))
async def list_my_keys(
    caller: Caller, stores: Stores, is_active: IsActive = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[KeyAnswer]:
    return await _list(stores, caller.user_id, is_active, limit, cursor)


@router.get("", operation_id="list_keys", summary="Everybody's keys, oldest first", responses=responses(401, 403))
async def list_keys(
    caller: AdminCaller,
    stores: Stores,
    user_id: Annotated[UUID | None, Query(description="Only this user's.")] = None,
    is_active: IsActive = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[KeyAnswer]:
    return await _list(stores, user_id, is_active, limit, cursor)


@router.post(
    "",
    operation_id="create_key",
    summary="Make a key for a user",
    description="The answer holds the only copy of the key.",
    status_code=201,
    responses=responses(401, 403, 404, 409),
)
async def create_key(
    body: KeyForUser, caller: AdminCaller, login: LoggedIn, stores: Stores, response: Response
) -> NewKeyAnswer:
    return await _create(body, body.uid, caller, stores, response)


@router.get("/{key_id}", operation_id="get_key", summary="One of one's own keys", responses=responses(401, 403, 404))
async def get_key(key_id: UUID, caller: Caller, stores: Stores) -> KeyAnswer:
    async with stores.connection() as connection:
        return KeyAnswer.of(await api_keys.get(connection, key_id, caller.user_id))


@router.patch(
    "/{key_id}",
    operation_id="change_key",
    summary="Change one of one's own keys",
    responses=responses(401, 403, 404),
)
async def change_key(key_id: UUID, body: KeyChange, caller: LoggedIn, stores: Stores) -> KeyAnswer:
    values = {name: getattr(body, name) for name in body.model_fields_set}
    return await _change(key_id, values, caller, stores)


@router.patch(
    "/{key_id}/activate",
    operation_id="activate_key",
    summary="Switch a key on",
    responses=responses(401, 403, 404),
)
async def activate_key(key_id: UUID, caller: LoggedIn, stores: Stores) -> KeyAnswer:
    return await _change(key_id, {"is_active": True}, caller, stores)


@router.patch(
    "/{key_id}/deactivate",
    operation_id="deactivate_key",
    summary="Switch a key off, at once",
    responses=responses(401, 403, 404),
)
async def deactivate_key(key_id: UUID, caller: LoggedIn, stores: Stores) -> KeyAnswer:
    return await _change(key_id, {"is_active": False}, caller, stores)


@router.post(
    "/{key_id}/rotate",
    operation_id="rotate_key",
    summary="Replace a key by a new one",
    description="The new key has an id of its own, and the name, scopes and end of the old one, which is gone at once.",
    status_code=201,
    responses=responses(401, 403, 404),
)
async def rotate_key(key_id: UUID, caller: LoggedIn, stores: Stores, response: Response) -> NewKeyAnswer:
    async with act(stores, caller, "rotate_key", f"api_key {key_id}") as doing:
        new, change = await api_keys.rotate(doing.connection, stores.clock, key_id, caller.user_id)
        doing.details["new_key"] = str(new.record.id)
    await stores.principals.announce(change)
    response.headers.update(_NO_STORE)
    return NewKeyAnswer.made(new)


@router.delete(
    "/{key_id}",
    operation_id="delete_key",
    summary="Remove one of one's own keys",
    status_code=204,
    responses=responses(401, 403, 404),
)
async def delete_key(key_id: UUID, caller: LoggedIn, stores: Stores) -> Response:
    async with act(stores, caller, "delete_key", f"api_key {key_id}") as doing:
        change = await api_keys.delete(doing.connection, key_id, caller.user_id)
    await stores.principals.announce(change)
    return Response(status_code=204)


async def _create(body: OwnKey, uid: UUID, caller: Identity, stores: Stores, response: Response) -> NewKeyAnswer:
    async with act(stores, caller, "create_key", owner=str(uid), scopes=sorted(body.scopes)) as doing:
        new = await api_keys.create(
            doing.connection,
            stores.clock,
            uid=uid,
            name=body.name,
            scopes=body.scopes,
            description=body.description,
            expires_at=body.expires_at,
        )
        doing.subject = f"api_key {new.record.id}"
    response.headers.update(_NO_STORE)
    return NewKeyAnswer.made(new)


async def _change(key_id: UUID, values: dict[str, Any], caller: Identity, stores: Stores) -> KeyAnswer:
    async with act(stores, caller, "change_key", f"api_key {key_id}", fields=sorted(values)) as doing:
        record, change = await api_keys.change(doing.connection, stores.clock, key_id, caller.user_id, values)
    await stores.principals.announce(change)
    return KeyAnswer.of(record)


async def _list(
    stores: Stores, owner: UUID | None, is_active: bool | None, limit: int, cursor: str | None
) -> Page[KeyAnswer]:
    after = decode_id_cursor(cursor)
    async with stores.connection() as connection:
        found = await api_keys.listing(connection, owner=owner, is_active=is_active, after=after, limit=limit + 1)
    return page_of(found, limit, KeyAnswer.of, lambda record: record.id)
