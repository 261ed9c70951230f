"""Finding, replacing and removing users, and the trail that is left of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx2

from fullon.identity.model import Identity, Role, Scope
from fullon.runtime.container import Container
from tests.api.callers import stored_identity, stored_key
from tests.api.test_users import NOBODY, USERS, call, fields
from tests.identities import PASSWORD, candles_database  # noqa: F401 - a fixture


async def made(container: Container, admin: Identity, mail: str, **values: Any) -> UUID:
    answer = await call(container, admin, "POST", USERS, mail=mail, password=PASSWORD, **values)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["uid"])


def found(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["mail"] for item in answer.json()["items"]]


async def trail(container: Container) -> list[tuple[str, str, str]]:
    async with container.connection() as connection:
        rows = await connection.fetch("SELECT actor, action, subject FROM audit ORDER BY sequence")
    return [tuple(row) for row in rows]


async def test_users_are_found_by_part_of_mail_and_name_whatever_the_case(container: Container) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    await made(container, admin, "ada@engines.example", name="Ada", lastname="Lovelace")
    await made(container, admin, "charles@engines.example", name="Charles", lastname="100% _Babbage_")

    assert found(await call(container, admin, "GET", f"{USERS}/search?query=LOVE")) == ["ada@engines.example"]
    assert found(await call(container, admin, "GET", f"{USERS}/search?query=ada+love")) == ["ada@engines.example"]
    assert found(await call(container, admin, "GET", f"{USERS}/search?query=engines&limit=1")) == [
        "ada@engines.example"
    ]
    assert found(await call(container, admin, "GET", f"{USERS}/search?query=100%25+_")) == ["charles@engines.example"]
    assert found(await call(container, admin, "GET", f"{USERS}/search?query=a_a")) == []
    assert fields(await call(container, admin, "GET", f"{USERS}/search?query=")) == {"query"}


async def test_a_user_is_found_by_their_mail_address(container: Container) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    uid = await made(container, admin, "ada@engines.example")

    answer = await call(container, admin, "GET", f"{USERS}/by-email/Ada@Engines.example")

    assert answer.json()["uid"] == str(uid)
    assert (await call(container, admin, "GET", f"{USERS}/by-email/nobody@engines.example")).status_code == 404
    assert fields(await call(container, admin, "GET", f"{USERS}/by-email/nonsense")) == {"mail"}


async def test_replacing_a_user_resets_what_is_left_out_and_keeps_the_password(container: Container) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    uid = await made(container, admin, "ada@engines.example", name="Ada", phone="1", note="n", active=False)
    async with container.connection() as connection:
        before = await connection.fetchval("SELECT password_hash FROM users WHERE uid = $1", uid)

    answer = await call(container, admin, "PUT", f"{USERS}/{uid}", mail="ada@new.example", role="viewer", name="A")

    assert answer.status_code == 200, answer.text
    user = answer.json()
    assert (user["mail"], user["role"], user["name"], user["phone"], user["note"], user["active"]) == (
        "ada@new.example",
        "viewer",
        "A",
        "",
        "",
        True,
    )
    async with container.connection() as connection:
        assert await connection.fetchval("SELECT password_hash FROM users WHERE uid = $1", uid) == before
    assert fields(await call(container, admin, "PUT", f"{USERS}/{uid}", name="A")) == {"mail", "role"}
    assert (
        await call(container, admin, "PUT", f"{USERS}/{NOBODY}", mail="x@y.example", role="viewer")
    ).status_code == 404


async def test_deleting_deactivates_and_purging_removes(container: Container) -> None:
    admin, trader = await stored_identity(container, Role.ADMIN), await stored_key(container, Scope.READ)
    path = f"{USERS}/{trader.user_id}"

    assert (await call(container, admin, "DELETE", path)).status_code == 204
    assert (await call(container, admin, "GET", path)).json()["active"] is False
    assert (await call(container, trader, "GET", f"{USERS}/me")).status_code == 401
    assert (await call(container, admin, "DELETE", f"{path}?purge=true")).status_code == 204
    assert (await call(container, admin, "GET", path)).status_code == 404
    assert (await call(container, admin, "DELETE", path)).status_code == 404


async def test_the_last_admin_can_neither_be_deactivated_nor_purged(container: Container) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    path = f"{USERS}/{admin.user_id}"

    for way in (path, f"{path}?purge=true"):
        answer = await call(container, admin, "DELETE", way)
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert (await call(container, admin, "GET", f"{USERS}/me")).json()["active"] is True


async def test_only_admins_search_replace_and_delete(container: Container) -> None:
    trader, other = await stored_identity(container), await stored_identity(container)

    for method, path in (
        ("GET", f"{USERS}/search?query=a"),
        ("GET", f"{USERS}/by-email/a@b.example"),
        ("PUT", f"{USERS}/{other.user_id}"),
        ("DELETE", f"{USERS}/{other.user_id}"),
    ):
        answer = await call(container, trader, method, path, mail="a@b.example", role="viewer")
        assert answer.status_code == 403, path


async def test_every_change_leaves_one_line_on_the_trail_and_a_refused_one_none(container: Container) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    uid = await made(container, admin, "ada@engines.example")
    await call(container, admin, "PATCH", f"{USERS}/{uid}", note="x", password="another long password")
    await call(container, admin, "POST", USERS, mail="ada@engines.example", password=PASSWORD)
    await call(container, admin, "DELETE", f"{USERS}/{uid}?purge=true")

    assert await trail(container) == [
        (str(admin.user_id), "create_user", f"user {uid}"),
        (str(admin.user_id), "change_user", f"user {uid}"),
        (str(admin.user_id), "delete_user", f"user {uid}"),
    ]
    async with container.connection() as connection:
        details = await connection.fetch("SELECT details::text FROM audit")
    assert "another" not in str(details)
    assert '"fields": ["note", "password"]' in str(details)
