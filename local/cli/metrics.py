"""`fullon metrics`: the embedded metrics in the logs of the home, added up for a while.

They are the same lines that CloudWatch reads in the cloud; here nobody else has to.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fullon.runtime.metrics import CATALOGUE, DIMENSION, Kind, Metric
from local.cli.logs import since_time
from local.cli.output import print_json, print_table, say, use_colour
from local.cli.platform import this_home

WATCH_SECONDS = 2.0
MARK = b'"_aws"'
CLEAR = "\x1b[H\x1b[2J"


@dataclass(frozen=True, slots=True)
class Sample:
    """The values of one metric in one line."""

    at: datetime
    component: str
    metric: Metric
    values: tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """One metric of one component over the whole time.

    Attributes:
        total: of a counter, its sum; of measured values, how many were kept.
        per_second: of the total.
        p50, p99, greatest: of measured values; the last too of a gauge.
        last: of a gauge.
    """

    component: str
    metric: str
    kind: str
    unit: str
    total: float | None = None
    per_second: float | None = None
    p50: float | None = None
    p99: float | None = None
    greatest: float | None = None
    last: float | None = None


class Reader:
    """Reads on in all logs of a folder; a file that was put aside is read where its place is taken."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read: dict[int, int] = {}

    def fresh(self) -> Iterator[Sample]:
        """What was written since the last call."""
        for path in sorted(self._directory.rglob("*.log*")):
            try:
                with path.open("rb") as file:
                    status = path.stat()
                    start = self._read.get(status.st_ino, 0)
                    file.seek(start if start <= status.st_size else 0)
                    data = file.read()
                    whole = data.rfind(b"\n") + 1
                    self._read[status.st_ino] = file.tell() - len(data) + whole
            except FileNotFoundError:
                continue
            for line in data[:whole].splitlines():
                if MARK in line:
                    yield from samples(line)


def samples(line: bytes) -> Iterator[Sample]:
    """The metrics of an embedded line; nothing of any other."""
    try:
        fields: dict[str, Any] = json.loads(line)
        metadata = fields["_aws"]
        at = datetime.fromtimestamp(metadata["Timestamp"] / 1000, UTC)
        for directive in metadata["CloudWatchMetrics"]:
            for entry in directive["Metrics"]:
                metric = CATALOGUE.get(entry["Name"])
                if metric is not None:
                    value = fields[metric.name]
                    values = tuple(map(float, value)) if isinstance(value, list) else (float(value),)
                    yield Sample(at, str(fields[DIMENSION]), metric, values)
    except (KeyError, TypeError, ValueError):  # somebody else's line
        return


def rows(found: Iterable[Sample], seconds: float, names: list[str]) -> list[Row]:
    """One row for each component and metric, in the order of the catalogue."""
    groups: dict[tuple[str, Metric], list[Sample]] = defaultdict(list)
    for sample in found:
        if not names or sample.component in names:
            groups[sample.component, sample.metric].append(sample)
    order = list(CATALOGUE.values())
    keys = sorted(groups, key=lambda key: (key[0], order.index(key[1])))
    return [_row(component, metric, groups[component, metric], seconds) for component, metric in keys]


def show(names: list[str], *, since: str, watch: bool, as_json: bool) -> None:
    """Print them once, or until interrupted."""
    home = this_home()
    now = datetime.now(UTC)
    seconds = (now - since_time(since, now)).total_seconds()
    reader = Reader(home.logs)
    kept: deque[Sample] = deque()
    while True:
        kept.extend(reader.fresh())
        oldest = datetime.now(UTC) - timedelta(seconds=seconds)
        kept = deque(sample for sample in kept if sample.at >= oldest)
        found = rows(kept, seconds, names)
        if as_json:
            print_json({"seconds": seconds, "metrics": [asdict(row) for row in found]})
        else:
            _print(found, since, names, again=watch)
        if not watch:
            return
        time.sleep(WATCH_SECONDS)


def percentile(values: list[float], share: float) -> float:
    """The smallest value that is not less than ``share`` of all, by nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _row(component: str, metric: Metric, found: list[Sample], seconds: float) -> Row:
    head = (component, metric.name, metric.kind.value, metric.unit)
    values = [value for sample in found for value in sample.values]
    if metric.kind is Kind.COUNT:
        return Row(*head, total=sum(values), per_second=sum(values) / seconds)
    if metric.kind is Kind.GAUGE:
        return Row(*head, greatest=max(values), last=max(found, key=lambda sample: sample.at).values[-1])
    return Row(
        *head,
        total=len(values),
        per_second=len(values) / seconds,
        p50=percentile(values, 0.5),
        p99=percentile(values, 0.99),
        greatest=max(values),
    )


def _print(found: list[Row], since: str, names: list[str], *, again: bool) -> None:
    if again and use_colour(sys.stdout):
        print(CLEAR, end="")
    if not found:
        of = f" of {', '.join(names)}" if names else ""
        say(
            f"No metrics{of} in the last {since}. Functions write them with each request, daemons every ten seconds; "
            "`fullon status` says what runs."
        )
        return
    print_table(
        ["component", "metric", "unit", "total", "per second", "p50", "p99", "greatest", "last"],
        [
            [
                row.component,
                row.metric,
                "ms" if row.unit == "Milliseconds" else "",
                *map(_number, (row.total, row.per_second, row.p50, row.p99, row.greatest, row.last)),
            ]
            for row in found
        ],
    )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value == int(value):
        return f"{int(value)}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
