"""Who gets what: subscriptions on one side, changing values on the other. No input or output of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from fullon.streams.frames import Reason
from fullon.streams.model import CHANNELS, EVERY, Channel
from fullon.streams.outgoing import LatestStream, Stream, Topic, TradeStream
from fullon.streams.subscriber import Gateway, Subscriber

#: Trades that may wait for one subscriber; their bytes are shared with all who wait for the same ones.
QUEUED_TRADES = 50_000
#: One frame in so many is looked at more closely.
SAMPLED = 64


class Fanout:
    """All subscribers and topics.

    Args:
        gateway: carries the pushes.
        later: calls back after seconds; the result can be cancelled (the loop's ``call_later``).
        now: seconds on a scale that never goes back.
        lost: told of every connection that the gateway does not know any more.
        wanted: told of a key whose present value is to be given by :meth:`know`; a key may end in ``*``.
        sampled: told of some of the frames that were taken, one in :data:`SAMPLED`.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        later: Callable[[float, Callable[[], None]], Any],
        now: Callable[[], float],
        lost: Callable[[str], None],
        wanted: Callable[[Channel, str], None],
        queued_trades: int = QUEUED_TRADES,
        sampled: Callable[[Topic], None] | None = None,
    ) -> None:
        self.gateway = gateway
        self.later = later
        self.now = now
        self.subscribers: dict[str, Subscriber] = {}
        self.pushes = 0
        self._lost = lost
        self._wanted = wanted
        self._queued_trades = queued_trades
        self._sampled = sampled
        self._topics: dict[tuple[str, str], Topic] = {}
        self._takers: dict[Topic, dict[Subscriber, Stream]] = {}
        self._every: dict[tuple[str, str], dict[Subscriber, None]] = {}

    # -- what subscribers report

    def pushed(self, stream: Stream) -> None:
        """A push was taken."""
        self.pushes += 1
        if self._sampled is not None and self.pushes % SAMPLED == 0 and isinstance(stream, LatestStream):
            self._sampled(stream.topic)

    def gone(self, subscriber: Subscriber) -> None:
        """The gateway does not know it any more."""
        self.disconnect(subscriber.connection_id)
        self._lost(subscriber.connection_id)

    # -- subscriptions

    def connect(self, connection_id: str) -> Subscriber:
        """A connection is there; nothing is pushed to it yet."""
        subscriber = self.subscribers.get(connection_id)
        if subscriber is None:
            subscriber = Subscriber(connection_id, self, self._queued_trades)
            self.subscribers[connection_id] = subscriber
        return subscriber

    def subscribe(
        self,
        connection_id: str,
        channel: Channel,
        key: str,
        revision: int,
        first: Callable[[], None] | None = None,
    ) -> None:
        """Begin a subscription, or begin it anew with another snapshot.

        Args:
            first: called when the first frame of it has been taken.
        """
        subscriber = self.connect(connection_id)
        if subscriber.leaving:
            return
        if first is not None:
            subscriber.awaited[channel.name, key] = first
        subscriber.keys[channel.name, key] = revision
        if not key.endswith(EVERY):
            topic = self._topic(channel, key)
            self._begin(subscriber, topic)
            if not topic.known or channel.lossless:
                self._wanted(channel, key)
            return
        group = key.removesuffix(EVERY)
        self._every.setdefault((channel.name, group), {})[subscriber] = None
        for topic in [topic for topic in self._takers if topic.channel is channel and topic.key.startswith(group)]:
            self._begin(subscriber, topic)
        self._wanted(channel, key)

    def unsubscribe(self, connection_id: str, channel: Channel, key: str) -> None:
        """End a subscription; what another one covers goes on."""
        subscriber = self.subscribers.get(connection_id)
        if subscriber is None or subscriber.keys.pop((channel.name, key), None) is None:
            return
        group = key.removesuffix(EVERY)
        if key.endswith(EVERY):
            self._leave_group(subscriber, channel.name, group)
        for topic in list(subscriber.streams):
            concerned = topic.key.startswith(group) if key.endswith(EVERY) else topic.key == key
            if topic.channel is channel and concerned and not _covers(subscriber, topic):
                self._leave(subscriber, topic)

    def disconnect(self, connection_id: str) -> None:
        """A connection is gone; nothing more is sent to it."""
        subscriber = self.subscribers.pop(connection_id, None)
        if subscriber is not None:
            self._mute(subscriber)
            subscriber.drop()

    def say_bye(self, connection_id: str, reason: Reason) -> None:
        """Send a connection a farewell and nothing else, then end it."""
        subscriber = self.connect(connection_id)
        self._mute(subscriber)
        subscriber.say_bye(reason)

    # -- values

    def wants(self, channel: str, key: str, group: str) -> bool:
        """Whether anybody subscribes to the key, by itself or by all of its group (``paper:``)."""
        return (channel, key) in self._topics or (channel, group) in self._every

    def wanted_keys(self) -> list[tuple[Channel, str]]:
        """Every key that is subscribed to, to be read after a loss."""
        found = {(topic.channel.name, topic.key): topic.channel for topic in self._takers}
        keys = [(channel, key) for (_, key), channel in found.items()]
        for subscriber in self.subscribers.values():
            keys += [(CHANNELS[name], key) for name, key in subscriber.keys if key.endswith(EVERY)]
        return list(dict.fromkeys(keys))

    def doubt(self) -> None:
        """Changes may have been missed: the latest values are not known until they are given or change again."""
        for topic in self._takers:
            topic.known = topic.known and topic.channel.lossless

    def know(self, channel: Channel, key: str, value: Any, ts: int) -> None:
        """The present value of a key, read from the store; of trades the latest ones, for a snapshot."""
        topic = self._topic(channel, key)
        if topic.known and not channel.lossless:
            return  # a change came in meanwhile and is newer
        same = value is None or value == topic.value
        if channel.lossless or not same:
            topic.set(value, ts)
        topic.known = True
        takers = self._takers[topic]
        if not takers:
            self._forget(topic)
        for subscriber, stream in list(takers.items()):
            if isinstance(stream, TradeStream):
                if stream.held or (not topic.channel.owned and not stream.number and not stream.waits):
                    stream.begin(topic.tail())
                    subscriber.wake(stream)
            elif isinstance(stream, LatestStream) and (not same or not stream.number):
                stream.change()
                subscriber.wake(stream)

    def change(self, channel: Channel, key: str, value: Any, ts: int) -> None:
        """A key of a latest-value channel has a new value."""
        topic = self._topic(channel, key)
        takers = self._takers[topic]
        before = topic.value
        if before is not None and before.get("final") and before["ts"] != value["ts"]:
            for stream in takers.values():
                assert isinstance(stream, LatestStream)
                stream.keep_final(topic.tail())
        topic.set(value, ts)
        if not takers:
            self._forget(topic)
        for subscriber, stream in list(takers.items()):
            assert isinstance(stream, LatestStream)
            stream.change()
            subscriber.wake(stream)

    def trades(self, channel: Channel, key: str, trades: list[Any], ts: int) -> None:
        """Trades of a key, or changes of what belongs to a user, in order."""
        topic = self._topics.get((channel.name, key))
        if topic is None:
            return
        data = orjson.dumps(trades)[1:-1]
        for subscriber, stream in list(self._takers[topic].items()):
            assert isinstance(stream, TradeStream)
            stream.add(data, len(trades), ts)
            subscriber.wake(stream)

    def lose_trades(self) -> None:
        """Trades were lost before they came here; nobody knows of which keys or how many."""
        for topic, takers in list(self._takers.items()):
            if topic.channel.owned:
                continue  # these come by another way
            for subscriber, stream in list(takers.items()):
                if isinstance(stream, TradeStream):
                    stream.lose()
                    subscriber.wake(stream)

    # -- inside

    def _topic(self, channel: Channel, key: str) -> Topic:
        topic = self._topics.get((channel.name, key))
        if topic is None:
            topic = self._topics[channel.name, key] = Topic(channel, key)
            self._takers[topic] = {}
            for (name, group), everybody in self._every.items():
                if name == channel.name and key.startswith(group):
                    for subscriber in everybody:
                        self._begin(subscriber, topic)
        return topic

    def _begin(self, subscriber: Subscriber, topic: Topic) -> None:
        before = subscriber.streams.get(topic)
        if before is not None:
            before.clear()
        stream: Stream
        if topic.channel.lossless:
            stream = TradeStream(topic, subscriber.allowance, held=topic.channel.owned)
        else:
            stream = LatestStream(topic)
            if topic.known:
                stream.change()
        subscriber.streams[topic] = self._takers[topic][subscriber] = stream
        if stream.waits:
            subscriber.wake(stream)

    def _leave(self, subscriber: Subscriber, topic: Topic) -> None:
        subscriber.streams.pop(topic).clear()
        takers = self._takers[topic]
        del takers[subscriber]
        if not takers:
            self._forget(topic)

    def _forget(self, topic: Topic) -> None:
        del self._takers[topic], self._topics[topic.channel.name, topic.key]

    def _leave_group(self, subscriber: Subscriber, channel: str, group: str) -> None:
        everybody = self._every[channel, group]
        del everybody[subscriber]
        if not everybody:
            del self._every[channel, group]

    def _mute(self, subscriber: Subscriber) -> None:
        for topic in list(subscriber.streams):
            self._leave(subscriber, topic)
        for name, key in subscriber.keys:
            if key.endswith(EVERY):
                self._leave_group(subscriber, name, key.removesuffix(EVERY))
        subscriber.keys.clear()


def _covers(subscriber: Subscriber, topic: Topic) -> bool:
    """Whether a subscription that is left covers the topic."""
    return any(
        name == topic.channel.name and (key == topic.key or (key.endswith(EVERY) and topic.key.startswith(key[:-1])))
        for name, key in subscriber.keys
    )
