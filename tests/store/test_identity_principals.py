"""Does a credential still stand? With both stores, with either, with none, and in the middle of a change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from fullon.identity import api_keys, cache, sessions, users
from fullon.identity.errors import SessionEnded
from fullon.identity.model import Identity, Kind, Role, Scope, StandingChange
from fullon.identity.service import Principals
from fullon.kernel.clock import ManualClock, SystemClock
from fullon.kernel.errors import Unavailable
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from tests.api.callers import identity, stored_identity
from tests.identities import candles_database, without_postgres, without_stores, without_valkey  # noqa: F401 - a fixture


async def key_identity(container: Container, owner: Identity, **options: Any) -> Identity:
    """A caller with a key of `owner`."""
    async with container.transaction() as connection:
        made = await api_keys.create(
            connection,
            container.clock,
            uid=owner.user_id,
            name="key",
            scopes=options.pop("scopes", frozenset({Scope.READ, Scope.TRADE})),
            **options,
        )
        stored = await api_keys.find(connection, made.record.prefix)
    assert stored is not None
    return stored.identity


async def revoke(container: Container, sid: UUID) -> None:
    async with container.transaction() as connection:
        change = await sessions.revoke(connection, container.clock, [sid], "test")
    await container.principals.announce(change)


async def change_user(container: Container, uid: UUID, **values: Any) -> None:
    async with container.transaction() as connection:
        _, change = await users.change(connection, container.clock, uid, values)
    await container.principals.announce(change)


async def change_key(container: Container, key_id: UUID, **values: Any) -> None:
    async with container.transaction() as connection:
        _, change = await api_keys.change(connection, container.clock, key_id, None, values)
    await container.principals.announce(change)


async def refused(container: Container, caller: Identity) -> bool:
    try:
        await container.principals.confirm(caller)
    except SessionEnded:
        return True
    return False


async def test_a_session_and_a_key_stand_with_what_the_database_says(container: Container) -> None:
    session = await stored_identity(container, Role.TRADER)
    key = await key_identity(container, session, scopes=frozenset({Scope.READ}))

    confirmed = await container.principals.confirm(replace(session, role=Role.ADMIN, mail="old@example.com"))

    assert (confirmed.role, confirmed.mail) == (Role.TRADER, f"{session.user_id}@example.com")
    assert confirmed.scopes == {Scope.READ, Scope.TRADE}
    assert (await container.principals.confirm(key)).scopes == {Scope.READ}


async def test_a_credential_nobody_gave_is_refused(container: Container) -> None:
    for kind in Kind:
        assert await refused(container, identity(kind=kind))


async def test_a_session_shown_with_another_user_is_refused(container: Container) -> None:
    session = await stored_identity(container)
    await container.principals.confirm(session)

    assert await refused(container, replace(session, user_id=uuid4()))


async def test_a_confirmed_caller_costs_one_valkey_read_and_no_database(settings: Settings) -> None:
    container, blind = Container(settings), without_postgres(settings)
    session = await stored_identity(container)
    await container.principals.confirm(session)
    commands: list[str] = []
    original = blind.valkey.execute_command

    async def count(*command: Any, **options: Any) -> Any:
        commands.append(command[0])
        return await original(*command, **options)  # type: ignore[no-untyped-call]

    blind.valkey.execute_command = count  # type: ignore[method-assign]

    confirmed = await blind.principals.confirm(session)

    assert confirmed.user_id == session.user_id
    assert commands == ["GET"]
    await container.close()
    await blind.close()


async def test_a_standing_is_believed_for_ten_seconds(container: Container, valkey: Redis) -> None:
    session = await stored_identity(container)

    await container.principals.confirm(session)

    assert 0 < await valkey.ttl(cache.key_of(Kind.JWT, session.session)) <= 10


async def test_a_revoked_session_is_refused_though_it_was_cached_a_moment_ago(container: Container) -> None:
    session = await stored_identity(container)
    await container.principals.confirm(session)

    await revoke(container, session.session)

    assert await refused(container, session)


async def test_a_flushed_valkey_lets_nobody_back_in_and_nobody_is_locked_out(
    container: Container, valkey: Redis
) -> None:
    ended, standing = await stored_identity(container), await stored_identity(container)
    for session in (ended, standing):
        await container.principals.confirm(session)
    await revoke(container, ended.session)

    await valkey.flushall()

    assert await refused(container, ended)
    assert not await refused(container, standing)


async def test_without_valkey_postgresql_decides_both_ways(container: Container, settings: Settings) -> None:
    lost = without_valkey(settings)
    ended, standing = await stored_identity(container), await stored_identity(container)

    await revoke(lost, ended.session)

    assert await refused(lost, ended)
    assert not await refused(lost, standing)
    await lost.close()


async def test_a_valkey_that_hangs_is_one_that_is_down(container: Container) -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    session = await stored_identity(container)
    server = await asyncio.start_server(silence, "127.0.0.1", 0)
    client = Redis(host="127.0.0.1", port=server.sockets[0].getsockname()[1])

    async with asyncio.timeout(60):
        confirmed = await Principals(client, container.connection, SystemClock()).confirm(session)

    assert confirmed.user_id == session.user_id
    await client.aclose()
    server.close()


async def test_without_postgresql_only_what_was_confirmed_a_moment_ago_passes(
    container: Container, settings: Settings
) -> None:
    lost = without_postgres(settings)
    ended, standing, unknown = [await stored_identity(container) for _ in range(3)]
    await container.principals.confirm(ended)
    await container.principals.confirm(standing)

    await revoke(container, ended.session)

    assert not await refused(lost, standing)
    assert await refused(lost, ended)
    with pytest.raises(Unavailable):
        await lost.principals.confirm(unknown)
    await lost.close()


async def test_without_both_stores_nobody_can_say(container: Container, settings: Settings) -> None:
    session = await stored_identity(container)
    lost = without_stores(settings)

    with pytest.raises(Unavailable):
        await lost.principals.confirm(session)
    await lost.close()


class Hesitant:
    """Connections that are kept for a while after the last statement, as a slow reader would."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self.has_read = asyncio.Event()
        self.may_go_on = asyncio.Event()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        async with self._container.connection() as connection:
            yield connection
        self.has_read.set()
        await self.may_go_on.wait()


async def test_a_reader_who_was_slow_cannot_bring_a_revoked_session_back(container: Container, valkey: Redis) -> None:
    session = await stored_identity(container)
    hesitant = Hesitant(container)
    reader = asyncio.create_task(Principals(valkey, hesitant.connection, container.clock).confirm(session))
    await hesitant.has_read.wait()

    await revoke(container, session.session)
    hesitant.may_go_on.set()
    await reader

    assert await refused(container, session)


async def test_a_reader_who_was_slow_cannot_bring_back_what_a_user_or_key_was(
    container: Container, valkey: Redis
) -> None:
    session = await stored_identity(container, Role.ADMIN)
    await stored_identity(container, Role.ADMIN)
    key = await key_identity(container, session)
    hesitant = Hesitant(container)
    slow = Principals(valkey, hesitant.connection, container.clock)
    readers = [asyncio.create_task(slow.confirm(caller)) for caller in (session, key)]
    await hesitant.has_read.wait()

    await change_user(container, session.user_id, role=Role.VIEWER)
    await change_key(container, key.session, is_active=False)
    hesitant.may_go_on.set()
    await asyncio.gather(*readers, return_exceptions=True)

    assert (await container.principals.confirm(session)).scopes == {Scope.READ}
    assert await refused(container, key)


async def test_a_demoted_user_loses_rights_at_once_in_sessions_and_keys(container: Container) -> None:
    session = await stored_identity(container, Role.ADMIN)
    await stored_identity(container, Role.ADMIN)
    key = await key_identity(container, session, scopes=frozenset(Scope))
    for caller in (session, key):
        assert (await container.principals.confirm(caller)).is_admin

    await change_user(container, session.user_id, role=Role.TRADER)

    for caller in (session, key):
        confirmed = await container.principals.confirm(caller)
        assert confirmed.role is Role.TRADER
        assert confirmed.scopes == {Scope.READ, Scope.TRADE}


async def test_a_deactivated_user_is_refused_everywhere_and_comes_back_with_keys_but_without_sessions(
    container: Container,
) -> None:
    session = await stored_identity(container)
    key = await key_identity(container, session)
    for caller in (session, key):
        await container.principals.confirm(caller)

    await change_user(container, session.user_id, active=False)
    assert [await refused(container, caller) for caller in (session, key)] == [True, True]

    await change_user(container, session.user_id, active=True)
    assert [await refused(container, caller) for caller in (session, key)] == [True, False]


async def test_a_session_that_nobody_revoked_is_worth_nothing_in_the_hands_of_an_inactive_user(
    container: Container,
) -> None:
    session = await stored_identity(container)
    key = await key_identity(container, session)

    async with container.connection() as connection:
        await connection.execute("UPDATE users SET active = false WHERE uid = $1", session.user_id)

    assert [await refused(container, caller) for caller in (session, key)] == [True, True]


async def test_a_key_that_is_switched_off_and_on_follows_at_once(container: Container) -> None:
    key = await key_identity(container, await stored_identity(container))
    answers = []

    for is_active in (True, False, True, False):
        await change_key(container, key.session, is_active=is_active)
        answers.append(await refused(container, key))
        answers.append(await refused(container, key))

    assert answers == [False, False, True, True, False, False, True, True]


async def test_the_end_of_a_key_counts_as_it_is_now(settings: Settings) -> None:
    clock = ManualClock(SystemClock().now())
    container = Container(settings, clock)
    end = clock.now() + timedelta(hours=2)
    key = await key_identity(container, await stored_identity(container), expires_at=end)
    await container.principals.confirm(key)

    await change_key(container, key.session, expires_at=clock.now() + timedelta(hours=1))
    assert (await container.principals.confirm(key)).expires_at < end
    clock.advance(3600)

    assert await refused(container, key)
    await change_key(container, key.session, expires_at=None)
    assert not await refused(container, key)
    await container.close()


async def test_nonsense_in_valkey_is_not_believed(container: Container, valkey: Redis) -> None:
    session, stranger = await stored_identity(container), identity()

    for garbage in (b"", b"{", b"[]", b'"x"', b"5", b'{"active":true}', b'{"active":true,"user_id":5}', b"\xff"):
        for caller in (session, stranger):
            await valkey.set(cache.key_of(Kind.JWT, caller.session), garbage)

        assert not await refused(container, session), garbage
        assert await refused(container, stranger), garbage


async def test_those_who_hold_sockets_are_told(container: Container, valkey: Redis) -> None:
    session = await stored_identity(container)
    key = await key_identity(container, session)
    listener = valkey.pubsub(ignore_subscribe_messages=True)
    await listener.subscribe(cache.REVOKED_CHANNEL)
    await listener.get_message(timeout=30)

    await revoke(container, session.session)
    await change_key(container, key.session, is_active=False)
    await change_user(container, session.user_id, active=False)

    heard: list[dict[str, str]] = []
    async with asyncio.timeout(60):
        while len(heard) < 3:
            message = await listener.get_message(timeout=1)
            heard += [json.loads(message["data"])] if message else []
    assert heard == [
        {"kind": "jwt", "id": str(session.session)},
        {"kind": "api_key", "id": str(key.session)},
        {"user_id": str(session.user_id)},
    ]
    await listener.aclose()  # type: ignore[no-untyped-call]


async def test_an_announcement_nobody_can_hear_says_so(settings: Settings, container: Container) -> None:
    session = await stored_identity(container)
    lost = without_valkey(settings)

    assert await lost.principals.announce(StandingChange(ended=(session.session,))) is False
    assert await container.principals.announce(StandingChange(ended=(session.session,))) is True
    assert await lost.principals.announce(StandingChange()) is True
    await lost.close()
