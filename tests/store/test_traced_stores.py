"""Statements and commands in a trace, on real stores: named, timed, failed by type, and never with a value."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from fullon.fleet import store
from fullon.kernel.clock import SystemClock
from fullon.market import keys
from fullon.runtime import metrics, tracing
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from tests.store.test_streams_feeds import Case

TRACE_ID = "6b014b9a" + "ab" * 12
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "spans.jsonl"
    tracing.configure("test", traces_file=str(file))
    yield file
    tracing.configure("test")


@pytest.fixture
async def traced(file: Path, settings: Settings) -> AsyncIterator[Container]:
    """A container whose process keeps spans."""
    container = Container(settings, SystemClock())
    yield container
    await container.close()


def spans(file: Path) -> dict[str, dict[str, Any]]:
    documents = [json.loads(line)["resourceSpans"][0] for line in file.read_text().splitlines()]
    return {span["name"]: span for document in documents for span in document["scopeSpans"][0]["spans"]}


async def test_statements_are_spans_of_the_work_they_are_part_of(traced: Container, file: Path) -> None:
    tracing.enter(tracing.parse_traceparent(TRACEPARENT))

    with tracing.span("order"):
        async with traced.transaction() as connection:
            await connection.execute("INSERT INTO leases VALUES ('hunter2', NULL, 1, now(), now())")
            await connection.fetchval("SELECT fence FROM leases WHERE name = $1", "hunter2")
        with pytest.raises(asyncpg.UniqueViolationError):
            async with traced.transaction() as connection:
                await connection.execute(
                    "INSERT INTO leases SELECT name, NULL, 1, now(), now() FROM leases WHERE name = $1", "hunter2"
                )
    tracing.enter(None)
    async with traced.connection() as connection:
        await connection.fetchval("SELECT count(*) FROM users")

    found = spans(file)
    assert {"BEGIN", "INSERT leases", "SELECT leases", "COMMIT", "ROLLBACK", "order"} <= found.keys()
    assert {span["parentSpanId"] for name, span in found.items() if name != "order"} == {found["order"]["spanId"]}
    assert found["INSERT leases"]["status"] == {"code": 2}
    assert "SELECT users" not in found
    assert "hunter2" not in json.dumps(found)


async def test_commands_and_pipelines_are_spans_without_their_keys(traced: Container, file: Path) -> None:
    tracing.enter(tracing.parse_traceparent(TRACEPARENT))

    await traced.valkey.set("principal:hunter2", "hunter2")
    async with traced.valkey.pipeline(transaction=True) as batch:
        batch.hset("hunter2", "field", "hunter2")
        batch.expire("hunter2", 60)
        answers = await batch.execute()
    tracing.enter(None)
    kept = await traced.valkey.get("principal:hunter2")

    assert (answers, kept) == ([1, True], b"hunter2")
    found = spans(file)
    assert found.keys() == {"SET", "PIPELINE HSET EXPIRE"}
    assert "hunter2" not in json.dumps(found)


async def test_every_wait_for_a_connection_is_measured(container: Container) -> None:
    stream = io.StringIO()
    metrics.configure("probe", stream=stream)

    async with container.connection():
        pass
    async with (await container.candles()).acquire():
        pass
    metrics.flush()

    [line] = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(line["PoolWait"]) == 2
    assert all(0 < value < 60_000 for value in line["PoolWait"])


async def test_an_order_names_its_trace_until_it_is_old_or_revoked(connection: asyncpg.Connection[Any]) -> None:
    now = datetime.now(UTC)

    await store.want(connection, "ticker", 1, "admin", now, TRACEPARENT)
    fresh = await store.cause(connection, "ticker", 600)
    old = await store.cause(connection, "ticker", 0)
    await store.want(connection, "ticker", 0, "admin", now)

    assert (fresh, old) == (TRACEPARENT, None)
    assert await store.cause(connection, "ticker", 600) is None
    assert await store.cause(connection, "ohlcv", 600) is None


async def test_how_far_the_trades_are_behind_is_known(valkey: Redis) -> None:
    case = Case(valkey)
    await case.trade(1)
    await case.trades._start()
    await case.trade(2, 3)

    await case.trades._check()
    behind = (case.trades.entries_behind, case.trades.milliseconds_behind)
    answer: Any = await valkey.xread({keys.TRADES_STREAM: case.trades._last})
    case.trades._take(answer[0][1])
    await case.trades._check()

    assert behind[0] == 2
    assert 0 <= behind[1] < 60_000
    assert (case.trades.entries_behind, case.trades.milliseconds_behind) == (0, 0)
