"""Makes the running tasks of each service what is wanted: count, deployment, replacement of crashed ones.

One loop decides for all services, so nothing is decided twice. It wakes when something is asked, when a task ends, and
when a delayed restart is due.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import uuid

from local.ecs.backoff import Backoff
from local.ecs.model import MOST_EVENTS, Service, Task
from local.ecs.names import Names, new_task_id
from local.ecs.runner import Runner
from local.ecs.state import State

_log = logging.getLogger("local.ecs")

HOUSEKEEPING_SECONDS = 300.0
FAILED = {"EssentialContainerExited", "TaskFailedToStart"}


class Scheduler:
    """The service scheduler of ECS, for one machine."""

    def __init__(self, state: State, runner: Runner, names: Names, backoff: Backoff, chance: random.Random) -> None:
        self._state = state
        self._runner = runner
        self._names = names
        self._backoff = backoff
        self._chance = chance
        self._awake = asyncio.Event()
        self._closing = False

    def wake(self) -> None:
        """Something has changed."""
        self._awake.set()

    def close(self) -> None:
        """Start nothing more."""
        self._closing = True
        self.wake()

    async def run(self) -> None:
        """Reconcile until closed."""
        self._forgive_old_crashes()
        while not self._closing:
            self._awake.clear()
            wait = HOUSEKEEPING_SECONDS
            for service in list(self._state.services.values()):
                wait = min(wait, await self._reconcile(service))
            for task in [one for one in self._state.tasks.values() if one.last_status == "PROVISIONING"]:
                if not self._closing:
                    await self._runner.launch(task)
                    self.wake()
            self._state.forget_old_tasks(self._runner.now())
            try:
                async with asyncio.timeout(wait):
                    await self._awake.wait()
            except TimeoutError:
                continue

    def on_end(self, task: Task) -> None:
        """A task has ended: count it if nobody asked for that, and decide when its service tries again."""
        service = self._state.services.get((task.cluster, task.group.removeprefix("service:")))
        if service is not None and task.group == service.group and task.stop_code in FAILED:
            self._after_crash(service, task)
        self.wake()

    def event(self, service: Service, message: str) -> None:
        """Add to the service's events, newest first."""
        entry = {
            "id": str(uuid.UUID(int=self._chance.getrandbits(128), version=4)),
            "createdAt": self._runner.now(),
            "message": message,
        }
        service.events.insert(0, entry)
        del service.events[MOST_EVENTS:]

    def reset(self, service: Service) -> None:
        """An admin has acted: earlier crashes count no more."""
        service.restarts.clear()
        service.held = service.restart_due = False
        service.not_before = 0.0
        service.steady = False

    async def _reconcile(self, service: Service) -> float:
        """Stop and start what must be; returns the seconds until this service needs another look."""
        desired = service.desired if service.status == "ACTIVE" else 0
        tasks = self._state.tasks_of(service)
        current = [task for task in tasks if task.is_wanted and task.started_by == service.primary.id]
        outdated = [task for task in tasks if task.is_wanted and task.started_by != service.primary.id]
        self._stop_surplus(service, current, outdated, desired)
        service.deployments[1:] = [
            deployment
            for deployment in service.deployments[1:]
            if any(task.started_by == deployment.id for task in tasks)
        ]
        room = min(desired - len(current), max(desired * service.maximum_percent // 100, desired) - len(tasks))
        if room <= 0:
            self._note_steady(service, tasks, desired)
            if service.status == "DRAINING" and not tasks:
                service.status = "INACTIVE"
                await self._runner.save()
            return HOUSEKEEPING_SECONDS
        if service.held:
            return HOUSEKEEPING_SECONDS
        delay = service.not_before - self._runner.now()
        if delay > 0:
            return delay
        self._start(service, room)
        return HOUSEKEEPING_SECONDS

    def _stop_surplus(self, service: Service, current: list[Task], outdated: list[Task], desired: int) -> None:
        reason = f"Scaling activity initiated by (deployment {service.primary.id})"
        floor = math.ceil(desired * service.minimum_percent / 100)
        healthy = sum(1 for task in current + outdated if task.last_status == "RUNNING")
        stopped = current[desired:]
        healthy -= len(stopped)
        for task in outdated:
            if task.last_status != "RUNNING" or healthy - 1 >= floor:
                stopped.append(task)
                healthy -= 1
        for task in stopped:
            self._runner.stop(task, "ServiceSchedulerInitiated", reason)
        if stopped:
            self.event(service, self._sentence(service, f"has stopped {len(stopped)} running tasks", stopped))

    def _start(self, service: Service, count: int) -> None:
        now = self._runner.now()
        if service.restart_due:
            service.restart_due = False
            service.restarts = [*self._backoff.recent(service, now), now]
        definition = self._state.definition(service.primary.definition)
        tasks = [
            Task(
                id=new_task_id(),
                cluster=service.cluster,
                definition=definition.arn,
                container=str(definition.container["name"]),
                group=service.group,
                started_by=service.primary.id,
                created_at=now,
                launch_type=service.launch_type,
            )
            for _ in range(count)
        ]
        self._state.tasks |= {task.id: task for task in tasks}
        service.steady = False
        self.event(service, self._sentence(service, f"has started {count} tasks", tasks))

    def _after_crash(self, service: Service, task: Task) -> None:
        for deployment in service.deployments:
            if deployment.id == task.started_by:
                deployment.failed_tasks += 1
        if task.started_by != service.primary.id or service.desired == 0 or service.held:
            return
        now = self._runner.now()
        restarts = len(self._backoff.recent(service, now))
        delay = self._backoff.delay(restarts, self._chance)
        facts = {"service": service.name, "exit_code": task.exit_code, "restarts_last_hour": restarts}
        if delay is not None:
            service.restart_due = True
            service.not_before = now + delay
            _log.warning("daemon crashed", extra={**facts, "next_try_seconds": round(delay, 1)})
            return
        service.held = True
        self.event(
            service,
            f"(service {service.name}) is unable to consistently start tasks successfully: {restarts} restarts within "
            "an hour. It stays down until it is started again.",
        )
        _log.error("ALERT daemon left down", extra=facts)

    def _note_steady(self, service: Service, tasks: list[Task], desired: int) -> None:
        running = [task for task in tasks if task.last_status == "RUNNING" and task.is_wanted]
        if not service.steady and len(running) == len(tasks) == desired:
            service.steady = True
            self.event(service, f"(service {service.name}) has reached a steady state.")

    def _forgive_old_crashes(self) -> None:
        """After a restart of the endpoint, only crashes within the hour still keep a service down."""
        now = self._runner.now()
        for service in self._state.services.values():
            service.restarts = self._backoff.recent(service, now)
            service.held = service.held and len(service.restarts) >= self._backoff.most

    def _sentence(self, service: Service, what: str, tasks: list[Task]) -> str:
        ids = " ".join(f"(task {task.id})" for task in tasks)
        return f"(service {service.name}) {what}: {ids}."
