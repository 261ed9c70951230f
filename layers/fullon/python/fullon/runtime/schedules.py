"""Runs the scheduled functions of the manifest where no EventBridge does: the local gateway and the one container.

Each gets the event of an EventBridge rule with a rate: first shortly after the start, which stands for a deployment,
then at its interval, one run at a time. A run that fails is logged, and the next one comes all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from fullon.kernel.clock import Clock
from fullon.kernel.ids import new_id
from fullon.runtime.manifest import Function

Event = Mapping[str, Any]
Invoke = Callable[[str, Event], Awaitable[object]]

FIRST_AFTER_SECONDS = 10.0
"""Lets the start have the processor to itself."""

_log = logging.getLogger("fullon.schedules")


async def run(
    functions: Iterable[Function],
    invoke: Invoke,
    clock: Clock,
    *,
    region: str,
    account_id: str,
    first_after: float = FIRST_AFTER_SECONDS,
) -> None:
    """Run every function of kind ``schedule`` at its interval, until cancelled.

    Args:
        invoke: runs a function by its name with an event, and raises what it raises.
        first_after: seconds until the first run.
    """
    async with asyncio.TaskGroup() as group:
        for function in functions:
            if function.kind == "schedule":
                group.create_task(_repeat(function, invoke, clock, region, account_id, first_after))


async def _repeat(
    function: Function, invoke: Invoke, clock: Clock, region: str, account_id: str, first_after: float
) -> None:
    due = clock.monotonic() + first_after
    while True:
        await asyncio.sleep(max(0.0, due - clock.monotonic()))
        try:
            await invoke(function.name, scheduled_event(function, clock, region, account_id))
        except Exception as error:  # noqa: BLE001 - whatever ends one run, the next is due all the same
            _log.warning("scheduled run failed", extra={"function": function.name, "cause": repr(error)})
        due = max(due + function.interval_seconds, clock.monotonic())


def scheduled_event(function: Function, clock: Clock, region: str, account_id: str) -> dict[str, Any]:
    """What EventBridge sends (EventBridge user guide, "Events from scheduled rules")."""
    return {
        "version": "0",
        "id": str(new_id()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account_id,
        "time": f"{clock.now():%Y-%m-%dT%H:%M:%SZ}",
        "region": region,
        "resources": [f"arn:aws:events:{region}:{account_id}:rule/fullon-{function.name}"],
        "detail": {},
    }
