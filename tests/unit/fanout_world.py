"""A fan-out without a network: a gateway that answers when it is told to, and a clock that does not run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fullon.streams.fanout import Fanout
from fullon.streams.gateway import Done, Outcome, Target
from fullon.streams.model import OHLCV, TICKERS, TRADES, Channel

DONE, GONE, REFUSED, UNKNOWN, UNREACHABLE = (
    Outcome.DONE,
    Outcome.GONE,
    Outcome.REFUSED,
    Outcome.UNKNOWN,
    Outcome.UNREACHABLE,
)
BTC, ETH = "paper:BTC/USDT", "paper:ETH/USDT"


@dataclass
class Timer:
    """A call for later that was asked for."""

    seconds: float
    call: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class World:
    """A gateway that answers when it is told to, a clock that does not run, and a fan-out on them."""

    queued_trades: int = 100
    posts: list[tuple[str, dict[str, Any], Done]] = field(default_factory=list)
    looks: list[tuple[str, Done]] = field(default_factory=list)
    ends: list[tuple[str, Done]] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wanted: list[tuple[str, str]] = field(default_factory=list)
    recent: dict[str, list[Any]] = field(default_factory=dict)
    heard: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    clock: float = 0.0

    def __post_init__(self) -> None:
        self.fanout = Fanout(
            self,
            later=self.later,
            now=lambda: self.clock,
            lost=self.lost.append,
            wanted=self.want,
            queued_trades=self.queued_trades,
        )

    def target(self, connection_id: str) -> Target:
        return Target(connection_id.encode(), b"")

    def post(self, target: Target, body: bytes, done: Done) -> None:
        self.posts.append((target.line.decode(), json.loads(body), done))

    def look(self, target: Target, done: Done) -> None:
        self.looks.append((target.line.decode(), done))

    def end(self, target: Target, done: Done) -> None:
        self.ends.append((target.line.decode(), done))

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(seconds, call))
        return self.timers[-1]

    def want(self, channel: Channel, key: str) -> None:
        self.wanted.append((channel.name, key))
        if channel is TRADES:
            self.fanout.know(channel, key, list(self.recent.get(key, [])), 0)

    def answer(self, outcome: Outcome = DONE) -> dict[str, Any]:
        """Let the oldest push have this outcome; returns its frame."""
        connection_id, frame, done = self.posts.pop(0)
        if outcome is DONE:
            self.heard.setdefault(connection_id, []).append(frame)
        done(outcome)
        return frame

    def answer_all(self) -> list[dict[str, Any]]:
        """Let every push succeed until there is nothing more to push."""
        found = []
        while self.posts:
            found.append(self.answer())
        return found

    def wake(self) -> None:
        """Let the time of every waiting call come."""
        due, self.timers = self.timers, []
        for timer in due:
            if not timer.cancelled:
                timer.call()

    def tick(self, price: str, key: str = BTC) -> None:
        self.fanout.change(TICKERS, key, {"price": price}, 1)

    def bar(self, ts: int, close: float, *, final: bool = False) -> None:
        self.fanout.change(OHLCV, f"{BTC}:1m", {"ts": ts, "close": close, "final": final}, 1)

    def trade(self, *numbers: int, key: str = BTC) -> None:
        self.fanout.trades(TRADES, key, [{"id": str(number)} for number in numbers], 1)
        self.recent.setdefault(key, []).extend({"id": str(number)} for number in numbers)


def shown(frames: list[dict[str, Any]]) -> list[tuple[str, int, Any]]:
    return [(frame["type"], frame["seq"], frame["data"]) for frame in frames]


def numbers(frames: list[dict[str, Any]]) -> list[int]:
    """The trades of updates, by id."""
    return [int(trade["id"]) for frame in frames if frame["type"] == "update" for trade in frame["data"]]
