"""Rows of connections become subscribers, whatever bells are heard; credentials that end close them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from fullon.identity.model import Identity, Role, Scope
from fullon.kernel.clock import ManualClock
from fullon.kernel.errors import Unavailable
from fullon.kernel.ids import new_id
from fullon.kernel.retry import Troubles
from fullon.streams import store
from fullon.streams.registry import Registry
from tests.people import a_key, a_session, a_user
from tests.unit.fanout_world import DONE, GONE, World


class Case:
    """A registry on a database, and the world its fan-out is in."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self.connection = connection
        self.world = World()
        self.clock = ManualClock(datetime.now(UTC))
        self.down = False
        self.troubles = Troubles(logging.getLogger("test"))
        outage = self.troubles.outage("connections")
        self.registry = Registry(self.opened, self.world.fanout, self.clock, outage, poll=0.05)
        self.world.fanout._lost = self.registry.lost

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Any]:
        if self.down:
            raise Unavailable("down")
        yield self.connection

    async def look(self, *, everything: bool = True) -> None:
        """What a poll does, or what is left to do after bells."""
        if everything:
            self.registry.look_again()
        await self.registry._look()
        self.registry.expire()

    async def connected(self, identity: Identity, connection_id: str = "a") -> None:
        await store.add_connection(self.connection, connection_id, identity, self.clock.now())

    async def subscribed(self, key: str = "paper:BTC/USDT", channel: str = "tickers", name: str = "a") -> None:
        revision = await self.connection.fetchval(
            "UPDATE ws_connections SET revision = revision + 1 WHERE connection_id = $1 RETURNING revision", name
        )
        await store.subscribe(self.connection, name, channel, [key], revision)

    def farewell(self) -> str | None:
        """The reason of the farewell that is on its way, if any."""
        frames = [frame for _, frame, _ in self.world.posts if frame["type"] == "bye"]
        return frames[0]["reason"] if frames else None


@pytest.fixture
def case(connection: asyncpg.Connection[Any]) -> Case:
    return Case(connection)


async def test_subscriptions_begin_end_and_begin_anew_with_their_rows(case: Case) -> None:
    await case.connected(await a_session(case.connection))
    await case.subscribed()
    await case.look()
    case.world.tick("1")
    first = case.world.answer_all()
    await case.subscribed()
    await case.look()
    again = case.world.answer_all()
    await store.unsubscribe(case.connection, "a", "tickers", ["paper:BTC/USDT"])
    await case.connection.execute("UPDATE ws_connections SET revision = revision + 1")
    await case.look()

    assert [frame["type"] for frame in first + again] == ["snapshot", "snapshot"]
    assert not case.world.fanout.wants("tickers", "paper:BTC/USDT", "paper:")


async def test_a_look_at_what_has_not_changed_sends_nothing(case: Case) -> None:
    await case.connected(await a_session(case.connection))
    await case.subscribed()
    await case.look()
    case.world.tick("1")
    case.world.answer_all()

    for _ in range(3):
        await case.look()

    assert case.world.posts == []


async def test_a_bell_that_names_a_connection_is_enough_and_a_lost_bell_is_made_up_for(case: Case) -> None:
    identity = await a_session(case.connection)
    await case.look()
    await case.connected(identity, "rung")
    await case.connected(identity, "missed")
    case.registry.bell(b"rung")
    await case.look(everything=False)
    after_bell = set(case.world.fanout.subscribers)
    await case.look()

    assert after_bell == {"rung"}
    assert set(case.world.fanout.subscribers) == {"rung", "missed"}


async def test_commits_in_another_order_than_the_revisions_are_all_found(case: Case, platform_database: str) -> None:
    await case.connected(await a_session(case.connection))
    other = await asyncpg.connect(platform_database)
    late = other.transaction()
    await late.start()
    await other.execute("INSERT INTO ws_subscriptions VALUES ('a', 'trades', 'paper:X/Y', 1)")
    await case.subscribed()
    await case.look()
    await late.commit()
    await other.close()
    await case.connection.execute("UPDATE ws_connections SET revision = revision + 1")
    await case.look()

    assert case.world.fanout.subscribers["a"].keys.keys() == {("tickers", "paper:BTC/USDT"), ("trades", "paper:X/Y")}


async def test_a_connection_that_the_gateway_does_not_know_loses_its_rows(case: Case) -> None:
    await case.connected(await a_session(case.connection))
    await case.subscribed()
    await case.look()
    case.world.tick("1")
    case.world.answer(GONE)
    await case.look()

    assert case.world.fanout.subscribers == {}
    assert await case.connection.fetchval("SELECT count(*) FROM ws_connections") == 0
    assert await case.connection.fetchval("SELECT count(*) FROM ws_subscriptions") == 0


async def test_a_disconnected_row_ends_the_subscriber(case: Case) -> None:
    await case.connected(await a_session(case.connection))
    await case.look()
    await store.remove_connections(case.connection, ["a"])
    case.registry.bell(b"a")
    await case.look(everything=False)
    case.world.answer(GONE)

    assert case.world.fanout.subscribers == {}


async def test_a_removed_user_is_said_goodbye(case: Case) -> None:
    identity = await a_session(case.connection)
    await case.connected(identity)
    await case.look()
    await case.connection.execute("DELETE FROM users WHERE uid = $1", identity.user_id)
    await case.look()

    assert case.farewell() == "connection_removed"


async def test_an_expired_credential_is_said_goodbye_also_while_the_database_is_away(case: Case) -> None:
    await case.connected(await a_session(case.connection, lasting=timedelta(seconds=30)))
    await case.look()
    case.clock.advance(29)
    case.registry.expire()
    before = case.farewell()
    case.down = True
    case.clock.advance(3)
    case.registry.expire()

    assert (before, case.farewell()) == (None, "token_expired")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE sessions SET revoked_at = now()", "session_ended"),
        ("DELETE FROM sessions", "session_ended"),
        ("UPDATE users SET active = false", "user_deactivated"),
        ("UPDATE users SET role = 'viewer'", "rights_changed"),
    ],
)
async def test_a_session_that_stands_no_longer_is_said_goodbye(statement: str, reason: str, case: Case) -> None:
    await case.connected(await a_session(case.connection, Role.ADMIN))
    await case.look()
    assert case.farewell() is None

    await case.connection.execute(statement)
    await case.look()

    assert case.farewell() == reason
    case.world.answer(DONE)
    case.world.ends.pop()[1](DONE)
    await case.look()
    assert await case.connection.fetchval("SELECT count(*) FROM ws_connections") == 0


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE api_keys SET is_active = false", "key_revoked"),
        ("DELETE FROM api_keys", "key_revoked"),
        ("UPDATE api_keys SET expires_at = now() - interval '1 second'", "token_expired"),
        ("UPDATE api_keys SET scopes = ARRAY['trade']", "rights_changed"),
        ("UPDATE users SET active = false", "user_deactivated"),
    ],
)
async def test_a_key_that_stands_no_longer_is_said_goodbye(statement: str, reason: str, case: Case) -> None:
    await case.connected(await a_key(case.connection, scopes=frozenset({Scope.READ})))
    await case.look()
    assert case.farewell() is None

    await case.connection.execute(statement)
    await case.look()

    assert case.farewell() == reason


async def test_others_stay_when_one_is_said_goodbye(case: Case) -> None:
    one, other = await a_session(case.connection), await a_session(case.connection)
    await case.connected(one, "one")
    await case.connected(other, "other")
    await case.look()
    await case.connection.execute("UPDATE sessions SET revoked_at = now() WHERE sid = $1", one.session)
    await case.look()

    assert [name for name, _, _ in case.world.posts] == ["one"]


async def test_a_mark_in_its_row_closes_a_connection(case: Case) -> None:
    await case.connected(await a_session(case.connection))
    await case.look()
    await store.mark_closing(case.connection, "a", "too_many_frames")
    case.registry.bell(b"a")
    await case.look(everything=False)

    assert case.farewell() == "too_many_frames"


async def test_rows_older_than_any_connection_can_be_go(case: Case) -> None:
    identity = await a_session(case.connection)
    await store.add_connection(case.connection, "old", identity, case.clock.now() - timedelta(hours=3))
    await case.connected(identity)
    await case.look()

    assert set(case.world.fanout.subscribers) == {"a"}


async def test_the_registry_goes_on_when_the_database_comes_back(case: Case) -> None:
    await case.connected(await a_session(case.connection))
    case.down = True
    running = asyncio.create_task(case.registry.run())
    await asyncio.sleep(0.2)
    sentence = case.troubles.sentence()
    case.down = False
    async with asyncio.timeout(60):
        while "a" not in case.world.fanout.subscribers or case.troubles.sentence():  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.02)
    running.cancel()

    assert "database" in sentence


async def test_silent_connections_are_asked_for_and_others_are_not(case: Case) -> None:
    identity = await a_session(case.connection)
    for name in ("heard", "silent"):
        await case.connected(identity, name)
    await case.look()
    case.world.clock = 1000.0
    case.world.fanout.subscribers["heard"].heard_at = 900.0
    case.registry.look_at_silent()

    assert [name for name, _ in case.world.looks] == ["silent"]


async def test_a_user_without_a_session_row_never_had_a_connection(case: Case) -> None:
    uid = await a_user(case.connection)

    assert await store.count_connections(case.connection, uid, case.clock.now()) == 0
    assert await store.subscriptions(case.connection, str(new_id())) == []
