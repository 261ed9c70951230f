"""`fullon services`: the daemons, through the platform's own HTTP API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from local.cli.api import Api
from local.cli.output import print_json, print_table

PATH = "/api/v1/services"
COLUMNS = ["service", "status", "desired", "running", "since", "heartbeat", "restarts/h", "last error"]


def show_all(*, as_json: bool) -> None:
    """All daemons."""
    answer = Api().call("GET", PATH)
    if as_json:
        print_json(answer)
        return
    items = answer.get("items", answer) if isinstance(answer, dict) else answer
    print_table(COLUMNS, [_row(item) for item in items])


def show_one(name: str, *, as_json: bool) -> None:
    """One daemon."""
    _show(Api().call("GET", f"{PATH}/{quote(name, safe='')}/status"), as_json=as_json)


def act(name: str, action: str, *, as_json: bool) -> None:
    """Start, stop or restart one daemon and show what became of it."""
    _show(Api().call("POST", f"{PATH}/{quote(name, safe='')}/{action}"), as_json=as_json)


def _show(answer: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        print_table(COLUMNS, [_row(answer)])


def _row(item: Mapping[str, Any]) -> list[object]:
    age = item.get("heartbeat_age_ms")
    return [
        item.get("service"),
        item.get("status"),
        item.get("desired"),
        item.get("running"),
        item.get("since"),
        None if age is None else f"{float(age) / 1000:.1f} s ago",
        item.get("restarts_last_hour"),
        item.get("last_error"),
    ]
