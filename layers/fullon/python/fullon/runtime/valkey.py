"""The client of Valkey: of one server, or of a cluster, as a serverless Valkey is one with a single address.

Application code does not see which: a cluster's client is made to behave where the library's differs. Its pipelines
take PUBLISH, its transactions start no threads (the library's start one with a loop of its own for each command, which
can wait for a lock of ours for ever), its failures to connect are errors of the library's tree, and reading a stream
costs one round trip. On Python 3.11 a cancelled command could go on as if nothing was; here it never does.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from pydantic import SecretStr
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterPipeline, ClusterPubSub, RedisCluster, _ClusterNodePoolAdapter
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisClusterException, SlotNotCoveredError
from redis.exceptions import ConnectionError as ConnectionLost

if TYPE_CHECKING:
    from redis.asyncio.connection import ConnectionPool

    from fullon.runtime.settings import Settings

CONNECT_SECONDS = 2
ANSWER_SECONDS = 5


Login = Callable[[], Awaitable[tuple[str, str]]]
"""Gives user and password for a new connection."""


def connect(settings: Settings, login: Login | None = None) -> Redis:
    """A client of the Valkey that the settings name; it connects at the first command and again after a loss.

    Args:
        login: where the settings name a secret that may change, asked for each new connection.
    """
    options: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "health_check_interval": 15,
        "retry": Retry(NoBackoff(), 1),
    }
    if settings.redis_secret_arn and login is not None:
        options["credential_provider"] = _Credentials(login)
        settings = settings.model_copy(update={"redis_password": SecretStr("")})
    if settings.redis_cluster:
        return cast("Redis", Cluster.from_url(settings.valkey_url(), **options))
    return Redis.from_url(settings.valkey_url(), **options)


class _Credentials(CredentialProvider):
    def __init__(self, login: Login) -> None:
        self._login = login

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        user, password = await self._login()
        return (user, password) if user else (password,)


class Cluster(RedisCluster):
    """A cluster's client that can stand wherever one of a single server does."""

    async def initialize(self, *arguments: Any, **options: Any) -> RedisCluster:
        """Find the nodes; raises an error of the library's tree when that is not possible."""
        try:
            return await super().initialize(*arguments, **options)
        except RedisClusterException as error:
            raise ConnectionLost("the cluster cannot be reached, or is not whole") from error

    async def execute_command(self, *arguments: Any, **options: Any) -> Any:
        """One command; a slot that nobody serves at present is a lost connection."""
        with _not_whole():
            return await super().execute_command(*arguments, **options)

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> Any:
        """Commands in one round trip to each node; with a transaction, all keys must share a slot."""
        if shard_hint is not None:
            raise RedisClusterException("there are no shard hints in a cluster")
        return _Transaction(self) if transaction else _Pipeline(self, transaction)  # type: ignore[abstract]

    def pubsub(self, *arguments: Any, **options: Any) -> ClusterPubSub:
        """A subscription; any node hears what is published at any other."""
        return _Subscription(self, *arguments, **options)

    async def _determine_slot(self, command: str, *args: Any) -> int:
        """The library asks the server where the keys of XREAD stand, in a round trip before each read."""
        if command.upper() != "XREAD":
            return await super()._determine_slot(command, *args)
        place = next(i for i, part in enumerate(args) if part in {"STREAMS", b"STREAMS"})
        streams = args[place + 1 :]
        slots = {self.keyslot(name) for name in streams[: len(streams) // 2]}
        if len(slots) != 1:
            raise RedisClusterException("XREAD - all streams must map to the same slot")
        return slots.pop()


class _Pipeline(ClusterPipeline):
    def publish(self, channel: Any, message: Any, **options: Any) -> Any:
        """Any node spreads a message over the whole cluster; the library refuses it in pipelines all the same."""
        return self.execute_command("PUBLISH", channel, message, **options)

    async def execute(self, *arguments: Any, **options: Any) -> list[Any]:
        with _not_whole():
            return await super().execute(*arguments, **options)


class _Transaction(Pipeline):
    """MULTI and EXEC on a connection of the one node that serves all keys; each command's first argument is its key."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cast("ConnectionPool", None), {}, transaction=True, shard_hint=None)
        self._cluster = cluster

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        if not self.command_stack:
            return []
        slots = {self._cluster.keyslot(arguments[1]) for arguments, _ in self.command_stack}
        if len(slots) != 1:
            raise RedisClusterException("a transaction cannot span slots")
        await self._cluster.initialize()
        with _not_whole():
            node = self._cluster.nodes_manager.get_node_from_slot(slots.pop())
        self.connection_pool = cast("ConnectionPool", _ClusterNodePoolAdapter(node))
        self.response_callbacks = node.response_callbacks
        try:
            return await super().execute(raise_on_error)
        except (AskError, MovedError, ClusterDownError, ConnectionLost):
            with suppress(RedisClusterException):  # the caller hears of the first trouble, and tries again
                await self._cluster.nodes_manager.initialize()
            raise


class _Subscription(ClusterPubSub):
    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """The library chooses a node before it knows any, where nothing was asked of the client yet."""
        await self.cluster.initialize()
        with _not_whole():
            return await super().execute_command(*args, **kwargs)


@contextmanager
def _not_whole() -> Iterator[None]:
    try:
        yield
    except SlotNotCoveredError as error:
        raise ConnectionLost("no node of the cluster serves this slot") from error


def _cancellable(send: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Raise the cancellation that ``send`` lost.

    It waits by ``asyncio.wait_for``, which before Python 3.12 returns its result when that and the cancellation come in
    one turn of the loop (CPython issue 86296).
    """

    @wraps(send)
    async def sent(self: AbstractConnection, *arguments: Any, **options: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        asked = task.cancelling()
        await send(self, *arguments, **options)
        if task.cancelling() > asked:
            await self.disconnect(nowait=True)  # the answer will be read by nobody
            raise asyncio.CancelledError

    return sent


if sys.version_info < (3, 12):
    AbstractConnection.send_packed_command = _cancellable(  # type: ignore[method-assign,assignment]
        AbstractConnection.send_packed_command
    )
