"""One run of the reconciler: the container service is brought to what is wanted, and every step is put on the trail.

EventBridge asks every minute and may be told that nothing has changed; anybody else, such as a deployment, gets a run
that looks at everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from fullon.audit import service as audit
from fullon.fleet.reconciler import Step
from fullon.fleet.upkeep import ACTOR, Upkeep
from fullon.kernel.clock import Clock
from fullon.kernel.ids import new_id
from fullon.runtime import manifest
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings

if TYPE_CHECKING:
    from fullon.fleet.store import Connection

Event = Mapping[str, Any]
Answer = Callable[[Event], Awaitable[dict[str, Any]]]

_SCHEDULER = "aws.events"
_ACTIONS = {"correct": "service.reconcile", "put_down": "service.put_down"}


def create(container: Container) -> Answer:
    """The function over ``container``; it remembers from one run to the next when all was in order."""
    daemons = manifest.load().daemons
    names = [daemon.name for daemon in daemons]
    upkeep = Upkeep(
        container.ecs(names, attempts=1),  # within the time that a transaction may stand idle; the next run is near
        container.transaction,
        names,
        defaults(container.settings, {daemon.name: daemon.desired for daemon in daemons}),
        container.clock,
        note_with(container.clock),
    )

    async def answer(event: Event) -> dict[str, Any]:
        done = await upkeep.run(new_id().hex, thorough=event.get("source") != _SCHEDULER)
        return {
            "looked": done.looked,
            "steps": [
                {"service": step.service, "action": step.kind, "from": step.found, "to": step.desired}
                for step in done.taken
            ],
            "refused": list(done.refused),
        }

    return answer


def defaults(settings: Settings, manifest_counts: Mapping[str, int]) -> dict[str, int]:
    """Tasks that a fresh installation runs: of the services that the settings name, else what the manifest says."""
    if "services_to_auto_start" not in settings.model_fields_set:
        return dict(manifest_counts)
    return {name: int(name in settings.services_to_auto_start) for name in manifest_counts}


def note_with(clock: Clock) -> Callable[[Connection, Step], Awaitable[None]]:
    """Puts a step on the audit trail, in its transaction."""

    async def note(connection: Connection, step: Step) -> None:
        await audit.append(
            connection,
            at=clock.now(),
            actor=ACTOR,
            action=_ACTIONS[step.kind],
            subject=step.service,
            details={"found": step.found, "desired": step.desired, "reason": step.reason},
        )

    return note
