"""Users over HTTP: oneself, and everybody for admins."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx2

from fullon.identity import api_keys
from fullon.identity.model import Identity, Kind, Role, Scope
from fullon.runtime.container import Container
from functions.orm.app import create
from tests.api.callers import client, identity, stored_identity
from tests.identities import PASSWORD, candles_database  # noqa: F401 - a fixture

USERS = "/api/v1/orm/users"
ME = f"{USERS}/me"
NOBODY = "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11"


async def key_of(container: Container, owner: Identity, *scopes: Scope) -> Identity:
    """A caller with a new key of `owner`."""
    async with container.transaction() as connection:
        made = await api_keys.create(
            connection, container.clock, uid=owner.user_id, name="key", scopes=frozenset(scopes)
        )
        stored = await api_keys.find(connection, made.record.prefix)
    assert stored is not None
    return stored.identity


async def call(container: Container, caller: Identity | None, method: str, path: str, **body: Any) -> httpx2.Response:
    """One request, with a JSON body when one is given."""
    async with client(create(container), caller) as http:
        return await http.request(method, path, json=body or None)


def fields(answer: httpx2.Response) -> set[str]:
    """The places that a 422 names."""
    assert answer.status_code == 422, answer.text
    return {item["field"] for item in answer.json()["errors"]}


async def test_the_anonymous_and_the_unknown_are_refused_on_every_route(container: Container) -> None:
    for caller in (None, identity(Role.ADMIN)):
        for method, path in (
            ("GET", ME), ("PATCH", ME), ("GET", USERS), ("POST", USERS), ("GET", f"{USERS}/{NOBODY}"),
            ("PATCH", f"{USERS}/{NOBODY}"),
        ):  # fmt: skip
            assert (await call(container, caller, method, path, name="x")).status_code == 401, path


async def test_who_is_no_admin_learns_nothing_of_others_whether_they_exist_or_not(container: Container) -> None:
    trader, other = await stored_identity(container), await stored_identity(container)
    admin = await stored_identity(container, Role.ADMIN)
    weak_key = await key_of(container, admin, Scope.READ, Scope.TRADE)

    for caller in (trader, weak_key):
        for uid in (str(other.user_id), NOBODY, str(caller.user_id)):
            for method, path in (("GET", f"{USERS}/{uid}"), ("PATCH", f"{USERS}/{uid}"), ("GET", USERS)):
                answer = await call(container, caller, method, path, active=False)

                assert answer.status_code == 403, (path, answer.text)
        made = await call(container, caller, "POST", USERS, mail="eve@example.com", password=PASSWORD, role="admin")
        assert made.status_code == 403


async def test_everybody_sees_themselves_without_a_word_of_the_password(container: Container) -> None:
    for role in Role:
        caller = await stored_identity(container, role)

        answer = await call(container, caller, "GET", ME + "/")

        assert answer.status_code == 200
        body = answer.json()
        assert (body["uid"], body["role"], body["active"]) == (str(caller.user_id), role.value, True)
        assert body.keys() == {
            "uid", "mail", "name", "lastname", "phone", "id_num", "role", "active", "manager_uid", "note",
            "created_at", "updated_at",
        }  # fmt: skip
        assert body["created_at"].endswith("Z")


async def test_one_changes_what_one_names_and_the_rest_stays(container: Container) -> None:
    caller = await stored_identity(container, Role.VIEWER)

    first = await call(container, caller, "PATCH", ME, name="  Ada ", lastname="Lovelace", phone="+44 20", note="a\nb")
    second = await call(container, caller, "PATCH", ME, name="Augusta", uid=str(caller.user_id))
    nothing = await call(container, caller, "PATCH", ME, user_id=str(caller.user_id))

    assert (first.json()["name"], first.json()["note"]) == ("Ada", "a\nb")
    assert (second.json()["name"], second.json()["lastname"]) == ("Augusta", "Lovelace")
    assert nothing.json()["name"] == "Augusta"


async def test_nobody_changes_role_state_address_or_somebody_else_through_me(container: Container) -> None:
    caller, other = await stored_identity(container), await stored_identity(container)
    forbidden = {"role": "admin", "active": False, "mail": "x@example.com", "password": PASSWORD, "created_at": 0}

    for name, value in forbidden.items():
        assert fields(await call(container, caller, "PATCH", ME, **{name: value})) == {name}
    assert fields(await call(container, caller, "PATCH", ME, uid=str(other.user_id), name="x")) == {"uid"}

    body = (await call(container, caller, "GET", ME)).json()
    assert (body["role"], body["active"], body["name"]) == ("trader", True, "")


async def test_text_that_is_none_is_refused_by_the_name_of_its_field(container: Container) -> None:
    caller = await stored_identity(container)

    for value in ("a\u0000b", "line\nbreak", "x" * 101, None, 5, ["x"]):
        assert fields(await call(container, caller, "PATCH", ME, name=value)) == {"name"}, value
    async with client(create(container), caller) as http:
        json = {"content-type": "application/json"}
        lone = await http.patch(ME, content=b'{"name": "\\ud800"}', headers=json)
        broken = await http.patch(ME, content=b'{"name": ', headers=json)
        none = await http.patch(ME)
    assert [answer.status_code for answer in (lone, broken, none)] == [422, 422, 422]


async def test_a_key_that_may_only_read_changes_no_profile(container: Container) -> None:
    session = await stored_identity(container)

    for scopes, status in (((Scope.READ,), 403), ((Scope.READ, Scope.TRADE), 200), ((Scope.TRADE,), 403)):
        key = await key_of(container, session, *scopes)
        assert key.kind is Kind.API_KEY
        assert (await call(container, key, "PATCH", ME, name="Ada")).status_code == status, scopes


async def test_an_admin_enters_finds_and_pages_through_users(container: Container) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    made = []
    for number in range(5):
        answer = await call(
            container, admin, "POST", USERS, mail=f"User{number}@Example.com", password=PASSWORD,
            role="viewer" if number % 2 else "trader", active=number < 4, manager_uid=str(admin.user_id),
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        made.append(answer.json())

    assert made[0]["mail"] == "user0@example.com"
    assert made[0]["manager_uid"] == str(admin.user_id)
    pages: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await call(container, admin, "GET", f"{USERS}?limit=2{cursor and f'&cursor={cursor}'}")).json()
        pages.append([user["uid"] for user in page["items"]])
        cursor = page["next_cursor"]
    found = [uid for page in pages for uid in page]
    assert found == sorted({str(admin.user_id), *(user["uid"] for user in made)})
    assert [len(page) for page in pages] == [2, 2, 2]
    viewers = (await call(container, admin, "GET", f"{USERS}?role=viewer&active=true")).json()["items"]
    assert {user["mail"] for user in viewers} == {"user1@example.com", "user3@example.com"}
    one = await call(container, admin, "GET", f"{USERS}/{made[2]['uid']}")
    assert one.json() == made[2]


async def test_an_admin_is_told_what_is_wrong_with_a_user_or_a_question(container: Container) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    good = {"mail": "ada@example.com", "password": PASSWORD}

    for name, value in (
        ("mail", "no address"), ("mail", "é@example.com"), ("password", "short"), ("role", "emperor"), ("uid", NOBODY),
        ("manager_uid", NOBODY), ("password_hash", "x"),
    ):  # fmt: skip
        answer = await call(container, admin, "POST", USERS, **{**good, name: value})
        assert fields(answer) == {name}
        assert PASSWORD not in answer.text
    assert (await call(container, admin, "POST", USERS, **good)).status_code == 201
    assert (await call(container, admin, "POST", USERS, **{**good, "mail": "ADA@example.com"})).status_code == 409
    for query in ("limit=0", "limit=1001", "cursor=nonsense", "cursor=WzVd", "role=emperor", "active=perhaps"):
        assert fields(await call(container, admin, "GET", f"{USERS}?{query}")) == {query.split("=")[0]}
    for method in ("GET", "PATCH"):
        assert (await call(container, admin, method, f"{USERS}/{NOBODY}", active=True)).status_code == 404
        assert fields(await call(container, admin, method, f"{USERS}/not-an-id", active=True)) == {"uid"}


async def test_a_deactivated_user_loses_sessions_and_keys_at_once_and_gets_the_keys_back(container: Container) -> None:
    admin, session = await stored_identity(container, Role.ADMIN), await stored_identity(container)
    key = await key_of(container, session, Scope.READ)
    address = f"{USERS}/{session.user_id}"
    for caller in (session, key):
        assert (await call(container, caller, "GET", ME)).status_code == 200

    gone = await call(container, admin, "PATCH", address, active=False)
    refused = [(await call(container, caller, "GET", ME)).json()["code"] for caller in (session, key)]
    back = await call(container, admin, "PATCH", address, active=True)
    again = [(await call(container, caller, "GET", ME)).status_code for caller in (session, key)]

    assert (gone.json()["active"], back.json()["active"]) == (False, True)
    assert refused == ["session_ended", "session_ended"]
    assert again == [401, 200]


async def test_a_role_a_password_and_an_address_that_an_admin_sets_count_at_once(container: Container) -> None:
    admin, session = await stored_identity(container, Role.ADMIN), await stored_identity(container)
    address = f"{USERS}/{session.user_id}"

    promoted = await call(container, admin, "PATCH", address, role="admin", mail="New@Example.com")
    assert (promoted.json()["role"], promoted.json()["mail"]) == ("admin", "new@example.com")
    assert (await call(container, session, "GET", USERS)).status_code == 200
    await call(container, admin, "PATCH", address, role="viewer")
    assert (await call(container, session, "GET", USERS)).status_code == 403

    assert (await call(container, admin, "PATCH", address, password="a new passphrase")).status_code == 200
    assert (await call(container, session, "GET", ME)).status_code == 401


async def test_an_address_that_is_taken_stays_with_who_has_it(container: Container) -> None:
    admin, session = await stored_identity(container, Role.ADMIN), await stored_identity(container)

    answer = await call(
        container, admin, "PATCH", f"{USERS}/{session.user_id}", mail=f"{admin.user_id}@example.com", name="Eve"
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "mail_taken")
    assert (await call(container, session, "GET", ME)).json()["name"] == ""


async def test_the_last_admin_cannot_be_lost(container: Container) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    address = f"{USERS}/{admin.user_id}"

    for change in ({"active": False}, {"role": "trader"}, {"role": "viewer", "active": False}):
        answer = await call(container, admin, "PATCH", address, **change)
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert (await call(container, admin, "PATCH", address, name="Ada", role="admin")).status_code == 200

    await stored_identity(container, Role.ADMIN)
    assert (await call(container, admin, "PATCH", address, role="trader")).status_code == 200


async def test_what_admins_cannot_change_is_refused_by_name(container: Container) -> None:
    admin = await stored_identity(container, Role.ADMIN)

    for name in ("uid", "password_hash", "created_at", "is_admin"):
        answer = await call(container, admin, "PATCH", f"{USERS}/{admin.user_id}", **{name: str(uuid4())})
        assert fields(answer) == {name}
