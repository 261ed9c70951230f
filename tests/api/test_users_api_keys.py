"""API keys over HTTP: one's own, an overview for admins, and what a key may do."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from fullon.identity import api_keys
from fullon.identity.model import Identity, Role, Scope
from fullon.runtime.container import Container
from functions.orm.app import create
from tests.api.callers import client, identity, stored_identity
from tests.identities import candles_database  # noqa: F401 - a fixture

KEYS = "/api/v1/orm/api_keys"
MINE = f"{KEYS}/me"
ME = "/api/v1/orm/users/me"
NOBODY = "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11"
ONE_KEY = (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("PATCH", "/activate"), ("PATCH", "/deactivate"), ("POST", "/rotate"))  # fmt: skip  # noqa: E501


async def call(container: Container, caller: Identity | None, method: str, path: str, **body: Any) -> httpx2.Response:
    """One request, with a JSON body when one is given."""
    async with client(create(container), caller) as http:
        return await http.request(method, path, json=body or None)


async def made(container: Container, owner: Identity, **body: Any) -> dict[str, Any]:
    """A new key of `owner`, as answered."""
    answer = await call(container, owner, "POST", MINE, **{"name": "bot", **body})
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


async def shown(container: Container, key: str) -> Identity:
    """The caller whom the authorizer would find behind a key."""
    async with container.connection() as connection:
        stored = await api_keys.find(connection, api_keys.prefix_of(key))
    assert stored is not None
    assert api_keys.matches(stored, key)
    return stored.identity


async def test_the_anonymous_and_the_unknown_are_refused_on_every_route(container: Container) -> None:
    routes = [("GET", KEYS), ("POST", KEYS), ("GET", MINE), ("POST", MINE)]
    routes += [(method, f"{KEYS}/{NOBODY}{rest}") for method, rest in ONE_KEY]

    for caller in (None, identity(Role.ADMIN)):
        for method, path in routes:
            assert (await call(container, caller, method, path, name="x")).status_code == 401, (method, path)


async def test_a_foreign_key_answers_exactly_as_a_missing_one_and_stays_as_it_is(container: Container) -> None:
    owner, stranger = await stored_identity(container), await stored_identity(container)
    admin = await stored_identity(container, Role.ADMIN)
    key = await made(container, owner)

    for caller in (stranger, admin):
        for method, rest in ONE_KEY:
            foreign, missing = [
                await call(container, caller, method, f"{KEYS}/{key_id}{rest}", name="mine now")
                for key_id in (key["id"], NOBODY)
            ]
            for answer in (foreign, missing):
                assert answer.status_code == 404, (method, rest)
            bodies = [{**answer.json(), "request_id": ""} for answer in (foreign, missing)]
            assert bodies[0] == bodies[1]

    del key["key"]
    assert (await call(container, owner, "GET", f"{KEYS}/{key['id']}")).json() == key
    assert (await call(container, stranger, "GET", MINE)).json()["items"] == []


async def test_a_key_is_shown_once_and_stored_as_a_hash(container: Container) -> None:
    owner = await stored_identity(container)

    answer = await call(container, owner, "POST", MINE, name=" bot ", description="d", scopes=["trade", "read"])

    body = answer.json()
    assert re.fullmatch(r"fo_[0-9a-f]{12}_[\w-]{43}", body["key"])
    assert answer.headers["cache-control"] == "no-store"
    assert (body["name"], body["scopes"], body["is_active"]) == ("bot", ["read", "trade"], True)
    assert (body["expires_at"], body["last_used_at"], body["uid"]) == (None, None, str(owner.user_id))
    secret = body["key"].split("_", 2)[2]
    for path in (MINE, f"{KEYS}/{body['id']}"):
        assert secret not in (await call(container, owner, "GET", path)).text
    async with container.connection() as connection:
        row = await connection.fetchval("SELECT t::text FROM api_keys t")
    assert secret not in row
    assert secret.encode().hex() not in row


async def test_a_key_reads_by_default_and_does_only_what_its_scopes_say(container: Container) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    reader = await shown(container, (await made(container, admin))["key"])
    ruler = await shown(container, (await made(container, admin, scopes=["read", "admin"]))["key"])
    writer = await shown(container, (await made(container, admin, scopes=["trade"]))["key"])

    statuses = [
        [(await call(container, key, "GET", path)).status_code for path in (ME, KEYS)]
        for key in (reader, ruler, writer)
    ]

    assert statuses == [[200, 403], [200, 200], [403, 403]]


async def test_nobody_gets_a_scope_that_their_role_does_not_have(container: Container) -> None:
    for role, scope in ((Role.TRADER, "admin"), (Role.VIEWER, "trade"), (Role.VIEWER, "admin")):
        caller = await stored_identity(container, role)
        key = await made(container, caller)

        new = await call(container, caller, "POST", MINE, name="bot", scopes=["read", scope])
        old = await call(container, caller, "PATCH", f"{KEYS}/{key['id']}", scopes=["read", scope])

        for answer in (new, old):
            assert (answer.status_code, answer.json()["code"]) == (403, "scope_not_allowed")
            assert answer.json()["scopes"] == [scope]


async def test_a_key_cannot_make_or_change_keys(container: Container) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    body = await made(container, admin, scopes=["read", "trade", "admin"])
    key = await shown(container, body["key"])

    routes = [("POST", MINE), ("POST", KEYS)]
    routes += [(method, f"{KEYS}/{body['id']}{rest}") for method, rest in ONE_KEY if method != "GET"]
    for method, path in routes:
        answer = await call(container, key, method, path, name="x", uid=str(admin.user_id))
        assert answer.json()["code"] == "login_required", (method, path, answer.text)
    assert (await call(container, key, "GET", MINE)).status_code == 200


async def test_bad_keys_are_refused_by_the_name_of_the_field(container: Container) -> None:
    owner, other = await stored_identity(container), await stored_identity(container)
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    expected: list[tuple[dict[str, Any], str]] = [
        ({}, "name"), ({"name": " "}, "name"), ({"name": "x" * 101}, "name"), ({"scopes": []}, "scopes"),
        ({"scopes": ["emperor"]}, "scopes.0"), ({"expires_at": past}, "expires_at"),
        ({"expires_at": "2999-01-01T00:00:00"}, "expires_at"), ({"uid": str(other.user_id)}, "uid"),
        ({"user_id": str(other.user_id)}, "uid"), ({"hash": "x"}, "hash"), ({"key": "fo_a_b"}, "key"),
    ]  # fmt: skip

    for change, place in expected:
        body: dict[str, Any] = {"name": "bot", **change} if change else {"scopes": ["read"]}
        answer = await call(container, owner, "POST", MINE, **body)

        assert answer.status_code == 422, change
        assert place in {item["field"] for item in answer.json()["errors"]}, answer.text
    assert (await call(container, owner, "GET", MINE)).json()["items"] == []


async def test_an_owner_changes_switches_and_deletes_and_it_counts_at_once(container: Container) -> None:
    owner = await stored_identity(container)
    body = await made(container, owner, scopes=["read", "trade"])
    address, key = f"{KEYS}/{body['id']}", await shown(container, body["key"])

    async def works() -> int:
        return (await call(container, key, "GET", ME)).status_code

    changed = await call(container, owner, "PATCH", address, name="new", expires_at="2999-01-01T00:00:00+01:00")
    assert (changed.json()["name"], changed.json()["scopes"]) == ("new", ["read", "trade"])
    assert changed.json()["expires_at"] == "2998-12-31T23:00:00Z"
    assert (await call(container, owner, "PATCH", address, expires_at=None)).json()["expires_at"] is None
    assert await works() == 200
    assert (await call(container, owner, "PATCH", f"{address}/deactivate")).json()["is_active"] is False
    assert await works() == 401
    assert (await call(container, owner, "PATCH", f"{address}/activate")).json()["is_active"] is True
    assert await works() == 200
    assert (await call(container, owner, "PATCH", address, scopes=["trade"])).status_code == 200
    assert await works() == 403
    assert (await call(container, owner, "DELETE", address)).status_code == 204
    assert await works() == 401
    assert (await call(container, owner, "DELETE", address)).status_code == 404


async def test_a_rotated_key_takes_the_place_of_the_old_one_at_once(container: Container) -> None:
    owner = await stored_identity(container)
    old = await made(container, owner, name="grid", description="d", scopes=["read", "trade"])
    before = await shown(container, old["key"])
    assert (await call(container, before, "GET", ME)).status_code == 200

    answer = await call(container, owner, "POST", f"{KEYS}/{old['id']}/rotate")

    new = answer.json()
    assert answer.status_code == 201
    assert new["key"] != old["key"]
    same = ("name", "description", "scopes", "is_active", "expires_at", "uid")
    assert [new[name] for name in same] == [old[name] for name in same]
    assert (await call(container, before, "GET", ME)).status_code == 401
    assert (await call(container, await shown(container, new["key"]), "GET", ME)).status_code == 200
    assert [key["id"] for key in (await call(container, owner, "GET", MINE)).json()["items"]] == [new["id"]]


async def test_a_user_can_have_fifty_keys(container: Container) -> None:
    owner = await stored_identity(container)
    async with container.transaction() as connection:
        for _ in range(api_keys.MOST_PER_USER):
            await api_keys.create(
                connection, container.clock, uid=owner.user_id, name="k", scopes=frozenset({Scope.READ})
            )

    answer = await call(container, owner, "POST", MINE, name="one more")
    page = (await call(container, owner, "GET", f"{MINE}?limit=49")).json()
    rest = (await call(container, owner, "GET", f"{MINE}?limit=49&cursor={page['next_cursor']}")).json()

    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_keys")
    assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (49, 1, None)


async def test_an_admin_sees_everybodys_keys_and_makes_them_for_a_user_within_their_role(container: Container) -> None:
    admin, trader = await stored_identity(container, Role.ADMIN), await stored_identity(container)
    await made(container, admin)
    body = {"name": "bot", "scopes": ["read", "trade"]}

    new = await call(container, admin, "POST", KEYS, uid=str(trader.user_id), **body)
    alias = await call(container, admin, "POST", KEYS, user_id=str(trader.user_id), **body)
    ruler = await call(container, admin, "POST", KEYS, uid=str(trader.user_id), name="bot", scopes=["admin"])
    nobody = await call(container, admin, "POST", KEYS, uid=str(uuid4()), **body)
    missing = await call(container, admin, "POST", KEYS, **body)

    assert [answer.status_code for answer in (new, alias, ruler, nobody, missing)] == [201, 201, 403, 404, 422]
    assert new.json()["uid"] == str(trader.user_id)
    assert len((await call(container, admin, "GET", KEYS)).json()["items"]) == 3
    of_trader = (await call(container, admin, "GET", f"{KEYS}?user_id={trader.user_id}&is_active=true")).json()["items"]
    assert {key["id"] for key in of_trader} == {new.json()["id"], alias.json()["id"]}
    assert (await call(container, trader, "GET", KEYS)).status_code == 403
    assert (await call(container, trader, "POST", KEYS, uid=str(trader.user_id), **body)).status_code == 403
