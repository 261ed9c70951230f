"""Structured logs on the standard library: one JSON object a line, with what is bound to the present request or tick.

structlog was measured and left out: its import costs a cold function more than the whole of this module's work saves.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

import orjson

from fullon.runtime import metrics

_bound: ContextVar[dict[str, object]] = ContextVar("fullon_log_context", default={})  # noqa: B039 - never mutated
_layout = ""
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECRET_WORDS = ("password", "secret", "token", "authorization", "api_key", "dsn", "ticket")


@lru_cache(maxsize=1024)
def _sounds_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_WORDS)


def bind(**fields: object) -> None:
    """Add ``fields`` to every later line of this task; one that is None is left out."""
    _bound.set({**_bound.get(), **{name: value for name, value in fields.items() if value is not None}})


def clear() -> None:
    """Forget what was bound; called at the start of each request or tick."""
    _bound.set({})


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON. Fields whose names speak of secrets are masked."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        return orjson.dumps(self.fields(record), default=str).decode()

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """The line as a mapping, in the order it is written."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "component": self._component,
            "event": record.getMessage(),
        }
        line.update(_bound.get())
        line.update({name: value for name, value in vars(record).items() if name not in _STANDARD})
        for name in line:
            if _sounds_secret(name):
                line[name] = "***"
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return line


class ConsoleFormatter(JsonFormatter):
    """The same line for a person: time, level, event, then name=value pairs."""

    def format(self, record: logging.LogRecord) -> str:
        line = self.fields(record)
        head = f"{line.pop('ts')[11:23]} {line.pop('level'):7} {line.pop('component')}: {line.pop('event')}"
        trace = line.pop("exception", None)
        pairs = " ".join(f"{name}={value}" for name, value in line.items())
        return " ".join(filter(None, (head, pairs))) + (f"\n{trace}" if trace else "")


def canonical(log: logging.Logger, event: str, fields: dict[str, Any], component: str | None = None) -> None:
    """Log the one line of a request, with its metrics; where it is not written as JSON, they are left for their own.

    Args:
        component: whose metrics; by default the process's.
    """
    if _layout == "json" and log.isEnabledFor(logging.INFO):
        fields = {**fields, **metrics.take(component)}
    log.info(event, extra=fields)


def configure(component: str, level: str = "INFO", layout: str = "json", stream: TextIO | None = None) -> None:
    """Send every log of this process to ``stream`` (default: standard output), one line each.

    Args:
        component: name of the function or daemon, on every line.
        level: DEBUG, INFO, WARNING or ERROR.
        layout: ``json`` or ``console``.
    """
    global _layout
    _layout = layout
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(ConsoleFormatter(component) if layout == "console" else JsonFormatter(component))
    # What no line says need not be found out for each (Python's logging HOWTO, "Optimization"): half of a line's cost.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - the documented switch
    if hasattr(logging, "logAsyncioTasks"):
        logging.logAsyncioTasks = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in (
        "mangum",
        "ccxt",
        "botocore",
        "boto3",
        "urllib3",
        "asyncio",
        "alembic",
        "websockets",
        "aiohttp.access",
        "opentelemetry",
    ):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
