"""Waiting for what another process or task is about to do: bounded, never on time itself."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 90, what: str = "it") -> None:
    """Wait until ``condition`` holds; the test fails when it does not within ``seconds``."""
    end = time.monotonic() + seconds
    for _ in iter(lambda: time.monotonic() < end, False):
        answer = condition()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds:g} s")
