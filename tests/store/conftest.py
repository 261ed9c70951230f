"""Whatever a store test does with Valkey it does twice: with one server, and with a cluster of one node.

Serverless Valkey is a cluster with a single address, and the client the platform has for it is another class.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from fullon.runtime.settings import Settings
from fullon.runtime.valkey import connect
from local.stores.valkey import Valkey
from tests.servers import running_valkey, short_directory


@pytest.fixture(scope="session")
def valkey_cluster() -> Iterator[Valkey]:
    """An embedded Valkey in cluster mode, all slots on its one node."""
    with short_directory() as directory, running_valkey(directory, cluster=True) as server:
        yield server


@pytest.fixture(params=["server", "cluster"])
def valkey_url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty Valkey; the environment says which kind it is."""
    is_cluster = request.param == "cluster"
    server: Valkey = request.getfixturevalue("valkey_cluster" if is_cluster else "valkey_server")
    with BlockingRedis.from_url(server.url) as client:
        client.flushall()
    monkeypatch.setenv("REDIS_CLUSTER", str(is_cluster).lower())
    monkeypatch.setenv("REDIS_URL", server.url)
    return server.url


@pytest.fixture
async def valkey(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Redis]:
    """The client that a process of the platform would have; answers are bytes."""
    monkeypatch.setenv("ENVIRONMENT", "local")
    client = connect(Settings.load())
    yield client
    await client.aclose()
