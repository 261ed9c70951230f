"""User streams: who listens to an account, and the listen keys by which a stream connection is let in.

An event is sent when it is in force, before the request that caused it is answered, as it can happen on a real venue.
Events of an account are in order unless a fault has them otherwise.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from local.paper.errors import VenueError
from local.paper.exchange import Exchange
from local.paper.feeds import Moment
from local.paper.trading.events import message
from local.paper.trading.faults import TradingFaults
from local.paper.trading.records import Records
from local.paper.trading.state import Event

LISTEN_KEY_MS = 60 * 60_000
#: An event held back to change places with the next goes alone if none comes within this time.
_HELD_SECONDS = 0.5


class Listener(Protocol):
    """Someone who is told of an account's events."""

    def receive(self, data: bytes) -> None:
        """Take one event as JSON."""


class UserStreams:
    """The user streams of the venue.

    Args:
        exchange: the market, for precision and time.
        records: where listen keys are kept.
        faults: what is to go wrong.
        offset: milliseconds by which the stated time is off.
        wall: wall time in epoch milliseconds; listen keys end by it.
        monotonic: wall seconds on a scale that never goes back.
    """

    def __init__(
        self,
        exchange: Exchange,
        records: Records,
        faults: TradingFaults,
        offset: Callable[[], int],
        wall: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._exchange = exchange
        self._records = records
        self._faults = faults
        self._offset = offset
        self._wall = wall
        self._monotonic = monotonic
        self._listeners: dict[int, list[Listener]] = {}
        self._held: dict[int, tuple[bytes, float]] = {}
        self._keys = {key: (account, until) for key, account, until in records.listen_keys()}
        self._feeds: dict[str, list[UserFeed]] = {}

    def join(self, account: int, listener: Listener) -> None:
        """Tell ``listener`` of everything from now on."""
        self._listeners.setdefault(account, []).append(listener)

    def leave(self, account: int, listener: Listener) -> None:
        """Tell it no more."""
        listeners = self._listeners.get(account, [])
        if listener in listeners:
            listeners.remove(listener)

    def publish(self, event: Event) -> None:
        """Send an event to those who listen to its account, or do with it what the faults ask for."""
        account, streams = event.account, self._faults.streams
        if not self._listeners.get(account) or streams.silent:
            return
        data = orjson.dumps(message(event, self._exchange, self._stated_time()))
        held = self._held.pop(account, None)
        if held is None and self._faults.draw(streams.reorder):
            self._held[account] = (data, self._monotonic())
            return
        for each in (data,) if held is None else (data, held[0]):
            for _ in range(1 + self._faults.draw(streams.duplicate)):
                self._send(account, each)

    def tick(self) -> None:
        """Send what was held back long enough, and end listen keys that nobody kept alive."""
        for account, (data, since) in list(self._held.items()):
            if self._monotonic() - since >= _HELD_SECONDS:
                del self._held[account]
                self._send(account, data)
        for key, (_, until) in list(self._keys.items()):
            if until < self._wall():
                self._end(key)

    def open_key(self, account: int) -> str:
        """The listen key of an account, made or made to last another hour."""
        key = next((key for key, (owner, _) in self._keys.items() if owner == account), None) or secrets.token_hex(32)
        self._keep(key, account)
        return key

    def keep_key(self, key: str, account: int) -> None:
        """Let a listen key last another hour; raises VenueError where it is not the account's."""
        if self._keys.get(key, (None,))[0] != account:
            raise VenueError(-1125, "This listenKey does not exist.")
        self._keep(key, account)

    def close_key(self, key: str, account: int) -> None:
        """End a listen key; raises VenueError where it is not the account's."""
        if self._keys.get(key, (None,))[0] != account:
            raise VenueError(-1125, "This listenKey does not exist.")
        self._end(key)

    def feed(self, stream: str) -> UserFeed | None:
        """The stream of a listen key; None where there is no such key."""
        if stream not in self._keys:
            return None
        feed = UserFeed(self, stream, self._keys[stream][0])
        self._feeds.setdefault(stream, []).append(feed)
        self.join(feed.account, feed)
        return feed

    def end_feed(self, feed: UserFeed) -> None:
        """Nobody listens to it any more."""
        self.leave(feed.account, feed)
        feeds = self._feeds.get(feed.key, [])
        if feed in feeds:
            feeds.remove(feed)

    def _keep(self, key: str, account: int) -> None:
        until = self._wall() + LISTEN_KEY_MS
        self._records.put_listen_key(key, account, until)
        self._keys[key] = (account, until)

    def _end(self, key: str) -> None:
        self._records.drop_listen_key(key)
        del self._keys[key]
        ended: dict[str, Any] = {"e": "listenKeyExpired", "E": self._stated_time(), "listenKey": key}
        for feed in self._feeds.pop(key, []):
            self.leave(feed.account, feed)
            feed.receive(orjson.dumps(ended))

    def _send(self, account: int, data: bytes) -> None:
        for listener in list(self._listeners.get(account, [])):
            listener.receive(data)

    def _stated_time(self) -> int:
        return self._exchange.clock.now() + self._offset()


class UserFeed:
    """The stream of a listen key, for stream connections: what has happened since the last tick."""

    def __init__(self, streams: UserStreams, key: str, account: int) -> None:
        self._streams = streams
        self._waiting: list[bytes] = []
        self.key = key
        self.account = account

    def receive(self, data: bytes) -> None:
        self._waiting.append(data)

    def advance(self, _: Moment) -> list[bytes]:
        """What there is to send."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def end(self) -> None:
        """Nobody listens any more."""
        self._streams.end_feed(self)
