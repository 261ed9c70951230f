"""One bot at a time trades a symbol of an account, on one server of Valkey and on a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis

from fullon.bots import cache
from fullon.bots.coordination import Coordination, Lease, guard
from fullon.bots.errors import Blocked, BlockLost, NotOnThatExchange
from fullon.kernel.clock import ManualClock, SystemClock
from fullon.kernel.errors import TimedOut, Unavailable
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from local.ports import free_port
from tests.local.platform import until
from tests.store.coordinating import LONG, START, SYMBOL, Desk, a_desk, heard, holding, taken_in_the_end, told


@pytest.fixture
async def desk(container: Container) -> Desk:
    return await a_desk(container, 3)


@pytest.fixture
async def container(
    platform_database: str, valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Container]:
    monkeypatch.setenv("ENVIRONMENT", "local")
    monkeypatch.setenv("DATABASE_URL", platform_database)
    monkeypatch.setenv("DB_POOL_SIZE", "5")
    del valkey_url  # it is in the environment
    container = Container(Settings.load())
    yield container
    await container.close()


async def test_of_fifty_that_ask_at_once_exactly_one_gets_it(container: Container) -> None:
    desk = await a_desk(container, 50)

    for fence in (1, 2, 3):
        answers = await asyncio.gather(*(desk.take(bot) for bot in range(50)), return_exceptions=True)

        winners = [answer for answer in answers if isinstance(answer, Lease)]
        assert [lease.fence for lease in winners] == [fence]
        assert [type(answer) for answer in answers if not isinstance(answer, Lease)] == [Blocked] * 49
        assert await desk.holder() == winners[0].bot_id
        await desk.forget()


async def test_the_refused_are_told_which_bot_holds_it(desk: Desk) -> None:
    await desk.take(0)

    with pytest.raises(Blocked) as refused:
        await desk.take(1)

    assert refused.value.facts == {"symbol": SYMBOL, "bot_id": str(desk.bots[0])}


async def test_a_bot_does_not_take_twice_what_it_holds(desk: Desk) -> None:
    first = await desk.take(0)

    with pytest.raises(Blocked):
        await desk.take(0)

    await desk.writes(first)


async def test_symbols_and_accounts_do_not_block_each_other(desk: Desk) -> None:
    other = await a_desk(desk.container, 1)

    leases = [await desk.take(0), await desk.take(1, symbol="ETH/USDT"), await other.take()]

    assert [lease.fence for lease in leases] == [1, 1, 1]
    places = [(desk.ex_id, "ETH/USDT"), (desk.ex_id, "nobody's"), (other.ex_id, SYMBOL), (desk.ex_id, SYMBOL)]
    found = await cache.blocks(desk.container.valkey, places)
    assert [block.bot_id for block in found] == [desk.bots[1], other.bots[0], desk.bots[0]]


async def test_a_bot_that_may_not_trade_on_the_account_takes_nothing(desk: Desk) -> None:
    other = await a_desk(desk.container, 1)
    coordination = desk.coordination()

    for uid, bot_id, ex_id in (
        (desk.uid, desk.bots[0], other.ex_id),
        (other.uid, desk.bots[0], desk.ex_id),
        (desk.uid, other.bots[0], desk.ex_id),
        (desk.uid, uuid4(), desk.ex_id),
    ):
        with pytest.raises(NotOnThatExchange):
            await coordination.take(uid, bot_id, ex_id, SYMBOL)

    assert await desk.holder() is None


async def test_a_released_symbol_is_free_at_once_and_the_fence_still_rises(desk: Desk) -> None:
    first = await desk.take(0)

    released = await desk.coordination().release(first)
    again = await desk.coordination().release(first)
    second = await desk.take(1)

    assert (released, again) == (True, False)
    assert second.fence == first.fence + 1


async def test_only_the_owner_renews_and_releases(desk: Desk) -> None:
    lease = await desk.take(0)
    forged = Lease(**{**{name: getattr(lease, name) for name in lease.__slots__}, "owner": "guessed"})

    with pytest.raises(BlockLost):
        await desk.coordination().renew(forged)
    assert await desk.coordination().release(forged) is False

    assert await desk.holder() == desk.bots[0]
    assert (await desk.coordination().renew(lease)).fence == lease.fence


async def test_the_owner_is_nobody_elses_to_read(desk: Desk) -> None:
    lease = await desk.take(0)

    assert lease.owner not in repr(lease)


async def test_a_renewal_lasts_from_now_on(desk: Desk) -> None:
    clock = ManualClock(START)
    lease = await desk.coordination(30, clock).take(desk.uid, desk.bots[0], desk.ex_id, SYMBOL)
    [before] = await cache.blocks(desk.container.valkey, [(desk.ex_id, SYMBOL)])
    clock.advance(20)

    renewed = await desk.coordination(LONG, clock).renew(lease)

    [after] = await cache.blocks(desk.container.valkey, [(desk.ex_id, SYMBOL)])
    assert (lease.certain_until, renewed.certain_until) == (30, 20 + LONG)
    assert (after.since, after.fence) == (before.since, before.fence)
    assert after.renewed_at >= before.renewed_at
    assert (after.expires_at - after.renewed_at).total_seconds() == LONG
    assert await desk.container.valkey.pttl(cache.key(desk.ex_id, SYMBOL)) > 30_000


async def test_a_bot_that_lives_renews_writes_and_releases(desk: Desk) -> None:
    with holding(desk, 0, LONG) as process:
        assert await heard(process) == "taken 1"

        answers = [await told(process, command) for command in ("renew", "write", "release")]

    assert answers == ["renewed", "written", "released"]


async def test_what_a_killed_bot_held_is_taken_after_its_lease(desk: Desk) -> None:
    with holding(desk, 0, 2) as process:
        assert await heard(process) == "taken 1"
        process.send_signal(SIGKILL)
        process.wait(60)

    lease = await taken_in_the_end(desk, 1)

    assert lease.fence == 2
    await desk.writes(lease)


async def test_a_bot_that_slept_through_its_lease_can_neither_renew_nor_release_nor_write(desk: Desk) -> None:
    with holding(desk, 0, 2) as process:
        assert await heard(process) == "taken 1"
        process.send_signal(SIGSTOP)
        successor = await taken_in_the_end(desk, 1)
        process.send_signal(SIGCONT)

        answers = [await told(process, command) for command in ("renew", "release", "write")]

    assert answers == ["block_lost", "not mine", "block_lost"]
    assert await desk.holder() == desk.bots[1]
    await desk.writes(successor)
    await desk.coordination().renew(successor)


async def test_an_old_fence_does_not_write_even_where_the_clock_of_its_bot_stands(desk: Desk) -> None:
    sleeper = await desk.take(0)
    await desk.forget()
    successor = await desk.take(1)

    with pytest.raises(BlockLost):
        await desk.writes(sleeper)

    await desk.writes(successor)
    async with desk.container.connection() as connection:
        notes = await connection.fetch("SELECT note FROM bots WHERE bot_id = ANY($1) ORDER BY name", desk.bots)
    assert [row["note"] for row in notes] == ["", "written", ""]


async def test_a_lease_that_ran_out_does_not_write_although_nobody_followed(desk: Desk) -> None:
    clock = ManualClock(START)
    lease = await desk.coordination(30, clock).take(desk.uid, desk.bots[0], desk.ex_id, SYMBOL)

    async with desk.container.transaction() as connection:
        await guard(connection, clock, lease)
    clock.advance(30)
    with pytest.raises(BlockLost):
        async with desk.container.transaction() as connection:
            await guard(connection, clock, lease)


async def test_nobody_takes_it_between_the_guard_and_the_commit(desk: Desk) -> None:
    lease = await desk.take(0)
    async with desk.container.transaction() as connection:
        await guard(connection, desk.container.clock, lease)
        await desk.forget()
        taking = asyncio.create_task(desk.take(1))

        async def waits_for_the_writer() -> bool:
            assert not taking.done()
            async with desk.container.connection() as other:
                found = await other.fetchval(
                    "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted"
                    " AND a.datname = current_database() AND a.query LIKE '%INSERT INTO bot_leases%'"
                )
            return bool(found)

        await until(waits_for_the_writer)
        await connection.execute("UPDATE bots SET note = 'in time' WHERE bot_id = $1", lease.bot_id)

    assert (await asyncio.wait_for(taking, 60)).fence == lease.fence + 1


async def test_the_fence_rises_although_valkey_forgot_everything(desk: Desk) -> None:
    before = await desk.take(0)
    await desk.container.valkey.flushall()

    with pytest.raises(BlockLost):
        await desk.coordination().renew(before)
    after = await desk.take(1)

    assert after.fence == before.fence + 1
    with pytest.raises(BlockLost):
        await desk.writes(before)


async def test_a_bot_that_was_slower_than_its_own_lease_gets_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, rivals = desk.coordination(), []

    async def pauses(lease: Lease) -> None:
        """Between Valkey and PostgreSQL the lease runs out and another bot is faster."""
        monkeypatch.undo()
        await desk.forget()
        rivals.append(await desk.take(1))
        await slow._enter(lease)

    monkeypatch.setattr(slow, "_enter", pauses)
    with pytest.raises(Blocked):
        await slow.take(desk.uid, desk.bots[0], desk.ex_id, SYMBOL)

    assert await desk.holder() == desk.bots[1]
    await desk.writes(rivals[0])


async def test_a_lost_answer_of_valkey_is_asked_for_again_by_the_same_owner(desk: Desk) -> None:
    arguments: dict[str, Any] = {"owner": "one", "bot_id": desk.bots[0], "fence": 1, "milliseconds": 60_000}
    valkey = desk.container.valkey

    first = await cache.take(valkey, desk.ex_id, SYMBOL, **arguments)
    repeated = await cache.take(valkey, desk.ex_id, SYMBOL, **arguments)
    another = await cache.take(valkey, desk.ex_id, SYMBOL, **{**arguments, "owner": "two", "bot_id": desk.bots[1]})

    assert (first, repeated, another) == (None, None, desk.bots[0])


class Away:
    """A database that is not there."""

    async def __aenter__(self) -> Any:
        raise Unavailable("The database cannot be reached; try again shortly.", code="database_down")

    async def __aexit__(self, *error: object) -> None:
        return None


async def test_without_postgresql_nothing_stays_taken(desk: Desk) -> None:
    coordination = desk.coordination()
    connections: Iterator[Any] = iter([desk.container.connection(), Away()])
    coordination._connection = lambda: next(connections)

    with pytest.raises(Unavailable) as failed:
        await coordination.take(desk.uid, desk.bots[0], desk.ex_id, SYMBOL)

    assert failed.value.code == "database_down"
    assert await desk.holder() is None
    assert (await desk.take(1)).fence == 1


async def test_without_valkey_the_error_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = await desk.take(0)
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    nowhere = Container(Settings.load())
    coordination = Coordination(desk.container.connection, nowhere.valkey, SystemClock())

    for attempt in (
        coordination.take(desk.uid, desk.bots[1], desk.ex_id, SYMBOL),
        coordination.renew(lease),
        coordination.release(lease),
        cache.blocks(nowhere.valkey, [(desk.ex_id, SYMBOL)]),
    ):
        with pytest.raises((Unavailable, TimedOut)) as failed:
            await attempt
        assert failed.value.code == "cache_down"
        assert "127.0.0.1" not in failed.value.detail
    await nowhere.close()

    await desk.writes(lease)
    async with desk.container.connection() as connection:
        fence = await connection.fetchval("SELECT fence FROM bot_leases WHERE ex_id = $1", desk.ex_id)
    assert fence == lease.fence


async def test_a_guard_needs_a_transaction(connection: asyncpg.Connection[Any]) -> None:
    lease = Lease(bot_id=uuid4(), ex_id=uuid4(), symbol=SYMBOL, owner="x", fence=1, certain_until=1e18)

    with pytest.raises(AssertionError):
        await guard(connection, SystemClock(), lease)
    with pytest.raises(BlockLost):
        async with connection.transaction():
            await guard(connection, SystemClock(), lease)


async def test_what_is_no_block_is_not_taken_for_one(valkey: Redis) -> None:
    ex_id = uuid4()
    await valkey.hset(cache.key(ex_id, SYMBOL), "owner", "somebody")

    with pytest.raises(Exception, match="something else") as broken:
        await cache.blocks(valkey, [(ex_id, SYMBOL)])

    assert type(broken.value).__name__ == "Corrupt"
