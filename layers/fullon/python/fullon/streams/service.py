"""What a client can do with its socket: connect, ask, subscribe, disconnect.

Nothing is pushed from here. The websocket function writes rows and answers; the streamer reads the rows and pushes, so
that the function needs no way to the gateway.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from fullon.identity.model import Identity, Scope
from fullon.kernel.clock import Clock, to_milliseconds
from fullon.streams import cache, store
from fullon.streams.errors import ChannelForbidden, TooManyConnections, TooManyFrames, TooManySubscriptions
from fullon.streams.frames import Ack, Pong, Snapshot, SnapshotItem, Snapshots, SubscriptionItem, Subscriptions
from fullon.streams.model import EVERY, Channel, Frame, Limits, Topics, read_frame, read_topics

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from fullon.identity.service import Principals
    from fullon.streams.catalogue import Catalogue
    from fullon.streams.store import Connection

    Connections = Callable[[], AbstractAsyncContextManager[Connection]]

Answer = Ack | Pong | Snapshot | Snapshots | Subscriptions

_log = logging.getLogger("fullon.streams")


class Sockets:
    """Use cases of the websocket function.

    Args:
        transaction: opens a transaction on the platform database.
        principals: says whether an identity still stands.
        processes: hashes of process records in Valkey, one for each daemon.
        trace: W3C traceparent of the frame that is served, for the one who pushes because of it.
    """

    def __init__(
        self,
        *,
        transaction: Connections,
        valkey: Redis,
        principals: Principals,
        catalogue: Catalogue,
        clock: Clock,
        processes: Iterable[str] = (),
        limits: Limits | None = None,
        trace: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._transaction = transaction
        self._valkey = valkey
        self._principals = principals
        self._catalogue = catalogue
        self._clock = clock
        self._processes = tuple(processes)
        self._limits = limits or Limits()
        self._trace = trace

    async def connect(self, connection_id: str, identity: Identity) -> None:
        """Take a new connection.

        Raises:
            SessionEnded: the identity stands no longer.
            TooManyConnections: the user has as many as one may have.
            Unavailable: the database cannot be reached.
        """
        identity = await self._principals.confirm(identity)
        now = self._clock.now()
        async with self._transaction() as connection:
            await store.lock_user(connection, identity.user_id)
            since = now - self._limits.connection_age
            if await store.count_connections(connection, identity.user_id, since) >= self._limits.connections:
                raise TooManyConnections(self._limits.connections)
            await store.add_connection(connection, connection_id, identity, now)
        await cache.ring(self._valkey, connection_id)

    async def disconnect(self, connection_id: str) -> None:
        """Forget a connection that has ended."""
        async with self._transaction() as connection:
            await store.remove_connections(connection, [connection_id])
        await cache.ring(self._valkey, connection_id)

    async def answer(self, connection_id: str, identity: Identity, text: str | None) -> Answer:
        """Serve one frame of a client.

        Raises:
            TooManyFrames: the user sends too fast; the frame was not looked at.
            SessionEnded: the identity stands no longer.
            UnreadableFrame, UnknownAction, UnknownChannel, Invalid: the frame is not what it should be.
            ChannelForbidden, UnknownExchange, UnknownSymbols, TooManySubscriptions: it cannot be served.
            Unavailable: PostgreSQL or Valkey cannot be reached.
        """
        await self._slow_down(connection_id, identity)
        identity = await self._principals.confirm(identity)
        frame = read_frame(text)
        answer = await self._serve(connection_id, identity, frame)
        if frame.request_id is not None:
            answer["request_id"] = frame.request_id
        return answer

    async def refused(self, connection_id: str) -> None:
        """A frame was answered with an error; a client that goes on and on like that is closed."""
        limits = self._limits
        count = await cache.count_refusal(self._valkey, connection_id, limits.refusal_seconds)
        if count <= limits.refusals:
            return
        _log.warning("too many refused frames", extra={"connection_id": connection_id, "count": count})
        async with self._transaction() as connection:
            await store.mark_closing(connection, connection_id, "too_many_frames")
        await cache.ring(self._valkey, connection_id)

    async def _slow_down(self, connection_id: str, identity: Identity) -> None:
        limits = self._limits
        now = int(self._clock.now().timestamp())
        count = await cache.count_frame(self._valkey, identity.user_id, now // limits.seconds, limits.seconds)
        if count > limits.frames:
            raise TooManyFrames(limits.frames, limits.seconds, limits.seconds - now % limits.seconds)

    async def _serve(self, connection_id: str, identity: Identity, frame: Frame) -> Answer:
        if frame.action == "ping":
            return Pong(type="pong", ts=to_milliseconds(self._clock.now()))
        if frame.action == "list":
            return await self._list(connection_id)
        topics = read_topics(frame.members, identity.user_id)
        if frame.action == "unsubscribe":
            return await self._unsubscribe(connection_id, identity, topics)
        _check_rights(identity, topics.channel)
        if len(topics.keys) > self._limits.subscriptions:
            raise TooManySubscriptions(self._limits.subscriptions, len(topics.keys), 0)
        await self._catalogue.check(topics)
        if frame.action == "get":
            return await self._get(topics)
        return await self._subscribe(connection_id, identity, topics)

    async def _subscribe(self, connection_id: str, identity: Identity, topics: Topics) -> Ack:
        channel, keys, now = topics.channel.name, topics.keys, self._clock.now()
        async with self._transaction() as connection:
            await store.lock_user(connection, identity.user_id)
            # Also brings back a connection whose row was lost; its frames prove that it lives.
            revision = await store.add_connection(connection, connection_id, identity, now)
            held = await store.count_subscriptions(connection, identity.user_id, now - self._limits.connection_age)
            more = await store.missing_subscriptions(connection, connection_id, channel, keys)
            if held + more > self._limits.subscriptions:
                raise TooManySubscriptions(self._limits.subscriptions, more, held)
            await store.subscribe(connection, connection_id, channel, keys, revision, self._trace())
        await cache.ring(self._valkey, connection_id)
        return Ack(type="ack", action="subscribe", channel=channel, keys=list(keys), subscriptions=held + more)

    async def _unsubscribe(self, connection_id: str, identity: Identity, topics: Topics) -> Ack:
        channel, keys, now = topics.channel.name, topics.keys, self._clock.now()
        async with self._transaction() as connection:
            await store.add_connection(connection, connection_id, identity, now)
            await store.unsubscribe(connection, connection_id, channel, keys)
            held = await store.count_subscriptions(connection, identity.user_id, now - self._limits.connection_age)
        await cache.ring(self._valkey, connection_id)
        return Ack(type="ack", action="unsubscribe", channel=channel, keys=list(keys), subscriptions=held)

    async def _list(self, connection_id: str) -> Subscriptions:
        async with self._transaction() as connection:
            found = await store.subscriptions(connection, connection_id)
        items = [SubscriptionItem(channel=channel, key=key) for channel, key in found]
        return Subscriptions(type="subscriptions", items=items, limit=self._limits.subscriptions)

    async def _get(self, topics: Topics) -> Snapshot | Snapshots:
        found: dict[str, Any]
        if topics.channel.owned and topics.channel.lossless:
            from fullon.streams import records  # few ask for it: a cold start does without

            async with self._transaction() as connection:
                found = await records.latest(connection, topics)
        else:
            found = await cache.latest(self._valkey, topics, self._processes)
        channel, ts = topics.channel.name, to_milliseconds(self._clock.now())
        if len(topics.keys) == 1 and not topics.keys[0].endswith(EVERY):
            [(key, data)] = found.items()
            return Snapshot(type="snapshot", channel=channel, key=key, seq=0, ts=ts, data=data)
        items = [SnapshotItem(key=key, ts=ts, data=data) for key, data in found.items()]
        return Snapshots(type="snapshots", channel=channel, items=items)


def _check_rights(identity: Identity, channel: Channel) -> None:
    if Scope.READ not in identity.scopes:
        raise ChannelForbidden(channel.name, "the scope read")
    if channel.admin and not identity.is_admin:
        raise ChannelForbidden(channel.name, "the role and scope admin")
