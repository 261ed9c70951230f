"""One connection as the streamer sees it: one push at a time, retries, farewell. No input or output of its own."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Protocol

from fullon.streams import frames
from fullon.streams.frames import Reason
from fullon.streams.gateway import Done, Outcome, Target
from fullon.streams.model import EVERY
from fullon.streams.outgoing import Allowance, Stream, Topic

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
#: A farewell that is refused this often is left out: that the connection ends matters more.
FAREWELL_TRIES = 3


class Gateway(Protocol):
    """What carries pushes; :class:`fullon.streams.gateway.GatewayClient` does."""

    def target(self, connection_id: str) -> Target: ...

    def post(self, target: Target, body: bytes, done: Done) -> None: ...

    def look(self, target: Target, done: Done) -> None: ...

    def end(self, target: Target, done: Done) -> None: ...


class Surroundings(Protocol):
    """What a subscriber needs of the process."""

    gateway: Gateway

    def later(self, seconds: float, call: Callable[[], None]) -> Any:
        """Call back after ``seconds``; the result has ``cancel``."""

    def now(self) -> float:
        """Seconds on a scale that never goes back."""

    def pushed(self, stream: Stream) -> None:
        """A push was taken."""

    def gone(self, subscriber: Subscriber) -> None:
        """The connection does not exist any more."""


class _Stage(Enum):
    IDLE = auto()
    PUSHING = auto()
    RESTING = auto()
    LEAVING = auto()
    ENDING = auto()
    GONE = auto()


class Subscriber:
    """One connection.

    Attributes:
        keys: its subscriptions, channel and key, with the revision each was asked for at.
        streams: what it gets, by topic.
        heard_at: when the gateway last knew it.
        awaited: what to call when the first frame of a subscription has been taken, by channel and key.
    """

    def __init__(self, connection_id: str, around: Surroundings, queued_trades: int) -> None:
        self.connection_id = connection_id
        self.keys: dict[tuple[str, str], int] = {}
        self.streams: dict[Topic, Stream] = {}
        self.allowance = Allowance(queued_trades)
        self.heard_at = float("-inf")
        self.awaited: dict[tuple[str, str], Callable[[], None]] = {}
        self._around = around
        self._gateway = around.gateway
        self._target = around.gateway.target(connection_id)
        self._waiting: OrderedDict[Stream, None] = OrderedDict()
        self._stage = _Stage.IDLE
        self._sending: tuple[Stream, bytes] | None = None
        self._farewell: Reason | None = None
        self._pause = 0.0
        self._tries = 0
        self._timer: Any = None

    @property
    def leaving(self) -> bool:
        """It has been said goodbye, or is about to be."""
        return self._farewell is not None

    def wake(self, stream: Stream) -> None:
        """Something waits in a stream."""
        self._waiting[stream] = None
        if self._stage is _Stage.IDLE:
            self._pump()

    def say_bye(self, reason: Reason) -> None:
        """Send nothing more but a farewell, then end the connection."""
        if self._farewell is not None:
            return
        self._farewell = reason
        self._waiting.clear()
        if self._stage is _Stage.RESTING:
            self._timer.cancel()
            self._stage = _Stage.IDLE
        if self._stage is _Stage.IDLE:
            self._pump()

    def look(self) -> None:
        """Ask the gateway whether the connection is still there, unless a push is about to find out."""
        if self._stage is _Stage.IDLE:
            self._gateway.look(self._target, self._looked)

    def drop(self) -> None:
        """The connection is gone; nothing more is sent."""
        self._stage = _Stage.GONE
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _pump(self) -> None:
        """Send the next frame. Streams take turns."""
        if self._farewell is not None:
            self._stage = _Stage.LEAVING
            self._gateway.post(self._target, frames.bye(self._farewell), self._left)
            return
        waiting = self._waiting
        while waiting:
            stream, _ = waiting.popitem(last=False)
            if not stream.waits:
                continue
            body = stream.frame()
            self._sending = (stream, body)
            if stream.waits:
                waiting[stream] = None
            self._stage = _Stage.PUSHING
            self._gateway.post(self._target, body, self._posted)
            return
        self._stage = _Stage.IDLE

    def _posted(self, outcome: Outcome) -> None:
        if self._stage is not _Stage.PUSHING or self._sending is None:
            return  # it has gone meanwhile
        stream, _ = self._sending
        if outcome is Outcome.DONE:
            stream.sent()
            self._sending = None
            self._pause = 0.0
            self.heard_at = self._around.now()
            self._around.pushed(stream)
            if self.awaited:
                self._tell(stream.topic)
            self._pump()
        elif outcome is Outcome.GONE:
            self._around.gone(self)
        elif self._farewell is not None or self.streams.get(stream.topic) is not stream:
            self._sending = None  # nobody waits for it any more
            self._rest(_Stage.RESTING, self._again)
        else:
            if outcome is not Outcome.UNKNOWN:
                self._sending = None
                stream.refused()
                self._waiting[stream] = None
                self._waiting.move_to_end(stream, last=False)
            self._rest(_Stage.RESTING, self._again)

    def _tell(self, topic: Topic) -> None:
        """The first frame of a subscription has been taken."""
        for channel, key in list(self.awaited):
            covers = topic.key.startswith(key.removesuffix(EVERY)) if key.endswith(EVERY) else topic.key == key
            if covers and channel == topic.channel.name:
                self.awaited.pop((channel, key))()

    def _again(self) -> None:
        if self._sending is None:
            self._pump()
            return
        # Its fate is not known. The same frame with the same number does no harm to a client that counts.
        self._stage = _Stage.PUSHING
        self._gateway.post(self._target, self._sending[1], self._posted)

    def _left(self, outcome: Outcome) -> None:
        if self._stage is not _Stage.LEAVING:
            return
        self._tries += 1
        if outcome is Outcome.GONE:
            self._around.gone(self)
        elif outcome is Outcome.DONE or self._tries >= FAREWELL_TRIES:
            self._end()
        else:
            self._rest(_Stage.LEAVING, self._pump)

    def _end(self) -> None:
        self._stage = _Stage.ENDING
        self._gateway.end(self._target, self._ended)

    def _ended(self, outcome: Outcome) -> None:
        if self._stage is not _Stage.ENDING:
            return
        if outcome in (Outcome.DONE, Outcome.GONE):
            self._around.gone(self)
        else:
            self._rest(_Stage.ENDING, self._end)

    def _looked(self, outcome: Outcome) -> None:
        if outcome is Outcome.DONE:
            self.heard_at = self._around.now()
        elif outcome is Outcome.GONE and self._stage is not _Stage.GONE:
            self._around.gone(self)

    def _rest(self, stage: _Stage, then: Callable[[], None]) -> None:
        """Wait a growing while before the next try."""
        self._stage = stage
        self._pause = min(max(FIRST_PAUSE_SECONDS, self._pause * 2), LONGEST_PAUSE_SECONDS)
        wait = self._pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing
        self._timer = self._around.later(wait, then)
