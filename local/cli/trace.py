"""`fullon trace`: the spans of one request as a tree, through all processes that had a part in it.

Spans are kept of the first requests of each second (TRACES_PER_SECOND) and of those that ask for it by a `traceparent`
header whose last digits are 01. Of every other request the logs know its trace, and are shown instead.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.cli import logs
from local.cli.errors import CommandFailed
from local.cli.output import print_json, print_table, say
from local.cli.platform import this_home
from local.home import Home

LATEST = 20
SHOWN = ("http.route", "http.response.status_code", "db.namespace", "faas.coldstart", "error.type")


@dataclass(frozen=True)
class Span:
    """One span; times are epoch nanoseconds."""

    trace_id: str
    span_id: str
    parent_id: str | None
    component: str
    name: str
    start: int
    end: int
    failed: bool
    attributes: dict[str, Any]

    @property
    def milliseconds(self) -> float:
        """How long it took."""
        return (self.end - self.start) / 1e6


def spans(file: Path, trace_id: str | None = None) -> Iterator[Span]:
    """The spans in a file and in those put aside from it, of one trace or all."""
    wanted = trace_id.encode() if trace_id else b""
    for path in [*sorted(file.parent.glob(f"{file.name}.*"), reverse=True), file]:
        if path.exists():
            for line in path.read_bytes().splitlines():
                if wanted in line:
                    yield from _of(line)


def tree(found: Iterable[Span]) -> Iterator[tuple[int, Span]]:
    """Each span with its depth, callers before what they called, in the order of their beginning.

    One whose caller is not among them (it was not kept, or is the client) stands at the top.
    """
    every = sorted(found, key=lambda span: (span.start, -span.end))
    known = {span.span_id for span in every}
    below: dict[str | None, list[Span]] = defaultdict(list)
    for span in every:
        below[span.parent_id if span.parent_id in known else None].append(span)
    waiting = [(0, span) for span in reversed(below[None])]
    while waiting:
        depth, span = waiting.pop()
        yield depth, span
        waiting += [(depth + 1, child) for child in reversed(below[span.span_id])]


def show(identifier: str | None, *, as_json: bool) -> None:
    """Print one trace, or the latest."""
    home = this_home()
    if identifier is None:
        _show_latest(home, as_json=as_json)
        return
    trace_id = logs.trace_id_of(identifier)
    if not logs.TRACE.fullmatch(trace_id):
        trace_id = _trace_of_request(home, identifier.strip())
    found = list(spans(home.spans, trace_id))
    if as_json:
        print_json({"trace_id": trace_id, "spans": [{"depth": depth, **asdict(span)} for depth, span in tree(found)]})
        return
    if not found:
        say(
            f"No spans were kept of the trace {trace_id}: only so many requests a second are sampled "
            "(TRACES_PER_SECOND), or those that ask for it by `traceparent: 00-…-…-01`. Its log lines:"
        )
        logs.show([], follow=False, request_id=None, since=None, lines=200, as_json=False, trace_id=trace_id)
        return
    start = min(span.start for span in found)
    whole = (max(span.end for span in found) - start) / 1e6
    processes = len({span.component for span in found})
    say(f"trace {trace_id} at {_clock(start)}: {len(found)} spans of {processes} components, {whole:.1f} ms")
    print_table(
        ["component", "span", "after ms", "took ms", ""],
        [
            [
                span.component,
                "  " * depth + span.name,
                f"{(span.start - start) / 1e6:.1f}",
                f"{span.milliseconds:.1f}",
                " ".join([*(["failed"] if span.failed else []), *_facts(span)]),
            ]
            for depth, span in tree(found)
        ],
    )


def _show_latest(home: Home, *, as_json: bool) -> None:
    traces: dict[str, list[Span]] = defaultdict(list)
    for span in spans(home.spans):
        traces[span.trace_id].append(span)
    latest = sorted(traces.items(), key=lambda item: min(span.start for span in item[1]))[-LATEST:]
    rows = []
    for trace_id, found in latest:
        first = min(found, key=lambda span: span.start)
        route = next((span.name for span in found if "http.route" in span.attributes), first.name)
        took = (max(span.end for span in found) - first.start) / 1e6
        failed = any(span.failed for span in found)
        rows.append((_clock(first.start), trace_id, route, len(found), round(took, 1), "failed" if failed else ""))
    columns = ["at", "trace", "what", "spans", "took ms", ""]
    if as_json:
        print_json(
            [dict(zip(("at", "trace_id", "name", "spans", "took_ms", "outcome"), row, strict=True)) for row in rows]
        )
    elif rows:
        print_table(columns, rows)
    else:
        say("No spans are kept yet. Start the platform with `fullon up` and ask it something.")


def _trace_of_request(home: Home, request_id: str) -> str:
    needle = request_id.encode()
    for path in sorted(home.logs.rglob("*.log*")):
        for line in path.read_bytes().splitlines():
            if needle in line and line.startswith(b"{"):
                try:
                    fields = json.loads(line)
                except ValueError:
                    continue
                if request_id in (fields.get("request_id"), fields.get("invocation_id")) and fields.get("trace_id"):
                    return str(fields["trace_id"])
    raise CommandFailed(
        f"There is no trace or request {request_id} in {home.logs}.", "`fullon trace` lists the latest."
    )


def _of(line: bytes) -> Iterator[Span]:
    try:
        for resource in json.loads(line)["resourceSpans"]:
            component = str(_attributes(resource["resource"]["attributes"])["service.name"])
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    yield Span(
                        trace_id=span["traceId"],
                        span_id=span["spanId"],
                        parent_id=span.get("parentSpanId"),
                        component=component,
                        name=span["name"],
                        start=int(span["startTimeUnixNano"]),
                        end=int(span["endTimeUnixNano"]),
                        failed=span["status"].get("code") == 2,
                        attributes=_attributes(span["attributes"]),
                    )
    except (KeyError, TypeError, ValueError):  # half a line, after a crash or a full disk
        return


def _attributes(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {entry["key"]: next(iter(entry["value"].values())) for entry in entries}


def _facts(span: Span) -> list[str]:
    return [f"{name.rpartition('.')[2]}={span.attributes[name]}" for name in SHOWN if name in span.attributes]


def _clock(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
