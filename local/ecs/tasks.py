"""Tasks: run one alone, stop, describe, list."""

from __future__ import annotations

from local.ecs.definitions import Definitions
from local.ecs.describe import Describe
from local.ecs.errors import invalid_parameter, service_not_found
from local.ecs.model import Document, Task
from local.ecs.names import Names, last_part, new_task_id
from local.ecs.request import Request, words
from local.ecs.runner import Runner
from local.ecs.scheduler import Scheduler
from local.ecs.state import State


class Tasks:
    """The actions on tasks of one cluster."""

    def __init__(
        self,
        state: State,
        names: Names,
        definitions: Definitions,
        describe: Describe,
        scheduler: Scheduler,
        runner: Runner,
    ) -> None:
        self._state = state
        self._names = names
        self._definitions = definitions
        self._describe = describe
        self._scheduler = scheduler
        self._runner = runner

    def run(self, cluster: str, request: Request) -> Document:
        definition = self._definitions.find(request.text("taskDefinition"))
        container = str(definition.container["name"])
        tasks = [
            Task(
                id=new_task_id(),
                cluster=cluster,
                definition=definition.arn,
                container=container,
                group=request.text("group", f"family:{definition.family}"),
                started_by=request.text("startedBy", "") if request.given("startedBy") else "",
                created_at=self._runner.now(),
                launch_type=request.text("launchType", "FARGATE"),
                overrides=_overrides(request, container),
            )
            for _ in range(request.number("count", range(1, 11), 1))
        ]
        self._state.tasks |= {task.id: task for task in tasks}
        self._scheduler.wake()
        return {"tasks": [self._describe.task(task) for task in tasks], "failures": []}

    def stop(self, cluster: str, request: Request) -> Document:
        task = self._state.tasks.get(last_part(request.text("task")))
        if task is None or task.cluster != cluster:
            raise invalid_parameter("The referenced task was not found.")
        reason = request.text("reason", "Task stopped by user")
        self._runner.stop(task, "UserInitiated", reason)
        self._scheduler.wake()
        return {"task": self._describe.task(task)}

    def describe(self, cluster: str, request: Request) -> Document:
        found, failures = [], []
        for reference in request.texts("tasks", most=100):
            task = self._state.tasks.get(last_part(reference))
            if task is None or task.cluster != cluster:
                failures.append({"arn": self._names.task(cluster, last_part(reference)), "reason": "MISSING"})
            else:
                found.append(self._describe.task(task))
        return {"tasks": found, "failures": failures}

    def list_arns(self, cluster: str, request: Request) -> Document:
        desired = request.text("desiredStatus", "RUNNING")
        if desired not in {"RUNNING", "STOPPED", "PENDING"}:
            raise invalid_parameter("desiredStatus must be RUNNING, PENDING or STOPPED.")
        wanted = {"desired_status": desired}
        if (service := request.optional_text("serviceName")) is not None:
            if (cluster, last_part(service)) not in self._state.services:
                raise service_not_found()
            wanted["group"] = f"service:{last_part(service)}"
        if (started_by := request.optional_text("startedBy")) is not None:
            wanted["started_by"] = started_by
        if (launch_type := request.optional_text("launchType")) is not None:
            wanted["launch_type"] = launch_type
        family = request.optional_text("family")
        arns = [
            self._names.task(cluster, task.id)
            for task in self._state.tasks.values()
            if task.cluster == cluster
            and all(getattr(task, name) == value for name, value in wanted.items())
            and (family is None or last_part(task.definition).split(":")[0] == family)
        ]
        page, token = request.page(arns, most=100, default=100)
        return {"taskArns": page, **token}


def _overrides(request: Request, container: str) -> Document:
    overrides = request.document("overrides")
    for one in Request(overrides).documents("containerOverrides"):
        if one.get("name") != container:
            raise invalid_parameter(
                f"Override for container named {one.get('name')} is not a container in the TaskDefinition."
            )
        if one.get("command") and not words(one["command"]):
            raise invalid_parameter("An override's command must be a list of texts.")
        for pair in Request(one).documents("environment"):
            if not isinstance(pair.get("name"), str) or not isinstance(pair.get("value"), str):
                raise invalid_parameter("An override's environment must be pairs of name and value.")
    return overrides
