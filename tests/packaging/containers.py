"""Containers without an engine: processes with an image's environment, user and commands, and nothing of ours."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.packaging.image import Stage

START_SECONDS = 60.0


def account(image: Stage) -> dict[str, object]:
    """The image's user, where this process may choose one and that user can reach the interpreter."""
    user, group = map(int, image.user.split(":"))
    chosen: dict[str, object] = {"user": user, "group": group, "extra_groups": []}
    try:
        subprocess.run([image.python, "-c", ""], check=True, **chosen)  # type: ignore[call-overload]
    except (OSError, subprocess.CalledProcessError):
        return {}
    os.chown(image.inside("/tmp"), user, group)
    return chosen


def healthcheck(image: Stage) -> subprocess.CompletedProcess[str]:
    """What the container service is told."""
    return subprocess.run(
        image.arguments(image.health), env=image.variables(), cwd=image.inside("."),
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@contextmanager
def running(image: Stage, command: tuple[str, ...], settings: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A container of the image: its environment and the settings, and nothing of ours."""
    process: subprocess.Popen[str] = subprocess.Popen(
        image.arguments(command), env=image.variables() | settings, cwd=image.inside("."),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **account(image),
    )  # type: ignore[call-overload]  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        print(process.communicate()[0])


def until(condition: Callable[[], bool], process: subprocess.Popen[str], what: str) -> None:
    """Wait for something of a running container; its end is a failure."""
    end = time.monotonic() + START_SECONDS
    while not condition():
        assert process.poll() is None, f"the daemon ended with {process.returncode} before {what}"
        assert time.monotonic() < end, f"not {what} within {START_SECONDS:g} s"
        time.sleep(0.1)


def settings_for(platform: str, candles: str, valkey_url: str) -> dict[str, str]:
    """What a container is told."""
    return {
        "DATABASE_URL": platform,
        "DB_OHLCV_NAME": candles.rsplit("/", 1)[1],
        "REDIS_URL": valkey_url,
        "JWT_SECRET_KEY": secrets.token_urlsafe(48),
        "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(24),
    }
