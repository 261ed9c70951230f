"""Questions to whoever reaches the venues, through a real Valkey, with answers that are made up here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from fullon.kernel.clock import SystemClock
from fullon.kernel.errors import Unavailable
from fullon.kernel.retry import Troubles
from fullon.runtime.settings import Settings
from fullon.runtime.valkey import connect
from fullon.venues import rpc_client, rpc_server
from fullon.venues import rpc_messages as messages
from fullon.venues.account import Examination, Permissions
from fullon.venues.errors import AccountDaemonSilent, WrongApiSecret
from fullon.venues.model import Market
from fullon.venues.rpc_client import RpcClient
from fullon.venues.rpc_messages import ListMarkets, Request, UnexpectedAnswer
from fullon.venues.rpc_server import Answers, RpcServer
from local.ports import free_port
from tests.daemons.waiting import until
from tests.servers import running_valkey, short_directory
from tests.store.test_valkey_cluster import running_again

CLOCK = SystemClock()
FOUND = Examination(Permissions(True, True, False), 4, 12)
LISTED = [Market("BTC/USDT", "BTC", "USDT", tick_size=Decimal("0.010"), min_notional=Decimal("1E-9"))]


class World:
    """A server with its answers, and what it was asked.

    Attributes:
        failing: what is raised instead of an answer.
        open: while not set, nothing is answered.
        busy, busiest: how many questions are being answered, and the most there ever were.
    """

    def __init__(self, valkey: Redis) -> None:
        self.valkey = valkey
        self.client = RpcClient(valkey, CLOCK)
        self.asked: list[object] = []
        self.failing: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.leading = True
        self.busy = self.busiest = self.ended_early = self.counted = 0
        self.troubles = Troubles(logging.getLogger("test"))
        self.server = RpcServer(
            valkey,
            CLOCK,
            Answers(self._examine, self._list),
            self.troubles.outage("questions"),
            leading=lambda: self.leading,
            counted=self._count,
        )

    def _count(self) -> None:
        self.counted += 1

    async def _examine(self, uid: UUID, ex_id: UUID) -> Examination:
        await self._work((uid, ex_id))
        return FOUND

    async def _list(self, cat_ex_id: int) -> list[Market]:
        await self._work(cat_ex_id)
        return LISTED

    async def _work(self, asked: object) -> None:
        self.asked.append(asked)
        self.busy += 1
        self.busiest = max(self.busy, self.busiest)
        try:
            await self.open.wait()
            if self.failing is not None:
                raise self.failing
        except asyncio.CancelledError:
            self.ended_early += 1
            raise
        finally:
            self.busy -= 1

    async def push(self, data: bytes) -> None:
        """Something in the list of requests."""
        await self.valkey.rpush(messages.REQUESTS, data)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """The server, ended with the block."""
        task = asyncio.create_task(self.server.run())
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait_for(task, 60)


@pytest.fixture
def world(valkey: Redis) -> World:
    return World(valkey)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_client, "REPLY_SECONDS", 1.5)


async def test_questions_are_answered_and_nothing_is_left_behind(world: World) -> None:
    uid, ex_id = uuid4(), uuid4()

    async with world.running():
        found = await world.client.examine_account(uid, ex_id)
        listed = await world.client.list_markets(7)
        await until(lambda: world.counted == 2, what="both counted")

    assert (found, listed, world.asked) == (FOUND, LISTED, [(uid, ex_id), 7])
    assert str(listed[0].tick_size) == "0.010"
    assert await world.valkey.keys("*") == []


async def test_a_failure_is_raised_where_it_was_asked(world: World) -> None:
    world.failing = WrongApiSecret("Not the secret.", exchange="paper")

    async with world.running():
        with pytest.raises(WrongApiSecret) as raised:
            await world.client.examine_account(uuid4(), uuid4())

    assert (raised.value.detail, raised.value.facts) == ("Not the secret.", {"exchange": "paper"})


async def test_what_nobody_foresaw_in_one_question_leaves_the_others_alone(world: World) -> None:
    world.failing = ZeroDivisionError("a secret of the venue")

    async with world.running():
        with pytest.raises(UnexpectedAnswer) as raised:
            await world.client.list_markets(1)
        world.failing = TimeoutError()
        with pytest.raises(UnexpectedAnswer):
            await world.client.list_markets(1)
        world.failing = None

        assert await world.client.list_markets(1) == LISTED
    assert "secret" not in str(raised.value)


async def test_a_request_past_its_deadline_is_never_begun(world: World) -> None:
    late = Request(uuid4(), CLOCK.now() - timedelta(milliseconds=1), ListMarkets(1))
    await world.push(messages.encode_request(late))

    async with world.running():
        await world.client.list_markets(2)

    assert world.asked == [2]
    assert await world.valkey.exists(messages.reply_key(late.correlation_id)) == 0


async def test_a_question_that_takes_too_long_is_given_up_and_others_go_on(world: World) -> None:
    world.open.clear()
    slow = Request(uuid4(), CLOCK.now() + timedelta(seconds=1), ListMarkets(1))
    await world.push(messages.encode_request(slow))

    async with world.running():
        await until(lambda: world.ended_early == 1, what="the end of the slow one")
        world.open.set()

        assert await world.client.list_markets(2) == LISTED
    assert await world.valkey.exists(messages.reply_key(slow.correlation_id)) == 0


@pytest.mark.parametrize("data", [b"", b"\xff\x00", b"{}", b'{"question": "examine_account", "uid": 1}'])
async def test_what_is_no_request_is_dropped(world: World, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    await world.push(data)

    async with world.running():
        assert await world.client.list_markets(1) == LISTED

    assert [record.message for record in caplog.records].count("request malformed") == 1


async def test_only_so_many_are_answered_side_by_side_and_the_rest_wait(world: World) -> None:
    world.open.clear()
    more = rpc_server.MOST_AT_ONCE + 3

    async with world.running():
        asking = [asyncio.create_task(world.client.list_markets(number)) for number in range(1, more + 1)]
        await until(lambda: world.busy == rpc_server.MOST_AT_ONCE, what="all places taken")

        async def waiting() -> bool:
            count: Any = await world.valkey.llen(messages.REQUESTS)
            return bool(count == 3)

        await until(waiting, what="the rest in the list")
        world.open.set()
        answers = await asyncio.gather(*asking)

    assert answers == [LISTED] * more
    assert world.busiest == rpc_server.MOST_AT_ONCE


@pytest.mark.usefixtures("impatient")
async def test_whoever_does_not_lead_any_more_says_nothing(world: World) -> None:
    world.leading = False

    async with world.running():
        with pytest.raises(AccountDaemonSilent):
            await world.client.list_markets(1)

    assert (world.asked, world.counted) == ([], 0)


@pytest.mark.usefixtures("impatient")
async def test_whoever_stops_leading_meanwhile_keeps_the_answer(world: World) -> None:
    world.open.clear()

    async with world.running():
        asking = asyncio.create_task(world.client.list_markets(1))
        await until(lambda: world.busy == 1, what="the question taken")
        world.leading = False
        world.open.set()
        with pytest.raises(AccountDaemonSilent):
            await asking

    assert (world.asked, world.counted) == ([1], 0)


@pytest.mark.usefixtures("impatient")
async def test_without_anybody_who_answers_the_question_is_gone_when_nobody_waits_any_more(world: World) -> None:
    with pytest.raises(AccountDaemonSilent) as raised:
        await world.client.list_markets(1)

    async def gone() -> bool:
        return await world.valkey.keys("*") == []

    await until(gone, what="the end of the request")
    assert (raised.value.code, "within 1.5 s" in raised.value.detail) == ("account_daemon_silent", True)


async def test_the_server_ends_when_it_is_told_while_it_waits_and_while_it_works(world: World) -> None:
    async with world.running():
        await world.client.list_markets(1)
    world.open.clear()

    async with world.running() as task:
        asking = asyncio.create_task(world.client.list_markets(1))
        await until(lambda: world.busy == 1, what="the question taken")

    asking.cancel()
    assert task.cancelled()
    assert (world.busy, world.ended_early) == (0, 1)


async def test_without_valkey_who_asks_hears_so_and_who_answers_waits_for_it() -> None:
    nowhere = World(Redis(port=free_port()))
    with pytest.raises(Unavailable) as raised:
        await nowhere.client.list_markets(1)
    assert raised.value.code == "cache_down"

    async with nowhere.running() as task:
        await until(lambda: nowhere.troubles.sentence() != "", what="the outage said")
        assert not task.done()


async def test_questions_are_answered_again_after_valkey_was_away() -> None:
    with short_directory() as directory:
        with running_valkey(directory) as server:
            world = World(connect(Settings(environment="local", redis_url=SecretStr(server.url))))
            working = asyncio.create_task(world.server.run())
            assert await world.client.list_markets(1) == LISTED
        await until(lambda: world.troubles.sentence() != "", what="the outage said")
        with running_again(server):
            await server.wait_until_ready()
            await until(lambda: world.troubles.sentence() == "", what="the end of the outage")

            assert await world.client.list_markets(2) == LISTED
            working.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait_for(working, 60)
            await world.valkey.aclose()
