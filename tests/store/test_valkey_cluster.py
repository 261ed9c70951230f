"""What is particular to a cluster: slots, round trips, a node that goes away and comes back."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from signal import SIGTERM
from typing import Any

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from redis.exceptions import RedisClusterException, RedisError

from fullon.fleet import cache as fleet
from fullon.identity.model import Kind
from fullon.kernel.clock import SystemClock
from fullon.kernel.errors import Unavailable
from fullon.market import keys
from fullon.market.live_cache import LiveCache
from fullon.runtime.container import Container
from fullon.runtime.rate_limits import RateLimits, TooManyRequests
from fullon.runtime.settings import Settings
from fullon.runtime.valkey import Cluster, connect
from fullon.streams import cache as streams
from fullon.streams.model import TRADES
from functions.health import probes
from local.ports import free_port
from local.stores.valkey import SLOTS, Valkey
from tests.api.callers import identity
from tests.local.platform import until
from tests.servers import end, running_valkey, short_directory
from tests.store.test_live_values_write import TICK
from tests.store.test_streams_feeds import Case, running, stopped, updates
from tests.unit.fanout_world import BTC, numbers


def settings_for(url: str, **changes: Any) -> Settings:
    return Settings(environment="local", redis_url=SecretStr(url), redis_cluster=True, **changes)


@pytest.fixture
async def cluster(valkey_cluster: Valkey) -> AsyncIterator[Redis]:
    client = connect(settings_for(valkey_cluster.url))
    await client.flushall()
    yield client
    await client.aclose()


async def batch(client: Redis, *, transaction: bool) -> Any:
    pipeline = client.pipeline(transaction=transaction)
    pipeline.get("x")
    return await pipeline.execute()


@contextmanager
def running_again(server: Valkey) -> Iterator[None]:
    """The same node once more; it remembers its slots and nothing else."""
    process = subprocess.Popen(server.command(), env=server.environment(), start_new_session=True)
    try:
        yield
    finally:
        end(process, SIGTERM)


async def test_the_settings_choose_the_client(valkey_cluster: Valkey) -> None:
    chosen = settings_for(valkey_cluster.url)
    parts = Settings(
        environment="local",
        redis_host="127.0.0.1",
        redis_port=valkey_cluster.port,
        redis_user="default",
        redis_password=SecretStr(valkey_cluster.password),
        redis_cluster=True,
    )

    for settings in (chosen, parts):
        client = connect(settings)
        assert type(client).__name__ == Cluster.__name__
        assert await client.ping()
        await client.aclose()
    assert type(connect(chosen.model_copy(update={"redis_cluster": False}))) is Redis


async def test_a_batch_may_touch_many_slots_and_publish(cluster: Redis) -> None:
    subscription = cluster.pubsub()
    await subscription.subscribe(keys.TICKERS_CHANNEL)
    await subscription.get_message(timeout=30)

    await LiveCache(cluster, "ticker").put_ticks([TICK])
    message = await subscription.get_message(timeout=30)

    assert message is not None
    assert message["channel"] == keys.TICKERS_CHANNEL.encode()
    await subscription.aclose()  # type: ignore[no-untyped-call]


async def test_one_transaction_cannot_span_slots(cluster: Redis) -> None:
    pipeline = cluster.pipeline(transaction=True)

    with pytest.raises(RedisClusterException, match="span slots"):
        pipeline.set("a", 1)
        pipeline.set("b", 1)
        await pipeline.execute()


async def test_reading_a_stream_is_one_round_trip(cluster: Redis, valkey_cluster: Valkey) -> None:
    await cluster.xadd(keys.TRADES_STREAM, {keys.TRADES_FIELD: b"{}"})
    heard: list[str] = []

    async with Redis.from_url(valkey_cluster.url) as other, other.monitor() as monitor:
        await cluster.xread({keys.TRADES_STREAM: b"0-0"}, count=1, block=10)
        await cluster.get("the end")
        while not heard or not heard[-1].startswith("GET"):
            heard.append((await asyncio.wait_for(monitor.next_command(), 60))["command"])

    assert [command.split()[0] for command in heard] == ["XREAD", "GET"]


async def test_streams_of_different_slots_are_not_read_together(cluster: Redis) -> None:
    with pytest.raises(RedisClusterException, match="same slot"):
        await cluster.xread({"one": b"0-0", "another": b"0-0"})


async def test_the_probe_of_the_queue_works_with_and_without_a_stream(valkey_cluster: Valkey, cluster: Redis) -> None:
    container = Container(settings_for(valkey_cluster.url))
    without = await probes.queues(container)
    await cluster.xadd(keys.TRADES_STREAM, {keys.TRADES_FIELD: b"{}"})
    await cluster.set(keys.TRADES_READ, b"1-0")

    probe, (queue,) = await probes.queues(container)

    assert (without[0].healthy, without[1][0].length) == (True, 0)
    assert (queue.length, queue.lag_ms is not None and queue.lag_ms > 0) == (1, True)
    assert not probe.healthy
    await container.close()


async def test_without_any_node_errors_are_those_that_callers_expect() -> None:
    client = connect(settings_for(f"redis://127.0.0.1:{free_port()}/0"))
    subscription = client.pubsub()

    for attempt in (
        client.get("x"),
        client.xread({"x": b"0-0"}),
        batch(client, transaction=False),
        batch(client, transaction=True),
        subscription.subscribe("x"),
    ):
        with pytest.raises((RedisError, OSError)):
            await attempt
    with pytest.raises(Unavailable):
        await LiveCache(client, "ticker").put_ticks([TICK])
    assert await streams.count_refusal(client, "c", 10) == 0
    await client.aclose()


async def test_a_slot_that_nobody_serves_is_a_lost_connection_and_comes_back() -> None:
    with short_directory() as directory, running_valkey(directory, cluster=True) as server:
        client = connect(settings_for(server.url))

        async def fails() -> bool:
            try:
                await client.get("x")
                await batch(client, transaction=True)
            except (RedisError, OSError):
                return True
            return False

        async def works() -> bool:
            return not await fails()

        await until(works)
        await server._ask(f"CLUSTER DELSLOTSRANGE 0 {SLOTS - 1}")
        await until(fails)
        with pytest.raises((RedisError, OSError)):
            await fleet.records(client, ["ticker"])
        await server.claim_slots()
        await until(works)
        await client.aclose()


async def test_everything_goes_on_after_the_node_was_stopped_and_started() -> None:
    with short_directory() as directory:
        with running_valkey(directory, cluster=True) as server:
            case = Case(connect(settings_for(server.url)))
            tasks = await running(case.changes, case.trades)
            await case.listening()
            case.world.fanout.subscribe("a", TRADES, BTC, 1)
            await case.trade(1)
            await case.hears(lambda frames: numbers(updates(frames)) == [1])
        await until(lambda: "cache" in case.troubles.sentence())
        with running_again(server):
            await server.wait_until_ready()
            await case.listening()
            await until(lambda: case.troubles.sentence() == "")
            await case.trade(2)
            await case.hears(lambda frames: numbers(updates(frames)) == [1, 2])
            await stopped(tasks)


async def test_budgets_are_counted_in_one_slot(cluster: Redis) -> None:
    limits = RateLimits(SystemClock())
    settings = Settings(environment="local", rate_limit_user_reads=5, rate_limit_key_reads=3)
    caller = identity(kind=Kind.API_KEY)

    left = [await limits.take(cluster, settings, caller, writes=False) for _ in range(3)]

    assert [budget and (budget.limit, budget.remaining) for budget in left] == [(3, 2), (3, 1), (3, 0)]
    with pytest.raises(TooManyRequests):
        await limits.take(cluster, settings, caller, writes=False)
