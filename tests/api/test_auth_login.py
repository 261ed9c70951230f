"""Logging in, renewing and registering over HTTP: the public routes."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from fullon.identity.model import Role
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from functions.auth.app import create
from tests.api.callers import client
from tests.identities import PASSWORD, candles_database, person, without_postgres, without_valkey  # noqa: F401 - a fixture

LOGIN, REFRESH, REGISTER = (f"/api/v1/auth/{name}" for name in ("login", "refresh", "register"))
PROBLEM = "application/problem+json"


async def log_in(http: httpx2.AsyncClient, mail: str, password: str = PASSWORD) -> httpx2.Response:
    """The answer to a login by form."""
    return await http.post(LOGIN, data={"username": mail, "password": password})


def fields(answer: httpx2.Response) -> set[str]:
    """The places that a 422 names."""
    assert answer.status_code == 422, answer.text
    return {item["field"] for item in answer.json()["errors"]}


async def test_a_form_and_json_with_any_name_of_the_name_open_a_session(container: Container) -> None:
    ada = await person(container)

    async with client(create(container)) as http:
        answers = [await log_in(http, ada.mail.upper())]
        for name in ("mail", "email", "username"):
            answers.append(await http.post(LOGIN + "/", json={name: ada.mail, "password": PASSWORD}))

    for answer in answers:
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body.keys() == {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"}
        assert (body["token_type"], body["expires_in"], body["refresh_expires_in"]) == ("bearer", 3600, 604_800)
        assert container.tokens.read(body["access_token"]).user_id == ada.uid
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]


async def test_wrong_unknown_and_deactivated_get_one_answer_that_tells_nothing(container: Container) -> None:
    ada, gone = await person(container), await person(container, active=False)

    async with client(create(container)) as http:
        answers = [
            await log_in(http, ada.mail, "a wrong password"),
            await log_in(http, "nobody@example.com", "a wrong password"),
            await log_in(http, gone.mail),
            await log_in(http, "not a mail address"),
        ]

    for answer in answers:
        body = answer.json()
        body.pop("request_id")
        assert answer.status_code == 401
        assert answer.headers["content-type"] == PROBLEM
        assert answer.headers["www-authenticate"] == "Bearer"
        assert body == {
            "type": "/docs/problems/wrong_credentials",
            "title": "Not authenticated",
            "status": 401,
            "code": "wrong_credentials",
            "detail": "The mail address or the password is wrong.",
        }


async def test_failures_are_counted_down_and_then_have_to_wait(container: Container) -> None:
    ada = await person(container)

    async with client(create(container)) as http:
        answers = [await log_in(http, ada.mail, "a wrong password") for _ in range(6)]
        right = await log_in(http, ada.mail)

    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["4", "3", "2", "1", "0", "0"]
    assert right.status_code == 429
    assert 0 < int(right.headers["retry-after"]) <= 900
    assert right.headers["ratelimit-limit"] == "5"
    assert right.json()["code"] == "too_many_attempts"


async def test_throttling_does_not_need_valkey(settings: Settings) -> None:
    container = without_valkey(settings)
    ada = await person(container)

    async with client(create(container)) as http:
        statuses = [(await log_in(http, ada.mail, "a wrong password")).status_code for _ in range(6)]

    assert statuses == [401] * 5 + [429]
    await container.close()


async def test_bodies_that_are_no_login_are_refused_by_name_and_never_repeated(container: Container) -> None:
    json, form = {"content-type": "application/json"}, {"content-type": "application/x-www-form-urlencoded"}
    secret = "a-secret-nobody-may-see"
    expected: list[tuple[Any, dict[str, str], set[str]]] = [
        (b"", json, {"body"}),
        (b'{"mail": "' + secret.encode(), json, {"body"}),
        (b'["' + secret.encode() + b'"]', json, {"body"}),
        (b'{"mail": "a@b"}', json, {"password"}),
        (b'{"password": "' + secret.encode() + b'"}', json, {"mail"}),
        (b'{"mail": 5, "password": {"x": "' + secret.encode() + b'"}}', json, {"mail", "password"}),
        (b'{"mail": "a\\u0000@b", "password": "' + secret.encode() + b'"}', json, {"mail"}),
        (b'{"mail": "a@b", "password": "\\ud800"}', json, {"body"}),
        (b'{"mail": "a@b", "password": "' + secret.encode() * 60 + b'"}', json, {"password"}),
        (b"", form, {"mail", "password"}),
        (b"username=a%ff&password=" + secret.encode(), form, {"body"}),
        (b"username=" + b"a" * 300 + b"&password=" + secret.encode(), form, {"username"}),
    ]

    async with client(create(container)) as http:
        for body, headers, places in expected:
            answer = await http.post(LOGIN, content=body, headers=headers)

            assert fields(answer) == places, body
            assert secret not in answer.text
            assert answer.headers["content-type"] == PROBLEM


async def test_other_content_types_and_huge_bodies_are_refused(container: Container) -> None:
    async with client(create(container)) as http:
        for kind in ("text/plain", "multipart/form-data; boundary=x", "application/xml"):
            answer = await http.post(LOGIN, content=b"username=a&password=b", headers={"content-type": kind})
            assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
        assert (await http.post(LOGIN, content=b"username=a&password=b")).status_code == 415
        assert (await http.post(LOGIN, data={"username": "a" * 20_000, "password": "b"})).status_code == 413
        assert (await http.get(LOGIN)).status_code == 405


async def test_a_lost_database_is_a_clear_503(settings: Settings) -> None:
    container = without_postgres(settings)

    async with client(create(container)) as http:
        answers = [
            await log_in(http, "ada@example.com"),
            await http.post(REFRESH, json={"refresh_token": "x"}),
        ]

    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "database_down")
        assert answer.headers["retry-after"]
    await container.close()


async def test_a_renewal_rotates_and_a_reuse_ends_the_session_for_requests_too(container: Container) -> None:
    ada = await person(container)

    async with client(create(container)) as http:
        first = (await log_in(http, ada.mail)).json()
        renewed = await http.post(REFRESH, json={"refresh_token": first["refresh_token"]})
        by_form = await http.post(REFRESH, data={"refresh_token": renewed.json()["refresh_token"]})
        reused = await http.post(REFRESH, json={"refresh_token": first["refresh_token"]})
        latest = await http.post(REFRESH, json={"refresh_token": by_form.json()["refresh_token"]})
    async with client(create(container), container.tokens.read(by_form.json()["access_token"])) as http:
        request = await http.get("/api/v1/auth/verify")

    assert (renewed.status_code, by_form.status_code) == (200, 200)
    assert (reused.status_code, reused.json()["code"]) == (401, "refresh_token_reused")
    assert (latest.status_code, latest.json()["code"]) == (401, "session_ended")
    assert (request.status_code, request.json()["code"]) == (401, "session_ended")


async def test_a_refresh_token_that_is_not_ours_is_401_and_is_not_repeated(container: Container) -> None:
    async with client(create(container)) as http:
        unknown = await http.post(REFRESH, json={"refresh_token": "a-secret-nobody-may-see"})
        missing = await http.post(REFRESH, json={})

    assert (unknown.status_code, unknown.json()["code"]) == (401, "invalid_credential")
    assert "a-secret-nobody-may-see" not in unknown.text
    assert fields(missing) == {"refresh_token"}


async def test_registration_is_closed_unless_it_was_opened(container: Container) -> None:
    body = {"mail": "ada@example.com", "password": PASSWORD, "name": "Ada", "lastname": "Lovelace"}

    async with client(create(container)) as http:
        answer = await http.post(REGISTER, json=body)

    assert (answer.status_code, answer.json()["code"]) == (403, "registration_closed")


@pytest.fixture
async def open_house(settings: Settings) -> Any:
    container = Container(settings.model_copy(update={"enable_registration": True}))
    yield container
    await container.close()


async def test_who_registers_is_a_trader_and_can_log_in(open_house: Container) -> None:
    body = {"mail": "Ada@Example.com", "password": PASSWORD, "name": "Ada", "lastname": "Lovelace"}

    async with client(create(open_house)) as http:
        made = await http.post(REGISTER, json=body)
        again = await http.post(REGISTER, json=body)
        login = await log_in(http, "ada@example.com")

    assert made.status_code == 201, made.text
    assert made.json() == {
        "uid": made.json()["uid"],
        "mail": "ada@example.com",
        "name": "Ada",
        "lastname": "Lovelace",
        "role": "trader",
    }
    assert (again.status_code, again.json()["code"]) == (409, "mail_taken")
    assert open_house.tokens.read(login.json()["access_token"]).role is Role.TRADER


async def test_a_registration_cannot_choose_a_role_or_the_admins_address_nor_go_on_forever(
    open_house: Container,
) -> None:
    good = {"mail": "ada@example.com", "password": PASSWORD}

    async with client(create(open_house)) as http:
        for name in ("role", "uid", "active"):
            assert fields(await http.post(REGISTER, json={**good, name: "admin"})) == {name}
        assert fields(await http.post(REGISTER, json={**good, "password": "short"})) == {"password"}
        assert fields(await http.post(REGISTER, json={**good, "mail": "not an address"})) == {"mail"}
        admin = await http.post(REGISTER, json={**good, "mail": "ADMIN@fullon"})
        others = [
            (await http.post(REGISTER, json={**good, "mail": f"u{number}@example.com"})).status_code
            for number in range(5)
        ]

    assert (admin.status_code, admin.json()["code"]) == (409, "mail_taken")
    assert others[-1] == 429
