"""Metrics as lines of JSON on standard output, in CloudWatch's Embedded Metric Format: no agent, no call, no library.

A function's metrics travel on the one line that it logs of each request anyway (a line of their own cost 50 µs); a
daemon writes a line every minute. What is counted is summed up to then; what is measured keeps up to a hundred values,
a fair sample of more, so that percentiles are those of all. The only dimension is ``Component``, the name of the
function or daemon: every further one multiplies what CloudWatch bills, and none may come from a user.

Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format". The catalogue below is all there is; a
metric that is not in it cannot be written.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, TextIO

import orjson

from fullon.kernel.clock import Clock, SystemClock, to_milliseconds

if TYPE_CHECKING:
    from fullon.market.figures import Figures
    from fullon.orders.figures import Figures as OrderFigures

NAMESPACE = "Fullon"
DIMENSION = "Component"
#: Values of one metric in one line, by the specification.
MOST_VALUES = 100


class Kind(Enum):
    """How the values between two lines become one: added up, the last one, or each of them."""

    COUNT = "count"
    GAUGE = "gauge"
    VALUES = "values"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One entry of the catalogue; ``unit`` is CloudWatch's word. Equal only to itself, which makes counting cheap."""

    name: str
    kind: Kind
    unit: str
    meaning: str


def _count(name: str, meaning: str) -> Metric:
    return Metric(name, Kind.COUNT, "Count", meaning)


def _gauge(name: str, meaning: str, unit: str = "Count") -> Metric:
    return Metric(name, Kind.GAUGE, unit, meaning)


def _time(name: str, meaning: str) -> Metric:
    return Metric(name, Kind.VALUES, "Milliseconds", meaning)


REQUESTS = _count("Requests", "Requests of a function, socket messages and authorizer questions included.")
ERRORS = _count("Errors", "Those that ended with a status of 500 or more, or with an exception.")
LATENCY = _time("Latency", "From the request's arrival in the function to its answer.")
COLD_STARTS = _count("ColdStarts", "Invocations that had to start a process.")
INIT_DURATION = _time("InitDuration", "From the start of the process to its first invocation, imports included.")
POOL_WAIT = _time("PoolWait", "Wait for a database connection, the opening of a new one included.")

TICKS = _count("Ticks", "Ticks written to Valkey.")
TICK_DELAY = _time("TickDelay", "From a tick's arrival from the venue to Valkey having it; the oldest of each batch.")
TRADES_PUBLISHED = _count("TradesPublished", "Trades appended to the stream in Valkey.")
TRADES_STORED = _count("TradesStored", "Trades written to PostgreSQL.")
TRADE_DELAY = _time(
    "TradeDelay", "From a trade's arrival from the venue to Valkey having it; the oldest of each batch."
)
TRADES_WAITING = _gauge("TradesWaiting", "Trades in memory that PostgreSQL or Valkey does not have yet.")
CANDLES_STORED = _count("CandlesStored", "Minutes written to PostgreSQL that were new or different.")

PUSHES = _count("Pushes", "Messages that subscribers' connections have taken.")
PUSH_DELAY = _time("PushDelay", "From the streamer's having read a value in Valkey to its push being taken; a sample.")
STREAM_LAG = _gauge("StreamLag", "How much older the last trade entry read is than the newest one.", "Milliseconds")
STREAM_DEPTH = _gauge("StreamDepth", "Trade entries in Valkey that the streamer has not read yet.")
PUSHES_WAITING = _gauge("PushesWaiting", "Pushes that wait for their turn at the gateway.")
CONNECTIONS = _gauge("Connections", "WebSocket connections that the streamer knows.")
SUBSCRIPTIONS = _gauge("Subscriptions", "Their subscriptions.")

# The place of trading's figures; what handles orders records them.
ORDERS = _count("Orders", "Orders sent to a venue.")
ORDER_REJECTIONS = _count("OrderRejections", "Orders that a venue or the risk rules refused.")
ORDER_LATENCY = _time("OrderLatency", "From an order's decision to the venue's acknowledgement.")
QUEUE_DEPTH = _gauge("QueueDepth", "Orders that wait to be sent.")

CATALOGUE: dict[str, Metric] = {
    metric.name: metric for metric in list(globals().values()) if isinstance(metric, Metric)
}


@dataclass(slots=True)
class _Sample:
    """Up to a hundred values that stand for all: each had the same chance to stay."""

    values: list[float] = field(default_factory=list)
    seen: int = 0

    def add(self, value: float) -> None:
        self.seen += 1
        if len(self.values) < MOST_VALUES:
            self.values.append(value)
        elif (place := random.randrange(self.seen)) < MOST_VALUES:  # noqa: S311 - a sample, not a secret
            self.values[place] = value


class Recorder:
    """Keeps what happens until it is written.

    Args:
        component: on every line, unless a call names another.
        stream: where lines go; standard output by default.
    """

    def __init__(self, component: str, clock: Clock | None = None, stream: TextIO | None = None) -> None:
        self.component = component
        self._clock = clock or SystemClock()
        self._stream = stream
        self._kept: dict[str, dict[Metric, float | _Sample]] = {}

    def count(self, metric: Metric, done: float = 1, component: str | None = None) -> None:
        """Add to a counter."""
        kept = self._of(component)
        before = kept.get(metric, 0)
        assert not isinstance(before, _Sample)
        kept[metric] = before + done

    def gauge(self, metric: Metric, value: float, component: str | None = None) -> None:
        """Set what is so at present."""
        self._of(component)[metric] = value

    def record(self, metric: Metric, value: float, component: str | None = None) -> None:
        """Keep one measured value."""
        kept = self._of(component)
        sample = kept.get(metric)
        if sample is None:
            sample = kept[metric] = _Sample()
        assert isinstance(sample, _Sample)
        sample.add(value)

    def take(self, component: str | None = None) -> dict[str, Any]:
        """The members of a line that carry what was kept of one component, which begins anew; empty if nothing was."""
        name = component or self.component
        kept = self._kept.pop(name, None)
        if not kept:
            return {}
        members: dict[str, Any] = {
            "_aws": {"Timestamp": to_milliseconds(self._clock.now()), "CloudWatchMetrics": _directives(tuple(kept))},
            DIMENSION: name,
        }
        for metric, value in kept.items():
            members[metric.name] = [round(each, 3) for each in value.values] if isinstance(value, _Sample) else value
        return members

    @property
    def pending(self) -> bool:
        """Whether anything is kept."""
        return bool(self._kept)

    def flush(self, **properties: object) -> None:
        """Write what was kept, a line for each component, and begin anew.

        Args:
            properties: more members of the line, to find it by; no dimensions.
        """
        if not self._kept:
            return
        written = self._clock.now().isoformat(timespec="milliseconds")[:-6] + "Z"
        lines = []
        for component in list(self._kept):
            head = {"ts": written, "level": "info", "component": component, "event": "metrics"}
            lines.append(orjson.dumps({**head, **properties, **self.take(component)}, option=orjson.OPT_APPEND_NEWLINE))
        # One write, so that lines of threads do not mix.
        stream = self._stream or sys.stdout
        stream.write(b"".join(lines).decode())
        stream.flush()

    def _of(self, component: str | None) -> dict[Metric, float | _Sample]:
        name = component or self.component
        kept = self._kept.get(name)
        if kept is None:
            kept = self._kept[name] = {}
        return kept


@lru_cache(maxsize=64)
def _directives(metrics: tuple[Metric, ...]) -> list[dict[str, Any]]:
    """The part of a line that says which of its members are metrics; the same for the same metrics."""
    members = [{"Name": metric.name, "Unit": metric.unit} for metric in metrics]
    return [{"Namespace": NAMESPACE, "Dimensions": [[DIMENSION]], "Metrics": members}]


_recorder = Recorder("fullon")


def configure(component: str, clock: Clock | None = None, stream: TextIO | None = None) -> Recorder:
    """From now on what this process records is ``component``'s, unless a call names another."""
    global _recorder
    _recorder = Recorder(component, clock, stream)
    return _recorder


def count(metric: Metric, done: float = 1, component: str | None = None) -> None:
    """Add to a counter of this process."""
    _recorder.count(metric, done, component)


def gauge(metric: Metric, value: float, component: str | None = None) -> None:
    """Set what is so at present in this process."""
    _recorder.gauge(metric, value, component)


def record(metric: Metric, value: float, component: str | None = None) -> None:
    """Keep one measured value of this process."""
    _recorder.record(metric, value, component)


def take(component: str | None = None) -> dict[str, Any]:
    """What this process has kept of a component, as members of a line that is written anyway."""
    return _recorder.take(component)


def pending() -> bool:
    """Whether this process keeps anything that is not written yet."""
    return _recorder.pending


def flush(**properties: object) -> None:
    """Write what this process has kept."""
    _recorder.flush(**properties)


def collecting() -> Figures:
    """Makes metrics of what the market's collectors tell."""
    from fullon.market.figures import Figures

    def ticks_written(done: int, waited: float) -> None:
        count(TICKS, done)
        record(TICK_DELAY, waited)

    def trades_published(done: int, waited: float) -> None:
        count(TRADES_PUBLISHED, done)
        record(TRADE_DELAY, waited)

    return Figures(
        ticks_written=ticks_written,
        trades_published=trades_published,
        trades_stored=lambda done: count(TRADES_STORED, done),
        trades_waiting=lambda waiting: gauge(TRADES_WAITING, waiting),
        candles_stored=lambda done: count(CANDLES_STORED, done),
    )


def executing() -> OrderFigures:
    """Makes metrics of what the handling of orders tells."""
    from fullon.orders.figures import Figures

    return Figures(
        sent=lambda: count(ORDERS),
        refused=lambda: count(ORDER_REJECTIONS),
        acknowledged=lambda milliseconds: record(ORDER_LATENCY, milliseconds),
        waiting=lambda waiting: gauge(QUEUE_DEPTH, waiting),
    )


@contextmanager
def request(component: str | None = None) -> Iterator[None]:
    """Count a request that is no HTTP request, time it, and count an exception as its error."""
    started = perf_counter()
    failed = True
    try:
        yield
        failed = False
    finally:
        request_done((perf_counter() - started) * 1000, failed=failed, component=component)


def request_done(milliseconds: float, *, failed: bool, component: str | None = None) -> None:
    """A request has ended, after so long."""
    recorder = _recorder
    recorder.count(REQUESTS, 1, component)
    recorder.count(ERRORS, int(failed), component)
    recorder.record(LATENCY, milliseconds, component)


async def flush_forever(seconds: float) -> None:
    """Write every so often, until cancelled; the rest at the end."""
    try:
        while True:
            await asyncio.sleep(seconds)
            flush()
    finally:
        flush()
