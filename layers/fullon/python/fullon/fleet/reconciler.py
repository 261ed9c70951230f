"""What must change so that the container service runs what is wanted: pure rules, decided from what was seen.

A deployment sets the desired counts back to those of its template. Who wants what is in the database; only that counts,
so a deployment neither starts trading nor stops it. A service of which nobody ever wanted anything stays as it is, but
for the few that a fresh installation starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from fullon.fleet.model import CRASH_WINDOW, MOST_CRASHES, Service, Task, Want

ORDER_GRACE = timedelta(seconds=20)
"""So long an order of an admin may be under way; until then it is not corrected."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        found: tasks that the container service is asked to run at present.
        desired: tasks that it is to be asked for.
        want: what the decision was made on; if that has changed meanwhile, it does not hold any more.
    """

    kind: Literal["correct", "put_down"]
    service: str
    found: int
    desired: int
    reason: str
    want: Want | None


def decide(
    services: Mapping[str, Service], wants: Mapping[str, Want], defaults: Mapping[str, int], now: datetime
) -> list[Step]:
    """The steps to what is wanted, at most one a service; none when all is in order.

    Args:
        services: as the container service describes them; one that it does not have is left out.
        wants: of those that admins asked anything of.
        defaults: tasks that a fresh installation runs.
    """
    steps = (_step(service, wants.get(name), defaults.get(name, 0), now) for name, service in services.items())
    return [step for step in steps if step is not None]


def is_asleep(services: Mapping[str, Service]) -> bool:
    """Nothing runs and nothing is asked to."""
    return all(service.desired == service.running == service.pending == 0 for service in services.values())


def picture(services: Mapping[str, Service]) -> tuple[object, ...]:
    """What the decision depends on besides the wants; equal pictures lead to equal decisions."""
    return tuple(
        (name, service.desired, service.deployment, frozenset(task.task_id for task in service.tasks if task.crashed))
        for name, service in sorted(services.items())
    )


def crashes(service: Service, want: Want | None, now: datetime) -> list[Task]:
    """Tasks that crashed within the hour, and since an admin last acted; the oldest first."""
    since = max(now - CRASH_WINDOW, want.changed_at) if want is not None else now - CRASH_WINDOW
    found = [task for task in service.tasks if task.crashed and task.stopped_at is not None and task.stopped_at > since]
    return sorted(found, key=lambda task: task.stopped_at or task.created_at)


def _step(service: Service, want: Want | None, default: int, now: datetime) -> Step | None:
    if want is not None and want.failure is None and now - want.changed_at < ORDER_GRACE:
        return None
    allowed = want.allowed if want is not None else max(service.desired, default)
    crashed = crashes(service, want, now)
    if allowed > 0 and len(crashed) > MOST_CRASHES:
        reason = f"It crashed {len(crashed)} times within an hour. {crashed[-1].failure()}"
        return Step("put_down", service.name, service.desired, 0, reason, want)
    if service.desired == allowed:
        return None
    if want is None:
        reason = f"A fresh installation runs {allowed}."
    elif want.failure is not None:
        reason = "It was put down after too many crashes; only an order of an admin starts it again."
    else:
        reason = f"An admin wanted {want.desired}."
    return Step("correct", service.name, service.desired, allowed, reason, want)
