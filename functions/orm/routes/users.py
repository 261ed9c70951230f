"""Users: oneself, and everybody for admins."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response

from fullon.identity import passwords, users
from fullon.identity.errors import UserNotFound
from fullon.identity.model import Identity, Kind, Role, Scope, User
from fullon.kernel.errors import Forbidden, Invalid
from fullon.runtime.audited import act
from fullon.runtime.container import Container
from fullon.runtime.http import AdminCaller, Caller, Stores
from fullon.runtime.pages import Cursor, Limit, Page, decode_id_cursor, page_of
from fullon.runtime.problems import responses
from functions.orm.schemas import NewUser, ProfileChange, UserAnswer, UserChange, UserReplacement

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
    async with act(stores, caller, "change_me", f"user {caller.user_id}", fields=sorted(values)) as doing:
        user, change = await users.change(doing.connection, stores.clock, caller.user_id, values)
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
    return _page(found, limit)


@router.post(
    "", operation_id="create_user", summary="Enter a user", status_code=201, responses=responses(401, 403, 409)
)
async def create_user(body: NewUser, caller: AdminCaller, stores: Stores) -> UserAnswer:
    values = body.model_dump(exclude={"mail", "password"})
    mail = users.canonical_mail(body.mail)
    password_hash = await passwords.hash_password(body.password.get_secret_value())
    async with act(stores, caller, "create_user", role=body.role.value) as doing:
        user = await users.create(doing.connection, stores.clock, mail=mail, password_hash=password_hash, **values)
        doing.subject = f"user {user.uid}"
    return UserAnswer.of(user)


@router.get(
    "/search",
    operation_id="search_users",
    summary="Users whose mail address or name contains a text",
    responses=responses(401, 403),
)
async def search_users(
    query: Annotated[str, Query(min_length=1, max_length=100, pattern=r"^[^\x00]*$", examples=["lovelace"])],
    caller: AdminCaller,
    stores: Stores,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[UserAnswer]:
    async with stores.connection() as connection:
        found = await users.search(connection, query, after=decode_id_cursor(cursor), limit=limit + 1)
    return _page(found, limit)


@router.get(
    "/by-email/{mail}",
    operation_id="get_user_by_mail",
    summary="The user with a mail address",
    responses=responses(401, 403, 404),
)
async def get_user_by_mail(
    mail: Annotated[str, Path(max_length=254, examples=["trader@example.com"])], caller: AdminCaller, stores: Stores
) -> UserAnswer:
    async with stores.connection() as connection:
        found = await users.find(connection, users.canonical_mail(mail))
    if found is None:
        raise UserNotFound
    return UserAnswer.of(found[0])


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
    return await _change("change_user", uid, body, body.model_fields_set, caller, stores)


@router.put(
    "/{uid}",
    operation_id="replace_user",
    summary="Write all of a user's record anew",
    description="Fields that are left out get their defaults; the password stays unless one is given.",
    responses=responses(401, 403, 404, 409),
)
async def replace_user(uid: UUID, body: UserReplacement, caller: AdminCaller, stores: Stores) -> UserAnswer:
    given = set(UserReplacement.model_fields) - ({"password"} - body.model_fields_set)
    return await _change("replace_user", uid, body, given, caller, stores)


@router.delete(
    "/{uid}",
    operation_id="delete_user",
    summary="Deactivate a user, or remove them with everything that is theirs",
    description="Without purge the user can be activated again. With it, accounts, bots, orders and keys go too; the "
    "audit trail stays.",
    status_code=204,
    responses=responses(401, 403, 404, 409),
)
async def delete_user(
    uid: UUID,
    caller: AdminCaller,
    stores: Stores,
    purge: Annotated[bool, Query(description="Remove instead of deactivate; there is no way back.")] = False,
) -> Response:
    async with act(stores, caller, "delete_user", f"user {uid}", purge=purge) as doing:
        if purge:
            change = await users.purge(doing.connection, uid)
        else:
            _, change = await users.change(doing.connection, stores.clock, uid, {"active": False})
    await stores.principals.announce(change)
    return Response(status_code=204)


async def _change(
    action: str, uid: UUID, body: UserChange, given: set[str], caller: Identity, stores: Container
) -> UserAnswer:
    values: dict[str, Any] = {name: getattr(body, name) for name in given - {"password"}}
    if "mail" in values:
        values["mail"] = users.canonical_mail(values["mail"])
    if "password" in given:
        values["password_hash"] = await passwords.hash_password(body.password.get_secret_value())
    async with act(stores, caller, action, f"user {uid}", fields=sorted(given)) as doing:
        user, change = await users.change(doing.connection, stores.clock, uid, values)
    await stores.principals.announce(change)
    return UserAnswer.of(user)


def _page(found: list[User], limit: int) -> Page[UserAnswer]:
    return page_of(found, limit, UserAnswer.of, lambda user: user.uid)
