"""Who listens to which stream, and the tick that carries the market to them: twenty times a second, whatever the speed.

There is one feed for a stream however many listen to it; each of its messages is framed once for plain sockets and
once for combined ones, and a socket gets all the frames of a tick in one write.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from local.paper import frames
from local.paper.exchange import Exchange, Instrument
from local.paper.faults import Burst, Faults
from local.paper.feeds import Feed, Moment, open_feed
from local.paper.order_book import OrderBooks

TICK_SECONDS = 0.05
_BURST_SECONDS = 0.004
_BURST_VARIANTS = 64

logger = logging.getLogger(__name__)


class Subscriber(Protocol):
    """A socket, as the hub sees it."""

    combined: bool

    def add(self, frame: bytes) -> None:
        """Keep a frame for the next flush."""

    def flush(self, wall: float) -> None:
        """Write what was kept."""

    def keep_alive(self, wall: float, stated_time: int) -> None:
        """Ping, or give up."""

    def abort(self) -> None:
        """Drop the connection without a word."""

    def end(self, code: int, reason: str) -> None:
        """Close the connection with a reason."""


@dataclass
class _Subscription:
    feed: Feed | None
    subscribers: set[Subscriber] = field(default_factory=set)


class Hub:
    """The streams of the venue.

    Args:
        exchange: the market.
        books: order books, shared with REST.
        faults: what is to go wrong.
        monotonic: wall seconds on a scale that never goes back.
        private: the feed of a listen key, None for a name that is none.
    """

    def __init__(
        self,
        exchange: Exchange,
        books: OrderBooks,
        faults: Faults,
        monotonic: Callable[[], float],
        private: Callable[[str], Feed | None] = lambda _: None,
    ) -> None:
        self._exchange = exchange
        self._books = books
        self._faults = faults
        self._monotonic = monotonic
        self._private = private
        self._subscriptions: dict[str, _Subscription] = {}
        self._subscribers: set[Subscriber] = set()
        self._update_id = 0
        self._ticks = 0

    def join(self, subscriber: Subscriber) -> None:
        """A socket has opened."""
        self._subscribers.add(subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """A socket has closed."""
        self._subscribers.discard(subscriber)
        for stream in [name for name, each in self._subscriptions.items() if subscriber in each.subscribers]:
            self.unsubscribe(stream, subscriber)

    def subscribe(self, stream: str, subscriber: Subscriber) -> None:
        """Send ``stream`` to ``subscriber`` from the next tick on."""
        subscription = self._subscriptions.get(stream)
        if subscription is None:
            subscription = _Subscription(self._private(stream) or open_feed(stream, self._exchange, self._books))
            self._subscriptions[stream] = subscription
        subscription.subscribers.add(subscriber)

    def unsubscribe(self, stream: str, subscriber: Subscriber) -> None:
        """Send it no more; what was not subscribed to is ignored, as Binance does."""
        subscription = self._subscriptions.get(stream)
        if subscription is None:
            return
        subscription.subscribers.discard(subscriber)
        if not subscription.subscribers:
            del self._subscriptions[stream]
            if subscription.feed is not None:
                subscription.feed.end()

    def streams(self, subscriber: Subscriber) -> list[str]:
        """What ``subscriber`` listens to."""
        return [name for name, each in self._subscriptions.items() if subscriber in each.subscribers]

    def abort_all(self) -> None:
        """Drop every socket without a close frame."""
        for subscriber in list(self._subscribers):
            subscriber.abort()

    def end_all(self) -> None:
        """Close every socket because the venue goes away."""
        for subscriber in list(self._subscribers):
            subscriber.end(1001, "going away")

    def tick(self) -> None:
        """Send everything that has happened since the last tick."""
        wall = self._monotonic()
        now = self._exchange.clock.now()
        moment = Moment(now, now + self._faults.clock_offset_ms, wall, self._next_update_id())
        touched: set[Subscriber] = set()
        for stream, subscription in self._rotated():
            if subscription.feed is not None and (messages := subscription.feed.advance(moment)):
                touched |= self._deliver(stream, subscription, messages)
        for subscriber in touched:
            subscriber.flush(wall)
        for subscriber in list(self._subscribers):
            subscriber.keep_alive(wall, moment.event_time)

    async def run(self) -> None:
        """Tick until cancelled; bursts in between when one is asked for."""
        while True:
            began = self._monotonic()
            try:
                self.tick()
            except Exception:  # one bad feed must not end the streams of all; the log names it
                logger.exception("tick failed")
            burst = self._faults.burst
            if burst is not None and burst.until > began:
                await self._burst(burst)
            else:
                await asyncio.sleep(max(0.0, TICK_SECONDS - (self._monotonic() - began)))

    def _rotated(self) -> list[tuple[str, _Subscription]]:
        """All subscriptions, each tick from another one on.

        ccxt.pro hands out only the first of the updates that arrive together; in a fixed order it would be the same
        symbol for ever.
        """
        every = list(self._subscriptions.items())
        self._ticks += 1
        start = (self._ticks * 2_654_435_761 >> 16) % len(every) if every else 0
        return every[start:] + every[:start]

    def _deliver(self, stream: str, subscription: _Subscription, messages: list[bytes]) -> set[Subscriber]:
        prefix = b'{"stream":"%b","data":' % stream.encode()
        plain = combined = b""
        for subscriber in subscription.subscribers:
            if subscriber.combined:
                combined = combined or b"".join([frames.text(prefix + message + b"}") for message in messages])
                subscriber.add(combined)
            else:
                plain = plain or b"".join([frames.text(message) for message in messages])
                subscriber.add(plain)
        return subscription.subscribers

    async def _burst(self, burst: Burst) -> None:
        """Send ``bookTicker`` messages at the rate asked for, with ordinary ticks in between."""
        tails = {name: _quotes(each, self._exchange.clock.now()) for name, each in self._exchange.instruments.items()}
        began = ticked = self._monotonic()
        sent = 0
        while self._faults.burst is burst and (wall := self._monotonic()) < burst.until:
            due = int((wall - began) * burst.ticks_per_second)
            wanted = [name for name in tails if f"{name.lower()}@bookTicker" in self._subscriptions]
            wanted = list(tails) if "!bookTicker" in self._subscriptions else wanted
            messages: dict[str, list[bytes]] = {name: [] for name in wanted}
            for number in range(sent, due if wanted else sent):
                name = wanted[number % len(wanted)]
                tail = tails[name][number // len(wanted) % _BURST_VARIANTS]
                messages[name].append(b'{"u":%d%b' % (self._next_update_id(), tail))
            self._faults.burst_sent = sent = due
            self._send_burst(messages, wall)
            if wall - ticked >= TICK_SECONDS:
                ticked = wall
                self.tick()
            await asyncio.sleep(_BURST_SECONDS)
        logger.info("burst ended", extra={"messages": sent, "seconds": round(self._monotonic() - began, 3)})

    def _send_burst(self, messages: dict[str, list[bytes]], wall: float) -> None:
        touched: set[Subscriber] = set()
        for name, batch in messages.items():
            for stream in (f"{name.lower()}@bookTicker", "!bookTicker"):
                if batch and (subscription := self._subscriptions.get(stream)):
                    touched |= self._deliver(stream, subscription, batch)
        for subscriber in touched:
            subscriber.flush(wall)

    def _next_update_id(self) -> int:
        self._update_id = max(self._update_id + 1, self._exchange.clock.microseconds())
        return self._update_id


def _quotes(instrument: Instrument, now: int) -> list[bytes]:
    """Everything of a ``bookTicker`` message after its update id, for a price that moves by a tick each time."""
    symbol, quote = instrument.symbol, instrument.quote(now)
    return [
        (
            f',"s":"{symbol.id}","b":"{symbol.price(quote.bid + step)}","B":"{symbol.quantity(quote.bid_quantity)}"'
            f',"a":"{symbol.price(quote.ask + step)}","A":"{symbol.quantity(quote.ask_quantity)}"}}'
        ).encode()
        for step in range(_BURST_VARIANTS)
    ]
