"""What a command prints: data on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from local.cli.errors import FAILED
from local.errors import MachineProblem


def use_colour(stream: TextIO) -> bool:
    """Whether colours help there: on a terminal that wants them."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_json_line(value: Any) -> None:
    """One JSON document on one line of standard output, at once."""
    print(json.dumps(value, ensure_ascii=False, default=str), flush=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for people: with rules on a terminal, aligned text elsewhere."""
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if use_colour(sys.stdout):
        from rich import box
        from rich.console import Console
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in texts:
            table.add_row(*(_coloured(cell) for cell in row))
        Console(highlight=False).print(table)
        return
    widths = [max(len(cell) for cell in column) for column in zip(columns, *texts, strict=True)]
    for row in [list(columns), *texts]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def say(text: str) -> None:
    """One line for a person, on standard error."""
    print(text, file=sys.stderr, flush=True)


def end_with(problem: MachineProblem) -> int:
    """Say what went wrong and return the exit code."""
    request_id = getattr(problem, "request_id", None)
    text = f"✗ {problem}" + (f" (request {request_id})" if request_id else "")
    try:
        say(f"\x1b[31m{text}\x1b[0m" if use_colour(sys.stderr) else text)
    except UnicodeEncodeError:
        say(text.encode("ascii", "replace").decode())
    return int(getattr(problem, "exit_code", FAILED))


_COLOURS = {
    "running": "green", "ready": "green", "ok": "green", "started": "green", "restarted": "green",
    "starting": "yellow", "stopping": "yellow", "restarting": "yellow", "stale": "yellow", "warning": "yellow",
    "crashed": "red", "dead": "red", "broken": "red", "not ready": "red",
}  # fmt: skip


def _coloured(cell: str) -> Any:
    from rich.text import Text

    return Text(cell, _COLOURS.get(cell, ""))
