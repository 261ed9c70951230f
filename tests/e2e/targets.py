"""What the end-to-end tests run against, chosen by ``FULLON_E2E_TARGET``.

``run`` (the default)
    The platform of ``make run``, started for the tests.
``container``
    One ASGI server, the daemons and the stores as on a plain server, started for the tests.
``rehearse``
    The templates in an emulator, which run already (``make rehearse`` starts them and then these tests):
    ``FULLON_E2E_URL`` is the HTTP API, ``FULLON_E2E_WS_URL`` the WebSocket API with its whole path (default: the same
    host, ``/ws``), ``FULLON_E2E_VENUE_URL`` the paper venue (``--speed 60 --control``), ``FULLON_E2E_ADMIN`` and
    ``FULLON_E2E_PASSWORD`` log in, and ``FULLON_E2E_LOGS`` is a folder of ``*.log`` files, if there is one.

The marker ``targets("run", reason="…")`` keeps a test to the targets that have what it needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.e2e.container import running_container
from tests.e2e.platform import ADMIN, Platform, running_platform

TARGETS = ("run", "container", "rehearse")
SPEED = "60"
"""Seconds of the venue's time in one of the wall clock's."""


def chosen_target(environment: Mapping[str, str] = os.environ) -> str:
    """The name of the chosen target."""
    target = environment.get("FULLON_E2E_TARGET") or "run"
    if target not in TARGETS:
        raise pytest.UsageError(f"FULLON_E2E_TARGET is {target!r}; there are {', '.join(TARGETS)}.")
    return target


@contextmanager
def chosen_platform(environment: Mapping[str, str] = os.environ) -> Iterator[Platform]:
    """The platform of the chosen target, for the length of the block."""
    target = chosen_target(environment)
    if target == "rehearse":
        yield attached(target, environment)
    elif target == "container":
        with running_container(SPEED) as container:
            yield container
    else:
        with running_platform({"FULLON_PAPER_SPEED": SPEED, "FULLON_PAPER_CONTROL": "1"}) as platform:
            yield platform


def attached(target: str, environment: Mapping[str, str]) -> Platform:
    """A platform that runs already, by the addresses in the environment."""
    missing = [
        name for name in ("FULLON_E2E_URL", "FULLON_E2E_VENUE_URL", "FULLON_E2E_PASSWORD") if not environment.get(name)
    ]
    if missing:
        raise pytest.UsageError(f"The target {target!r} runs already, so {', '.join(missing)} must be set.")
    url = environment["FULLON_E2E_URL"].rstrip("/")
    logs = environment.get("FULLON_E2E_LOGS")
    return Platform(
        target=target,
        url=url,
        websocket_url=environment.get("FULLON_E2E_WS_URL") or _beside(url),
        venue_url=environment["FULLON_E2E_VENUE_URL"].rstrip("/"),
        admin=environment.get("FULLON_E2E_ADMIN") or ADMIN,
        password=environment["FULLON_E2E_PASSWORD"],
        logs=Path(logs) if logs else None,
    )


def _beside(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(scheme="wss" if parts.scheme == "https" else "ws", path=f"{parts.path}/ws"))
