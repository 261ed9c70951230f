"""Which trace the present work belongs to, and spans of it; costs next to nothing while tracing is off.

A trace id is on every log line whether spans are kept or not. It comes in by the W3C header ``traceparent`` or by AWS
X-Ray's header, which name the same 128 bits, and goes on in rows and events as a ``traceparent``. Spans are kept only
of traces that are marked as sampled, and only if there is a place for them: ``TRACES_FILE`` (OTLP as JSON lines) or
``OTEL_EXPORTER_OTLP_ENDPOINT``. OpenTelemetry's SDK is imported with the first such span and not before
(:mod:`fullon.runtime.spans`): 40 ms that a cold start without tracing does not pay.

Sources: W3C Trace Context, level 1; AWS X-Ray Developer Guide, "Tracing header"; OpenTelemetry, "X-Ray trace id".
"""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Literal, NamedTuple

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Facts = Mapping[str, str | int | float | bool]

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_XRAY_ROOT = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})")
_XRAY = re.compile(r"Root=1-([0-9a-f]{8})-([0-9a-f]{24})(?:;Parent=([0-9a-f]{16}))?(?:;Sampled=([01]))?")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")
_SDK_METRICS = "opentelemetry.sdk.metrics"
_NOTHING: AbstractContextManager[None] = nullcontext()

_log = logging.getLogger("fullon.tracing")


class Trace(NamedTuple):
    """Where in which trace the work stands.

    Attributes:
        trace_id: 32 hexadecimal digits; the first eight are the time of its beginning, as X-Ray wants it.
        span_id: 16 hexadecimal digits, of whoever caused the work; empty when nobody did.
        sampled: spans of it are to be kept.
    """

    trace_id: str
    span_id: str
    sampled: bool

    @classmethod
    def begin(cls, *, sampled: bool) -> Trace:
        """A new one."""
        return cls(f"{int(time.time()):08x}{os.urandom(12).hex()}", "", sampled)

    @property
    def traceparent(self) -> str:
        """As W3C writes it; a new trace has an arbitrary caller."""
        return f"00-{self.trace_id}-{self.span_id or os.urandom(8).hex()}-0{int(self.sampled)}"

    @property
    def xray(self) -> str:
        """As X-Ray writes it."""
        parent = f";Parent={self.span_id}" if self.span_id else ""
        return f"Root=1-{self.trace_id[:8]}-{self.trace_id[8:]}{parent};Sampled={int(self.sampled)}"


class Budget:
    """Which new traces are sampled: the first so many of each second.

    Args:
        a_second: 0 samples none.
    """

    def __init__(self, a_second: int) -> None:
        self._a_second = a_second
        self._second = 0
        self._left = 0

    def take(self) -> bool:
        """Whether this one is."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._left = second, self._a_second
        self._left -= 1
        return self._left >= 0


_current: ContextVar[Trace | None] = ContextVar("fullon_trace", default=None)
_spans: ModuleType | None = None
_component = "fullon"
_file: str | None = None
_endpoint: str | None = None


def spare_cold_starts() -> None:
    """Keep redis-py from importing the SDK's metrics, which it never uses here and takes whenever they are installed.

    Measured: 60 ms of every cold start that meets Valkey. A module that is None in ``sys.modules`` cannot be imported,
    which that library takes for an SDK that is not there. Ends with the first span.
    """
    sys.modules.setdefault(_SDK_METRICS, None)  # type: ignore[arg-type]


def configure(component: str, *, traces_file: str | None = None, otlp_endpoint: str | None = None) -> None:
    """Say who this process is and where its spans go; neither place means that none are kept."""
    global _component, _file, _endpoint, _spans
    if _spans is not None:
        _spans.stop()
    _component, _file, _endpoint, _spans = component, traces_file, otlp_endpoint, None


def is_on() -> bool:
    """Whether there is a place for spans."""
    return _file is not None or _endpoint is not None


def parse_traceparent(text: str | None) -> Trace | None:
    """The trace of a W3C header; None if it is none."""
    found = _TRACEPARENT.fullmatch(text.strip()) if text else None
    if found is None or not text or (text.startswith("00") and len(text.strip()) != 55):
        return None
    trace_id, span_id, flags = found.groups()
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return Trace(trace_id, span_id, bool(int(flags, 16) & 1))


def parse_xray(text: str | None) -> Trace | None:
    """The trace of an X-Ray header; None if it is none."""
    if not text:
        return None
    usual = _XRAY.fullmatch(text)
    if usual is not None:
        return Trace(usual[1] + usual[2], usual[3] or "", usual[4] == "1")
    parts = dict(part.strip().partition("=")[::2] for part in text.split(";"))
    root = _XRAY_ROOT.fullmatch(parts.get("Root", "").lower())
    if root is None:
        return None
    parent = parts.get("Parent", "").lower()
    return Trace(root[1] + root[2], parent if _SPAN_ID.fullmatch(parent) else "", parts.get("Sampled") == "1")


def incoming(headers: Mapping[str, str] | None, xray: str | None = None) -> Trace | None:
    """The trace that a request belongs to.

    The W3C header says which one; where X-Ray's means the same, its parent is nearer.

    Args:
        headers: with names in lower case, as an HTTP API writes them.
        xray: what the surroundings say beside the headers (Lambda's ``_X_AMZN_TRACE_ID``).
    """
    named = headers or {}
    near = parse_xray(xray) or parse_xray(named.get("x-amzn-trace-id"))
    far = parse_traceparent(named.get("traceparent"))
    if far is None or (near is not None and near.trace_id == far.trace_id and near.span_id):
        return near
    return far


def arrived(headers: Mapping[str, str], budget: Budget) -> Trace:
    """Enter the trace of a request that comes from outside, or a new one; who does not say whether to sample leaves it
    to ``budget``."""
    trace = incoming(headers) or Trace.begin(sampled=False)
    said = "traceparent" in headers or "Sampled=" in headers.get("x-amzn-trace-id", "")
    if not said:
        trace = Trace(trace.trace_id, trace.span_id, budget.take())
    enter(trace)
    return trace


def began(budget: Budget) -> Trace:
    """Enter a new trace."""
    trace = Trace.begin(sampled=budget.take())
    enter(trace)
    return trace


def enter(trace: Trace | None) -> None:
    """The work of this task, and of tasks it makes, belongs to ``trace``; None forgets the one before."""
    _current.set(trace)


def current() -> Trace | None:
    """The trace of the present work, with the innermost span as its ``span_id``."""
    trace = _current.get()
    if trace is not None and trace.sampled and _spans is not None:
        innermost: Trace = _spans.innermost(trace)
        return innermost
    return trace


def trace_id() -> str | None:
    """Of the present work, for log lines."""
    trace = _current.get()
    return trace.trace_id if trace is not None else None


def traceparent() -> str | None:
    """The present work as the cause of other work: for a row, a message or a header."""
    trace = current()
    return trace.traceparent if trace is not None else None


def is_recording() -> bool:
    """Whether spans of the present work are kept."""
    trace = _current.get()
    return trace is not None and trace.sampled and is_on()


def span(name: str, kind: Kind = "internal", facts: Facts | None = None) -> AbstractContextManager[Any]:
    """A part of the present work; gives the span, or None when it is not kept.

    Args:
        facts: attributes; never values that come from a user.
    """
    trace = _current.get()
    spans = _start() if trace is not None and trace.sampled and is_on() else None
    if spans is None:
        return _NOTHING
    found: AbstractContextManager[Any] = spans.recorded(trace, name, kind, facts)
    return found


def passed(name: str, kind: Kind, seconds: float, facts: Facts | None = None, failure: str = "") -> None:
    """A part of the present work that has ended just now, after ``seconds``; ``failure`` is the type of an error."""
    trace = _current.get()
    spans = _start() if trace is not None and trace.sampled and is_on() else None
    if spans is not None:
        spans.over(trace, name, kind, facts, seconds, failure)


def caused(traceparent: str | None, name: str, facts: Facts | None = None, start: float | None = None) -> Any:
    """A span of work that a row or message caused; whoever gets it calls its ``end()``.

    Args:
        traceparent: of the row; None, or a trace that is not sampled, gives a span that is not kept.
        start: when the work began, epoch seconds.
    """
    trace = parse_traceparent(traceparent)
    spans = _start() if trace is not None and trace.sampled and is_on() else None
    return _Unkept() if spans is None or trace is None else spans.opened(trace, name, "consumer", facts, start)


def is_kept(traceparent: str | None) -> bool:
    """Whether spans of the trace that a row names are kept."""
    trace = parse_traceparent(traceparent)
    return trace is not None and trace.sampled and is_on()


def prepare() -> None:
    """Import the SDK ahead of the first span, where there is a place for spans; for processes that live long."""
    if is_on():
        _start()


def flush() -> None:
    """Have kept spans leave; for processes that may be frozen or end."""
    if _spans is not None:
        _spans.flush()


class _Unkept:
    """A span that is not kept."""

    def end(self) -> None:
        """Nothing."""

    def set_attribute(self, name: str, value: str | float) -> None:
        """Nothing."""


def _start() -> ModuleType | None:
    """The SDK, imported and set up with the first span; None, said once, where it is not installed."""
    global _spans, _file, _endpoint
    if _spans is None:
        if sys.modules.get(_SDK_METRICS, _NOTHING) is None:
            del sys.modules[_SDK_METRICS]
        try:
            from fullon.runtime import spans
        except ImportError as error:
            _log.warning("spans are not kept", extra={"cause": repr(error)})
            _file = _endpoint = None
            return None
        spans.start(_component, _file, _endpoint)
        _spans = spans
    return _spans
