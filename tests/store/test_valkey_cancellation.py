"""A command that is cancelled is cancelled, at whatever moment that happens."""

from __future__ import annotations

import asyncio

from fullon.runtime.settings import Settings
from fullon.runtime.valkey import connect

MOMENTS = 40
"""Turns of the event loop before the cancellation: from before the connection exists to after the answer."""


async def test_a_cancelled_command_never_goes_on_as_if_nothing_was(settings: Settings) -> None:
    """On Python 3.11, wait_for() gives a result instead of the cancellation when both come in one turn."""
    ended = 0
    for moment in range(MOMENTS * 5):
        client = connect(settings)
        task = asyncio.ensure_future(client.ping())
        for _ in range(moment // 5):
            await asyncio.sleep(0)
        if task.done():
            ended += 1
        elif task.cancel():
            await asyncio.wait([task])
            assert task.cancelled(), f"cancelled in turn {moment // 5} and went on"
        await client.aclose()
    assert ended < MOMENTS * 5, "nothing was cancelled"
