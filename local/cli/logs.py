"""`fullon logs`: every log file of the home, merged by time, with the name of the writer in front.

Our own processes write JSON lines; PostgreSQL and Valkey write their own formats. A line without a time of its own
(a stack, a print) belongs to the line before it.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fullon.runtime.metrics import DIMENSION
from local.cli.errors import CommandFailed
from local.cli.output import print_json_line, use_colour
from local.cli.platform import this_home

POLL_SECONDS = 0.2
TAIL_BYTES = 4_000_000
"""How much of the end of each file is looked at when no time is given."""
COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
POSTGRES_TIME = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) UTC ")
VALKEY_TIME = re.compile(r"^\d+:[A-Z] (\d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3}) ")
LEVELS = ("debug", "info", "warning", "error", "critical")
FOREIGN_ERROR = re.compile(r"\b(?:ERROR|FATAL|PANIC|Traceback)\b")
FOREIGN_WARNING = re.compile(r"\bWARNING\b|^# ")
TRACE = re.compile(r"(?<![0-9a-f])(?:1-([0-9a-f]{8})-([0-9a-f]{24})|([0-9a-f]{32}))(?![0-9a-f])")
DURATION = re.compile(r"(\d+)([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Line:
    """One line of a log; `at` is aware UTC, `fields` the JSON object if it was one."""

    at: datetime
    source: str
    text: str
    fields: dict[str, Any] | None


@dataclass
class LogFile:
    """A file that is read on from where the last reading ended, also when it was emptied or replaced."""

    path: Path
    source: str
    offset: int = 0
    inode: int = 0
    at: datetime = field(default_factory=lambda: datetime.fromtimestamp(0, UTC))
    rest: bytes = b""

    def read(self) -> Iterator[Line]:
        """The complete lines since the last call."""
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                first = self.inode == 0
                if not first and (status.st_ino != self.inode or status.st_size < self.offset):
                    self.offset, self.rest = 0, b""
                self.inode = status.st_ino
                file.seek(self.offset)
                data = self.rest + file.read()
                self.offset = file.tell()
        except FileNotFoundError:
            return
        *lines, self.rest = data.split(b"\n")
        for raw in lines:
            text = raw.decode(errors="replace").rstrip("\r")
            if text:
                line = parse(text, self.source, self.at)
                self.at = line.at
                yield line


def parse(text: str, source: str, previous: datetime) -> Line:
    """One line with its time: its own, or that of the line before."""
    if text.startswith("{"):
        try:
            fields = json.loads(text)
            if isinstance(fields, dict):
                return Line(_time(fields.get("ts")) or previous, source, text, fields)
        except ValueError:
            pass
    for pattern, layout in ((POSTGRES_TIME, "%Y-%m-%d %H:%M:%S.%f"), (VALKEY_TIME, "%d %b %Y %H:%M:%S.%f")):
        if found := pattern.match(text):
            at = datetime.strptime(found[1], layout).replace(tzinfo=UTC)
            return Line(at, source, text[found.end() :], None)
    return Line(previous, source, text, None)


def _time(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def since_time(text: str, now: datetime) -> datetime:
    """The time that a duration like 5m, 2h or 1d before `now` names; raises CommandFailed for anything else."""
    found = DURATION.fullmatch(text.strip())
    if found is None:
        raise CommandFailed(f"{text!r} is not a duration.", "Write 30s, 5m, 2h or 1d.")
    return now - timedelta(**{UNITS[found[2]]: int(found[1])})


def show(
    names: list[str],
    *,
    follow: bool,
    request_id: str | None,
    since: str | None,
    lines: int,
    as_json: bool,
    trace_id: str | None = None,
    level: str | None = None,
    with_metrics: bool = False,
) -> None:
    """Print what was logged, and with `follow` what will be; lines of metrics only when asked for."""
    start = since_time(since, datetime.now(UTC)) if since else None
    directory = this_home().logs
    files = _files(directory, names, {})
    if not files and not follow:
        known = sorted({file.source for file in _files(directory, [], {}).values()})
        raise CommandFailed(
            f"There is no log of {', '.join(names)}." if names else f"There are no logs in {directory}.",
            f"There are: {', '.join(known)}." if known else "Start the platform with `fullon up`.",
        )
    show_line = _Printer(as_json, with_metrics=with_metrics).show
    wanted = _Filter(request_id, start, trace_id and trace_id_of(trace_id), _rank(level), with_metrics)
    if start is None:
        for file in files.values():
            file.offset = max(0, file.path.stat().st_size - TAIL_BYTES)
    found = sorted((line for file in files.values() for line in file.read() if wanted(line)), key=lambda line: line.at)
    for line in found if start is not None else found[max(0, len(found) - lines) :]:
        show_line(line)
    while follow:
        time.sleep(POLL_SECONDS)
        files = _files(directory, names, files)
        fresh = sorted(
            (line for file in files.values() for line in file.read() if wanted(line)), key=lambda line: line.at
        )
        for line in fresh:
            show_line(line)


@dataclass(frozen=True)
class _Filter:
    request_id: str | None
    start: datetime | None
    trace_id: str | None
    rank: int
    with_metrics: bool

    def __call__(self, line: Line) -> bool:
        fields = line.fields or {}
        if self.start is not None and line.at < self.start:
            return False
        if not self.with_metrics and fields.get("event") == "metrics":
            return False
        if self.rank and _rank(_level_of(line)) < self.rank:
            return False
        if self.trace_id is not None and self.trace_id != fields.get("trace_id"):
            return False
        if self.request_id is None:
            return True
        ids = fields.get("request_id"), fields.get("invocation_id")
        return self.request_id in ids or (line.fields is None and self.request_id in line.text)


def trace_id_of(text: str) -> str:
    """The 32 digits of a trace, however it is written: alone, as a traceparent, or as X-Ray writes it."""
    found = TRACE.search(text.strip().lower())
    return "".join(part or "" for part in found.groups()) if found else text.strip()


def _rank(level: str | None) -> int:
    """How bad a level is; 0 when nothing is asked for."""
    if level is None:
        return 0
    if level.lower() not in LEVELS:
        raise CommandFailed(f"{level!r} is not a level.", f"Write {', '.join(LEVELS)}.")
    return LEVELS.index(level.lower()) + 1


def _level_of(line: Line) -> str:
    """A line's own level; of servers that write their own formats, by their words."""
    level = str((line.fields or {}).get("level", "")).lower()
    if level in LEVELS:
        return level
    if FOREIGN_ERROR.search(line.text):
        return "error"
    return "warning" if FOREIGN_WARNING.search(line.text) else "info"


class _Printer:
    def __init__(self, as_json: bool, *, with_metrics: bool) -> None:
        self._as_json = as_json
        self._with_metrics = with_metrics
        self._colour = use_colour(sys.stdout)

    def show(self, line: Line) -> None:
        if not self._with_metrics and line.fields is not None and "_aws" in line.fields:
            line = replace(line, fields=_without_metrics(line.fields))
        if self._as_json:
            at = line.at.isoformat(timespec="milliseconds")[:-6] + "Z"
            print_json_line({"source": line.source, **(line.fields or {"ts": at, "event": line.text})})
            return
        clock = f"{line.at:%H:%M:%S}.{line.at.microsecond // 1000:03}"
        prefix = f"{line.source:<10}"
        if self._colour:
            prefix = f"\x1b[{COLOURS[zlib.crc32(line.source.encode()) % len(COLOURS)]}m{prefix}\x1b[0m"
            clock = f"\x1b[2m{clock}\x1b[0m"
        print(f"{clock} {prefix} {self._text(line)}", flush=True)

    def _text(self, line: Line) -> str:
        if line.fields is None:
            return line.text
        rest = {name: value for name, value in line.fields.items() if name not in {"ts", "level", "component", "event"}}
        trace = rest.pop("exception", None)
        level = str(line.fields.get("level", "info"))
        text = " ".join([str(line.fields.get("event", "")), *(f"{name}={value}" for name, value in rest.items())])
        if level not in {"info", "debug"}:
            text = f"{level.upper()} {text}"
            if self._colour:
                text = f"\x1b[{31 if level in {'error', 'critical'} else 33}m{text}\x1b[0m"
        return f"{text}\n{trace}" if trace else text


def _without_metrics(fields: dict[str, Any]) -> dict[str, Any]:
    """A line without the members that are there for CloudWatch."""
    try:
        measured = {entry["Name"] for each in fields["_aws"]["CloudWatchMetrics"] for entry in each["Metrics"]}
    except (KeyError, TypeError):
        return fields
    return {name: value for name, value in fields.items() if name not in measured | {"_aws", DIMENSION}}


def _files(directory: Path, names: list[str], known: dict[Path, LogFile]) -> dict[Path, LogFile]:
    """The log files there are now, with the reading position of those known before."""
    found = dict(known)
    for path in sorted(directory.rglob("*.log")):
        relative = path.relative_to(directory)
        source = relative.stem if len(relative.parts) == 1 else f"{relative.parts[0]}/{relative.stem}"
        if path not in found and (not names or source in names or relative.stem in names or relative.parts[0] in names):
            found[path] = LogFile(path, source)
    return found
