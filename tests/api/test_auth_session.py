"""What a session can do about itself: verify, log out, change the password, get a ticket."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from fullon.identity import api_keys, tickets
from fullon.identity.errors import InvalidCredential
from fullon.identity.model import Identity, Kind, Scope
from fullon.kernel.clock import ManualClock
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from functions.auth.app import create
from tests.api.callers import client, identity, stored_identity
from tests.identities import PASSWORD, Person, candles_database, person, without_stores, without_valkey  # noqa: F401 - a fixture

VERIFY, LOGOUT, CHANGE, TICKET = (f"/api/v1/auth/{name}" for name in ("verify", "logout", "password", "ws-ticket"))
NEW = "a longer and a better passphrase"
EVERY_ROUTE = (("GET", VERIFY), ("POST", LOGOUT), ("POST", CHANGE), ("POST", TICKET))
BODY = {"old": PASSWORD, "new": NEW}


async def session_of(container: Container, who: Person) -> Identity:
    """The identity of a new login."""
    async with client(create(container)) as http:
        answer = await http.post("/api/v1/auth/login", json={"mail": who.mail, "password": PASSWORD})
    return container.tokens.read(answer.json()["access_token"])


async def key_of(container: Container, owner: Identity, *scopes: Scope) -> Identity:
    """The identity of a new key."""
    async with container.transaction() as connection:
        made = await api_keys.create(
            connection, container.clock, uid=owner.user_id, name="key", scopes=frozenset(scopes)
        )
        stored = await api_keys.find(connection, made.record.prefix)
    assert stored is not None
    return stored.identity


async def call(container: Container, caller: Identity | None, method: str, path: str) -> httpx2.Response:
    """One request."""
    async with client(create(container), caller) as http:
        return await http.request(method, path, json=BODY if path == CHANGE else None)


async def test_the_anonymous_the_unknown_and_the_late_are_refused_on_every_route(container: Container) -> None:
    late = replace(await stored_identity(container), expires_at=datetime.now(UTC) - timedelta(seconds=1))

    for caller in (None, identity(), late):
        for method, path in EVERY_ROUTE:
            answer = await call(container, caller, method, path)

            assert answer.status_code == 401, (caller, path)
            assert answer.headers["content-type"] == "application/problem+json"


async def test_a_bearer_header_that_no_authorizer_has_seen_is_worth_nothing(container: Container) -> None:
    ada = await person(container)
    async with client(create(container)) as http:
        login = await http.post("/api/v1/auth/login", json={"mail": ada.mail, "password": PASSWORD})
        token = login.json()["access_token"]

        answer = await http.get(VERIFY, headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 401


async def test_verify_says_who_for_a_session_and_for_a_key_of_any_scope(container: Container) -> None:
    session = await stored_identity(container)
    key = await key_of(container, session, Scope.TRADE)

    by_session = (await call(container, session, "GET", VERIFY)).json()
    by_key = (await call(container, key, "GET", VERIFY)).json()

    assert by_session == {
        "user_id": str(session.user_id),
        "mail": f"{session.user_id}@example.com",
        "role": "trader",
        "is_active": True,
        "expires_at": by_session["expires_at"],
        "kind": "jwt",
        "scopes": ["read", "trade"],
    }
    assert by_session["expires_at"].endswith("Z")
    assert (by_key["kind"], by_key["scopes"], by_key["expires_at"]) == ("api_key", ["trade"], None)


async def test_logging_out_ends_this_session_at_once_and_no_other(container: Container) -> None:
    ada = await person(container)
    here, there = await session_of(container, ada), await session_of(container, ada)
    assert (await call(container, here, "GET", VERIFY)).status_code == 200

    answer = await call(container, here, "POST", LOGOUT)

    assert answer.json() == {"session": str(here.session), "ended": True}
    assert (await call(container, here, "GET", VERIFY)).json()["code"] == "session_ended"
    assert (await call(container, here, "POST", LOGOUT)).status_code == 401
    assert (await call(container, there, "GET", VERIFY)).status_code == 200


async def test_logging_out_works_without_valkey_and_holds_when_it_comes_back(
    container: Container, settings: Settings
) -> None:
    session, lost = await stored_identity(container), without_valkey(settings)

    assert (await call(lost, session, "POST", LOGOUT)).status_code == 200

    for stores in (lost, container):
        assert (await call(stores, session, "GET", VERIFY)).status_code == 401
    await lost.close()


async def test_without_any_store_the_answer_is_503_and_not_401(container: Container, settings: Settings) -> None:
    session, lost = await stored_identity(container), without_stores(settings)

    for method, path in EVERY_ROUTE:
        assert (await call(lost, session, method, path)).status_code == 503
    await lost.close()


async def test_a_key_can_neither_log_out_nor_change_the_password(container: Container) -> None:
    key = await key_of(container, await stored_identity(container), Scope.READ, Scope.TRADE)

    for path in (LOGOUT, CHANGE):
        answer = await call(container, key, "POST", path)

        assert (answer.status_code, answer.json()["code"]) == (403, "login_required")


async def test_a_new_password_ends_all_other_sessions(container: Container) -> None:
    ada = await person(container)
    here, *others = [await session_of(container, ada) for _ in range(3)]

    answer = await call(container, here, "POST", CHANGE)

    assert answer.json() == {"sessions_ended": 2}
    statuses = [(await call(container, who, "GET", VERIFY)).status_code for who in (here, *others)]
    assert statuses == [200, 401, 401]
    async with client(create(container)) as http:
        for password, status in ((PASSWORD, 401), (NEW, 200)):
            login = await http.post("/api/v1/auth/login", json={"mail": ada.mail, "password": password})
            assert login.status_code == status


async def test_a_wrong_old_or_an_unfit_new_password_changes_nothing(container: Container) -> None:
    session = await session_of(container, await person(container))

    async with client(create(container), session) as http:
        wrong = await http.post(CHANGE, json={"old": "a wrong password", "new": NEW})
        short = await http.post(CHANGE, json={"old": PASSWORD, "new": "short"})
        nothing = await http.post(CHANGE, json={})
        still = await http.post(CHANGE, json={"old_password": PASSWORD, "new_password": NEW})

    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    assert [item["field"] for item in short.json()["errors"]] == ["new"]
    assert [item["field"] for item in nothing.json()["errors"]] == ["old", "new"]
    assert still.status_code == 200


async def test_a_ticket_stands_for_its_caller_once_and_for_thirty_seconds(container: Container) -> None:
    session = await stored_identity(container)
    key = await key_of(container, session, Scope.READ)

    for caller in (session, key):
        answer = await call(container, caller, "POST", TICKET)
        assert answer.status_code == 201, answer.text
        assert answer.json()["expires_in"] == 30
        ticket = answer.json()["ticket"]
        async with container.connection() as connection:
            stored = await connection.fetchval("SELECT string_agg(t::text, ' ') FROM ws_tickets t")
            redeemed = await tickets.redeem(connection, container.clock, ticket)
            try:
                await tickets.redeem(connection, container.clock, ticket)
                is_good_twice = True
            except InvalidCredential:
                is_good_twice = False

        assert ticket not in stored
        assert (redeemed.kind, redeemed.session) == (caller.kind, caller.session)
        assert not is_good_twice


async def test_a_ticket_that_was_not_used_in_time_is_worth_nothing(container: Container) -> None:
    ticket = (await call(container, await stored_identity(container), "POST", TICKET)).json()["ticket"]
    later = ManualClock(datetime.now(UTC) + timedelta(seconds=30))

    async with container.connection() as connection:
        with pytest.raises(InvalidCredential):
            await tickets.redeem(connection, later, ticket)


async def test_a_key_that_may_not_read_gets_no_ticket(container: Container) -> None:
    key = await key_of(container, await stored_identity(container), Scope.TRADE)
    assert key.kind is Kind.API_KEY

    answer = await call(container, key, "POST", TICKET)

    assert answer.status_code == 403
    assert "read" in answer.json()["detail"]
