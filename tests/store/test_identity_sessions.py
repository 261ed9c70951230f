"""Sessions and logging in: what PostgreSQL keeps, and what happens when two things happen at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher

from fullon.identity import passwords, sessions, users
from fullon.identity.errors import (
    InvalidCredential,
    SessionEnded,
    TooManyAttempts,
    WrongCredentials,
    WrongPassword,
)
from fullon.identity.login import Login
from fullon.identity.model import Origin, Role
from fullon.identity.sessions import Renewal, Sessions, TokenPair
from fullon.identity.throttle import PER_ACCOUNT, PER_ACCOUNT_AND_ADDRESS, PER_ADDRESS, WINDOW, Throttle
from fullon.kernel.clock import ManualClock
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from tests.identities import PASSWORD, Person, candles_database, person  # noqa: F401 - a fixture

HERE = Origin("203.0.113.9", "curl/8")
WEEK = timedelta(days=7)


@dataclass
class Door:
    """A process that logs people in, on a clock that the test moves."""

    container: Container
    clock: ManualClock
    sessions: Sessions
    login: Login

    async def enter(self, name: str, password: str = PASSWORD, origin: Origin = HERE) -> TokenPair:
        """Log in."""
        attempt = await self.login.attempt(name, origin)
        return await self.login.open(attempt, name, password, origin)

    async def fail(self, name: str, times: int, origin: Origin = HERE) -> None:
        """Log in wrongly, without spending the time on passwords."""
        for _ in range(times):
            await self.login.attempt(name, origin)

    async def renew(self, refresh_token: str) -> Renewal:
        """Exchange a refresh token."""
        async with self.container.transaction() as connection:
            return await self.sessions.renew(connection, refresh_token)

    async def value(self, query: str, *arguments: Any) -> Any:
        """One value from the database."""
        async with self.container.connection() as connection:
            return await connection.fetchval(query, *arguments)


@pytest.fixture
async def door(settings: Settings) -> Any:
    clock = ManualClock(datetime.now(UTC))
    container = Container(settings.model_copy(update={"db_pool_size": 8}), clock)
    opened = Sessions(container.tokens, clock, WEEK)
    yield Door(container, clock, opened, Login(container.connection, Throttle("secret", clock), opened, clock))
    await container.close()


async def test_a_login_opens_a_session_that_says_where_from(door: Door) -> None:
    ada = await person(door.container)

    pair = await door.enter(f"  {ada.mail.upper()} ", origin=Origin("203.0.113.9", "curl/8\r\nX: y" + "z" * 500))

    identity = door.container.tokens.read(pair.access_token)
    assert (identity.user_id, identity.session, identity.role) == (ada.uid, pair.session, Role.TRADER)
    async with door.container.connection() as connection:
        row = await connection.fetchrow("SELECT * FROM sessions WHERE sid = $1", pair.session)
    assert row is not None
    assert row["address"] == "203.0.113.9"
    assert row["user_agent"].startswith("curl/8X: yzz")
    assert len(row["user_agent"]) == 300
    assert row["expires_at"] == door.clock.now() + WEEK


async def test_no_secret_is_stored_as_it_is(door: Door) -> None:
    ada = await person(door.container)

    pair = await door.enter(ada.mail)

    for table in ("users", "sessions", "refresh_tokens", "login_failures"):
        text = await door.value(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
        assert PASSWORD not in text
        assert pair.refresh_token not in text
        assert pair.refresh_token.encode().hex() not in text


async def test_an_unknown_user_a_wrong_password_and_a_deactivated_user_are_told_the_same(door: Door) -> None:
    ada, gone = await person(door.container), await person(door.container, active=False)

    refusals = []
    for name, password in ((ada.mail, "wrong"), ("nobody@example.com", PASSWORD), (gone.mail, PASSWORD)):
        with pytest.raises(WrongCredentials) as refusal:
            await door.enter(name, password)
        refusals.append(str(refusal.value))

    assert len(set(refusals)) == 1


async def test_a_password_hashed_by_older_parameters_is_hashed_anew_at_login(door: Door) -> None:
    ada = await person(door.container)
    old = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    async with door.container.connection() as connection:
        await connection.execute("UPDATE users SET password_hash = $2 WHERE uid = $1", ada.uid, old)

    await door.enter(ada.mail)

    stored = await door.value("SELECT password_hash FROM users WHERE uid = $1", ada.uid)
    assert "m=19456,t=2,p=1" in stored
    await door.enter(ada.mail)


async def test_each_renewal_gives_a_new_pair_in_the_same_session_and_moves_its_end(door: Door) -> None:
    pair = await door.enter((await person(door.container)).mail)
    first = pair

    for _ in range(3):
        door.clock.advance(6 * 86_400)
        renewal = await door.renew(pair.refresh_token)
        assert renewal.pair is not None
        assert renewal.pair.refresh_token != pair.refresh_token
        pair = renewal.pair

    assert pair.session == first.session
    end = await door.value("SELECT expires_at FROM sessions WHERE sid = $1", first.session)
    assert end == door.clock.now() + WEEK


async def test_a_spent_refresh_token_revokes_its_family(door: Door) -> None:
    stolen = await door.enter((await person(door.container)).mail)
    other = await door.enter((await person(door.container)).mail)
    latest = (await door.renew(stolen.refresh_token)).pair
    assert latest is not None

    reuse = await door.renew(stolen.refresh_token)

    assert reuse.pair is None
    assert reuse.change.ended == (stolen.session,)
    with pytest.raises(SessionEnded):
        await door.renew(latest.refresh_token)
    assert (await door.renew(other.refresh_token)).pair is not None


async def test_of_two_renewals_with_one_token_at_once_one_wins_and_the_family_ends(door: Door) -> None:
    pair = await door.enter((await person(door.container)).mail)

    async with door.container.transaction() as connection:
        first = await door.sessions.renew(connection, pair.refresh_token)
        later = asyncio.create_task(door.renew(pair.refresh_token))
        while not later.done() and not await door.value(  # noqa: ASYNC110 - only the server knows who waits
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ):
            await asyncio.sleep(0.01)
    second = await later

    assert first.pair is not None
    assert second.pair is None
    assert await door.value("SELECT revoked_at IS NOT NULL FROM sessions WHERE sid = $1", pair.session)


async def test_a_refresh_token_that_is_unknown_or_too_old_is_refused(door: Door) -> None:
    pair = await door.enter((await person(door.container)).mail)

    for token in ("", "unknown", "\ud800", pair.access_token):
        with pytest.raises(InvalidCredential):
            await door.renew(token)
    door.clock.advance(WEEK.total_seconds())
    with pytest.raises(InvalidCredential):
        await door.renew(pair.refresh_token)


async def test_a_renewal_takes_the_role_as_it_is_now_and_ends_with_the_user(door: Door) -> None:
    ada = await person(door.container)
    pair = await door.enter(ada.mail)

    async with door.container.transaction() as connection:
        await users.change(connection, door.clock, ada.uid, {"role": Role.VIEWER.value})
    renewed = (await door.renew(pair.refresh_token)).pair
    assert renewed is not None
    assert door.container.tokens.read(renewed.access_token).role is Role.VIEWER

    async with door.container.transaction() as connection:
        await users.change(connection, door.clock, ada.uid, {"active": False})
    with pytest.raises(SessionEnded):
        await door.renew(renewed.refresh_token)


async def test_a_login_that_meets_a_deactivation_or_a_new_password_opens_nothing(door: Door) -> None:
    ada = await person(door.container)
    stored = await door.value("SELECT password_hash FROM users WHERE uid = $1", ada.uid)

    async with door.container.transaction() as connection:
        await users.change(connection, door.clock, ada.uid, {"active": False})
        with pytest.raises(SessionEnded):
            await door.sessions.open(connection, ada.uid, stored, HERE)
        await users.change(connection, door.clock, ada.uid, {"active": True, "password_hash": "another"})
        with pytest.raises(SessionEnded):
            await door.sessions.open(connection, ada.uid, stored, HERE)


async def test_a_new_password_ends_the_other_sessions_and_the_old_one_is_wrong_now(door: Door) -> None:
    ada = await person(door.container)
    pairs = [await door.enter(ada.mail) for _ in range(3)]
    new = "a longer and a better passphrase"

    change = await door.login.change_password(ada.uid, ada.mail, pairs[0].session, PASSWORD, new, HERE)

    assert set(change.ended) == {pairs[1].session, pairs[2].session}
    assert (await door.renew(pairs[0].refresh_token)).pair is not None
    with pytest.raises(WrongCredentials):
        await door.enter(ada.mail)
    await door.enter(ada.mail, new)


async def test_guessing_the_old_password_is_slowed_down_too(door: Door) -> None:
    ada = await person(door.container)
    pair = await door.enter(ada.mail)

    async def guess() -> None:
        await door.login.change_password(ada.uid, ada.mail, pair.session, "wrong", "12345678", HERE)

    for _ in range(PER_ACCOUNT_AND_ADDRESS):
        with pytest.raises(WrongPassword):
            await guess()
    with pytest.raises(TooManyAttempts):
        await guess()


async def test_five_failures_close_the_door_here_for_this_account_and_time_opens_it(door: Door) -> None:
    ada, bob = await person(door.container), await person(door.container)
    await door.fail(ada.mail, PER_ACCOUNT_AND_ADDRESS)

    with pytest.raises(TooManyAttempts) as refusal:
        await door.enter(ada.mail)
    assert refusal.value.retry_after == WINDOW.total_seconds()
    await door.enter(bob.mail)
    await door.enter(ada.mail, origin=Origin("203.0.113.10"))
    await door.fail(ada.mail, PER_ACCOUNT_AND_ADDRESS)
    door.clock.advance(refusal.value.retry_after)

    await door.enter(ada.mail)


async def test_a_success_clears_the_failures_of_its_account_and_no_other(door: Door) -> None:
    ada, bob = await person(door.container), await person(door.container)
    await door.fail(ada.mail, 4)
    await door.fail(bob.mail, 4)

    await door.enter(ada.mail)

    assert (await door.login.attempt(ada.mail, HERE)).remaining == 4
    assert (await door.login.attempt(bob.mail, HERE)).remaining == 0


async def test_many_attempts_at_once_are_as_many_failures(door: Door) -> None:
    ada = await person(door.container)

    outcomes = await asyncio.gather(*(door.login.attempt(ada.mail, HERE) for _ in range(20)), return_exceptions=True)

    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 20 - PER_ACCOUNT_AND_ADDRESS


async def test_strangers_do_not_keep_an_owner_out_of_where_they_are_known(door: Door) -> None:
    ada = await person(door.container)
    await door.enter(ada.mail)
    for last in range(PER_ACCOUNT):
        await door.fail(ada.mail, 1, Origin(f"198.51.100.{last}"))

    with pytest.raises(TooManyAttempts):
        await door.enter(ada.mail, origin=Origin("192.0.2.1"))
    await door.enter(ada.mail)


async def test_one_address_that_tries_many_accounts_has_to_wait(door: Door) -> None:
    ada = await person(door.container)
    for number in range(PER_ADDRESS):
        await door.fail(f"user{number}@example.com", 1)

    with pytest.raises(TooManyAttempts):
        await door.enter(ada.mail)
    await door.enter(ada.mail, origin=Origin("192.0.2.1"))


async def test_failures_are_forgotten_after_their_window_and_name_nobody(door: Door) -> None:
    await door.fail("ada@example.com", 3)
    text = await door.value("SELECT string_agg(t::text, ' ') FROM login_failures t")
    assert "ada" not in text

    door.clock.advance(WINDOW.total_seconds())
    await door.fail("bob@example.com", 1)

    assert await door.value("SELECT count(*) FROM login_failures") == 1


async def test_sessions_that_ended_long_ago_are_removed(door: Door) -> None:
    ada = await person(door.container)
    old = await door.enter(ada.mail)
    door.clock.advance((WEEK + sessions.KEPT_AFTER_END).total_seconds() + 1)

    await door.enter(ada.mail)

    assert await door.value("SELECT count(*) FROM sessions WHERE uid = $1", ada.uid) == 1
    assert await door.value("SELECT count(*) FROM refresh_tokens WHERE sid = $1", old.session) == 0


async def test_two_admins_who_demote_each_other_at_once_leave_one(door: Door) -> None:
    admins: list[Person] = [await person(door.container, Role.ADMIN) for _ in range(2)]

    async def demote(uid: Any) -> None:
        async with door.container.transaction() as connection:
            await users.change(connection, door.clock, uid, {"role": Role.TRADER.value})

    outcomes = await asyncio.gather(*(demote(admin.uid) for admin in admins), return_exceptions=True)

    assert sum(outcome is None for outcome in outcomes) == 1
    assert await door.value("SELECT count(*) FROM users WHERE role = 'admin' AND active") == 1


async def test_the_dummy_hash_is_compared_for_an_unknown_user(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str | None] = []
    original = passwords.verify

    async def watch(stored: str | None, password: str) -> passwords.Verdict:
        compared.append(stored)
        return await original(stored, password)

    monkeypatch.setattr(passwords, "verify", watch)

    with pytest.raises(WrongCredentials):
        await door.enter("nobody@example.com")

    assert compared == [None]
