"""The audit trail over HTTP: admins read and verify it; what the auth function changes is on it too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from fullon.audit import service
from fullon.identity.model import Identity, Role, Scope
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from functions.auth.app import create as create_auth
from functions.orm.app import create
from tests.api.callers import client, identity, stored_identity, stored_key
from tests.identities import (
    PASSWORD,
    candles_database,  # noqa: F401 - a fixture
    person,
)

AUDIT = "/api/v1/orm/audit"
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
async def admin(container: Container) -> Identity:
    return await stored_identity(container, Role.ADMIN)


async def fill(container: Container, count: int = 6) -> None:
    """Entries an hour apart, by ann and bob in turns."""
    async with container.transaction() as connection:
        for number in range(count):
            await service.append(
                connection,
                at=NOON + timedelta(hours=number),
                actor=("ann", "bob")[number % 2],
                action=("create_bot", "delete_bot")[number // 3 % 2],
                subject=f"bot {number}",
                details={"n": number},
            )


async def get(container: Container, caller: Identity | None, path: str = "") -> httpx2.Response:
    async with client(create(container), caller) as http:
        return await http.get(AUDIT + path)


async def subjects(container: Container, caller: Identity, query: str) -> list[str]:
    answer = await get(container, caller, query)
    assert answer.status_code == 200, answer.text
    return [item["subject"] for item in answer.json()["items"]]


@pytest.mark.parametrize("path", ["", "/verify"])
async def test_nobody_but_an_admin_sees_the_trail(container: Container, path: str) -> None:
    assert (await get(container, None, path)).status_code == 401
    assert (await get(container, await stored_identity(container), path)).status_code == 403
    assert (await get(container, await stored_identity(container, Role.VIEWER), path)).status_code == 403
    key = await stored_key(container, Scope.READ, role=Role.ADMIN)
    assert (await get(container, key, path)).status_code == 403


async def test_entries_are_found_by_who_what_whom_and_when(container: Container, admin: Identity) -> None:
    await fill(container)

    assert await subjects(container, admin, "") == [f"bot {number}" for number in (5, 4, 3, 2, 1, 0)]
    assert await subjects(container, admin, "?actor=bob") == ["bot 5", "bot 3", "bot 1"]
    assert await subjects(container, admin, "?action=create_bot") == ["bot 2", "bot 1", "bot 0"]
    assert await subjects(container, admin, "?subject=bot%204") == ["bot 4"]
    assert len(await subjects(container, admin, "?subject=bot")) == 6
    assert await subjects(container, admin, "?subject=bo") == []
    window = "?start_time=2026-01-05T13:00:00Z&end_time=2026-01-05T15:00:00Z"
    assert await subjects(container, admin, window) == ["bot 2", "bot 1"]
    assert await subjects(container, admin, f"{window}&actor=ann&action=create_bot") == ["bot 2"]


async def test_pages_join_without_a_gap_while_entries_are_added(container: Container, admin: Identity) -> None:
    await fill(container)
    found: list[str] = []
    query = "?limit=2"
    while True:
        page = (await get(container, admin, query)).json()
        found += [item["subject"] for item in page["items"]]
        await fill(container, 1)
        if page["next_cursor"] is None:
            break
        query = f"?limit=2&cursor={page['next_cursor']}"

    assert found == [f"bot {number}" for number in (5, 4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    "query",
    [
        "?cursor=x",
        "?cursor=WyJhIl0",
        "?cursor=Wy0xXQ",
        "?start_time=soon",
        "?limit=0",
        "?actor=%00",
        "/verify?kept_sequence=1",
    ],
)
async def test_what_makes_no_sense_is_refused(container: Container, admin: Identity, query: str) -> None:
    assert (await get(container, admin, query)).status_code == 422


async def test_a_whole_trail_is_found_intact(container: Container, admin: Identity) -> None:
    await fill(container)

    found = (await get(container, admin, "/verify")).json()

    newest = (await get(container, admin, "?limit=1")).json()["items"][0]
    assert found == {"intact": True, "entries": 6, "head": newest["hash"], "first_bad": None}


async def test_the_first_bad_entry_is_named(container: Container, admin: Identity) -> None:
    await fill(container)
    async with container.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("UPDATE audit SET actor = 'eve' WHERE sequence >= 4")

    found = (await get(container, admin, "/verify")).json()

    assert (found["intact"], found["entries"]) == (False, 3)
    assert found["first_bad"] == {"sequence": 4, "reason": "entry 4 was changed"}


async def test_entries_cut_off_are_missed_by_a_kept_head(container: Container, admin: Identity) -> None:
    await fill(container)
    kept = (await get(container, admin, "/verify")).json()["head"]
    async with container.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute("DELETE FROM audit WHERE sequence > 4")

    found = (await get(container, admin, f"/verify?kept_sequence=6&kept_head={kept}")).json()

    assert (await get(container, admin, "/verify")).json()["intact"] is True
    assert found["first_bad"] == {"sequence": 5, "reason": "entry 5 is missing"}


async def entries(container: Container) -> list[tuple[str, str, str]]:
    async with container.connection() as connection:
        rows = await connection.fetch("SELECT actor, action, subject FROM audit ORDER BY sequence")
    return [(row["actor"], row["action"], row["subject"]) for row in rows]


async def auth(container: Container, caller: Identity | None, path: str, body: Any = None) -> httpx2.Response:
    async with client(create_auth(container), caller) as http:
        return await http.post(f"/api/v1/auth/{path}", json=body)


async def test_a_new_account_is_on_the_trail(settings: Settings) -> None:
    container = Container(settings.model_copy(update={"enable_registration": True}))

    answer = await auth(container, None, "register", {"mail": "new@example.com", "password": PASSWORD})

    uid = answer.json()["uid"]
    assert await entries(container) == [(uid, "register", f"user {uid}")]
    await container.close()


async def test_the_end_of_a_session_is_on_the_trail(container: Container) -> None:
    trader = await stored_identity(container)

    await auth(container, trader, "logout")

    assert await entries(container) == [(str(trader.user_id), "logout", f"session {trader.session}")]


async def test_a_new_password_is_on_the_trail_and_a_wrong_old_one_is_not(container: Container) -> None:
    ada = await person(container)
    await auth(container, None, "login", {"mail": ada.mail, "password": PASSWORD})
    async with container.connection() as connection:
        sid = await connection.fetchval("SELECT sid FROM sessions WHERE uid = $1", ada.uid)
    caller = identity(user_id=ada.uid, mail=ada.mail, session=sid)
    wrong = await auth(container, caller, "password", {"old": "not it at all", "new": "a longer passphrase"})
    assert (wrong.status_code, await entries(container)) == (403, [])

    right = await auth(container, caller, "password", {"old": PASSWORD, "new": "a longer passphrase"})

    assert right.status_code == 200
    assert await entries(container) == [(str(ada.uid), "change_password", f"user {ada.uid}")]
