"""What waits to be sent of one topic to one subscriber. Pure.

A stream offers its next frame with :meth:`Stream.frame`, and is then told what became of it: ``sent`` or ``refused``. A
``seq`` is used up only by a frame that was sent, so there are no gaps in it.

* Of latest-value topics only a mark waits that the value has changed; the frame is made of the value of the moment it
  is sent, so a slow reader skips values and never falls behind. Final bars wait themselves, because the next bar takes
  their place in the topic.
* Trades, and changes of what belongs to a user, wait one by one, up to an allowance that the streams of a subscriber
  share; beyond it they are dropped and counted, and a ``gap`` frame says how many.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from fullon.streams import frames
from fullon.streams.model import Channel

#: Bytes of trades in one message: API Gateway bills in units of 32 KB.
MESSAGE_BYTES = 30_000


@dataclass(slots=True, eq=False)
class Topic:
    """One key of one channel, with its present value.

    Attributes:
        ts: when the value was taken up, epoch milliseconds.
        known: the value is that of now; before it is, a new subscriber waits for its snapshot.
    """

    channel: Channel
    key: str
    value: Any = None
    ts: int = 0
    known: bool = False
    heads: tuple[bytes, bytes] = (b"", b"")
    _tail: bytes | None = None

    def __post_init__(self) -> None:
        name = self.channel.name
        self.heads = (frames.head("snapshot", name, self.key), frames.head("update", name, self.key))

    def set(self, value: Any, ts: int) -> None:
        """The value is this now."""
        self.value, self.ts, self.known, self._tail = value, ts, True, None

    def tail(self) -> bytes:
        """The present value as a frame has it behind its ``seq``; written once for all subscribers."""
        if self._tail is None:
            self._tail = frames.tail(self.ts, orjson.dumps(self.value))
        return self._tail

    def frame(self, number: int, tail: bytes) -> bytes:
        """A whole frame; the first one is the snapshot."""
        return b"%s%d%s" % (self.heads[number > 1], number, tail)


class Stream(Protocol):
    """One topic on its way to one subscriber."""

    topic: Topic
    number: int

    @property
    def waits(self) -> bool:
        """Whether there is something to send."""

    def frame(self) -> bytes:
        """The next frame; asked for only when something waits and no frame of this stream is under way."""

    def sent(self) -> None:
        """The frame was taken."""

    def refused(self) -> None:
        """The frame was not taken, and is to wait again."""

    def clear(self) -> None:
        """The subscriber wants no more of it."""


class LatestStream:
    """A topic of which only the latest value counts."""

    __slots__ = ("_changed", "_final", "_finals", "_sending", "number", "topic")

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.number = 0
        self._changed = False
        self._finals: deque[bytes] = deque()
        self._final = False
        self._sending: tuple[Any, bytes] = (None, b"")

    @property
    def waits(self) -> bool:
        return self._changed or bool(self._finals)

    def change(self) -> None:
        """The topic has a new value."""
        self._changed = True

    def keep_final(self, tail: bytes) -> None:
        """The bar that is about to be replaced is final: it goes out by itself if it has not yet."""
        if self._changed:
            self._finals.append(tail)

    def frame(self) -> bytes:
        self._final = bool(self._finals)
        if self._final:
            return self.topic.frame(self.number + 1, self._finals[0])
        self._changed = False
        self._sending = (self.topic.value, self.topic.tail())
        return self.topic.frame(self.number + 1, self._sending[1])

    def sent(self) -> None:
        self.number += 1
        if self._final:
            self._finals.popleft()

    def refused(self) -> None:
        if self._final:
            return
        value, tail = self._sending
        if value is not self.topic.value and isinstance(value, dict) and value.get("final"):
            self._finals.appendleft(tail)
        else:
            self._changed = True

    def clear(self) -> None:
        self._changed = False
        self._finals.clear()


@dataclass(slots=True)
class Allowance:
    """How many trades wait for a subscriber, of all its streams, and how many may."""

    most: int
    used: int = 0


@dataclass(slots=True)
class _Chunk:
    """Trades as JSON, joined by commas."""

    data: bytes
    count: int
    ts: int


@dataclass(slots=True, eq=False)
class TradeStream:
    """A topic of which nothing is left out without a word.

    Attributes:
        held: nothing goes out before a snapshot that is still to come; what is added meanwhile follows it.
    """

    topic: Topic
    allowance: Allowance
    number: int = 0
    held: bool = False
    _snapshot: bytes | None = None
    _missed: int = 0
    _unknown: bool = False
    _chunks: deque[_Chunk] = field(default_factory=deque)
    _sending: Any = None

    @property
    def waits(self) -> bool:
        return not self.held and (self._snapshot is not None or self._unknown or bool(self._missed or self._chunks))

    def begin(self, recent: bytes) -> None:
        """The latest trades, as a snapshot shows them; what is added later follows them."""
        self._snapshot = recent
        self.held = False

    def add(self, data: bytes, count: int, ts: int) -> None:
        """More trades: ``data`` is JSON objects joined by commas, ``count`` of them."""
        if self.allowance.used + count <= self.allowance.most:
            self._chunks.append(_Chunk(data, count, ts))
            self.allowance.used += count
            return
        # What waits of this key is dropped with it: the newest is worth most, and this is one gap instead of many.
        self._missed += count + self._drop()

    def lose(self) -> None:
        """Trades were lost before they came here; nobody knows how many."""
        self._unknown = True

    def frame(self) -> bytes:
        topic = self.topic
        if self._snapshot is not None:
            self._sending = self._snapshot
            return topic.frame(self.number + 1, self._snapshot)
        if self._unknown or self._missed:
            self._sending = (self._missed, self._unknown)
            return frames.gap(topic.channel.name, topic.key, None if self._unknown else self._missed)
        self._sending = taken = [self._chunks.popleft()]
        size = len(taken[0].data)
        while self._chunks and (size := size + len(self._chunks[0].data)) <= MESSAGE_BYTES:
            taken.append(self._chunks.popleft())
        self.allowance.used -= sum(chunk.count for chunk in taken)
        data = b"[%s]" % b",".join([chunk.data for chunk in taken])
        return topic.frame(self.number + 1, frames.tail(taken[-1].ts, data))

    def sent(self) -> None:
        sending, self._sending = self._sending, None
        if isinstance(sending, tuple):
            missed, unknown = sending
            self._missed -= missed
            self._unknown = self._unknown and not unknown
            return
        self.number += 1
        if isinstance(sending, bytes):
            self._snapshot = None

    def refused(self) -> None:
        sending, self._sending = self._sending, None
        if not isinstance(sending, list):
            return
        count = sum(chunk.count for chunk in sending)
        if self._missed:
            self._missed += count  # later ones are dropped already; these join the gap
            return
        self._chunks.extendleft(reversed(sending))
        self.allowance.used += count

    def clear(self) -> None:
        self._snapshot = None
        self._missed, self._unknown = 0, False
        self._drop()

    def _drop(self) -> int:
        count = sum(chunk.count for chunk in self._chunks)
        self._chunks.clear()
        self.allowance.used -= count
        return count
