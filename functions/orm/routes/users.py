"""Users: oneself, and everybody for admins."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from fullon.identity import passwords, users
from fullon.identity.model import Identity, Kind, Role, Scope
from fullon.kernel.errors import Forbidden, Invalid
from fullon.runtime.http import AdminCaller, Caller, Stores
from fullon.runtime.pages import Cursor, Limit, Page, decode_id_cursor, encode_cursor
from fullon.runtime.problems import responses
from functions.orm.schemas import NewUser, ProfileChange, UserAnswer, UserChange

router = APIRouter(prefix="/api/v1/orm/users")


async def _may_write(caller: Caller) -> Identity:
    """Anybody who logged in, also a viewer, looks after their own profile; of keys, those that may more than read."""
    if caller.kind is Kind.API_KEY and Scope.TRADE not in caller.scopes:
        raise Forbidden("This credential lacks the scope trade.", required_scope=Scope.TRADE.value)
    return caller


WritingCaller = Annotated[Identity, Depends(_may_write)]


@router.get("/me", operation_id="get_me", summary="Oneself", responses=responses(401, 403))
async def get_me(caller: Caller, stores: Stores) -> UserAnswer:
    async with stores.connection() as connection:
        return UserAnswer.of(await users.get(connection, caller.user_id))


@router.patch("/me", operation_id="change_me", summary="Change one's own profile", responses=responses(401, 403))
async def change_me(body: ProfileChange, caller: WritingCaller, stores: Stores) -> UserAnswer:
    if body.uid not in {None, caller.user_id}:
        raise Invalid("You can change only yourself here.", fields={"uid": "not yours"})
    values = body.model_dump(exclude_unset=True, exclude={"uid"})
    async with stores.transaction() as connection:
        user, change = await users.change(connection, stores.clock, caller.user_id, values)
    await stores.principals.announce(change)
    return UserAnswer.of(user)


@router.get("", operation_id="list_users", summary="Users, oldest first", responses=responses(401, 403))
async def list_users(
    caller: AdminCaller,
    stores: Stores,
    active: Annotated[bool | None, Query(description="Only those who are, or are not.")] = None,
    role: Annotated[Role | None, Query(description="Only those with this role.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[UserAnswer]:
    async with stores.connection() as connection:
        found = await users.listing(
            connection, active=active, role=role, after=decode_id_cursor(cursor), limit=limit + 1
        )
    items = [UserAnswer.of(user) for user in found[:limit]]
    return Page(items=items, next_cursor=encode_cursor(str(items[-1].uid)) if len(found) > limit else None)


@router.post(
    "", operation_id="create_user", summary="Enter a user", status_code=201, responses=responses(401, 403, 409)
)
async def create_user(body: NewUser, caller: AdminCaller, stores: Stores) -> UserAnswer:
    values = body.model_dump(exclude={"mail", "password"})
    mail = users.canonical_mail(body.mail)
    password_hash = await passwords.hash_password(body.password.get_secret_value())
    async with stores.transaction() as connection:
        user = await users.create(connection, stores.clock, mail=mail, password_hash=password_hash, **values)
    return UserAnswer.of(user)


@router.get("/{uid}", operation_id="get_user", summary="A user", responses=responses(401, 403, 404))
async def get_user(uid: UUID, caller: AdminCaller, stores: Stores) -> UserAnswer:
    async with stores.connection() as connection:
        return UserAnswer.of(await users.get(connection, uid))


@router.patch(
    "/{uid}",
    operation_id="change_user",
    summary="Change, deactivate or reactivate a user",
    description="Deactivation ends the user's sessions and keys at once, live sockets included.",
    responses=responses(401, 403, 404, 409),
)
async def change_user(uid: UUID, body: UserChange, caller: AdminCaller, stores: Stores) -> UserAnswer:
    values: dict[str, Any] = body.model_dump(exclude_unset=True, exclude={"password"})
    if "mail" in values:
        values["mail"] = users.canonical_mail(values["mail"])
    if "password" in body.model_fields_set:
        values["password_hash"] = await passwords.hash_password(body.password.get_secret_value())
    async with stores.transaction() as connection:
        user, change = await users.change(connection, stores.clock, uid, values)
    await stores.principals.announce(change)
    return UserAnswer.of(user)
