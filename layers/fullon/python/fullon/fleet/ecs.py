"""The container service: Amazon ECS through boto3, or whatever speaks its protocol at ``AWS_ENDPOINT_URL_ECS``.

boto3 is imported at first use (it costs 100 ms) and called in a thread with short time-outs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

from fullon.fleet.errors import ControlBusy, ControlNotAllowed, ControlNotSetUp, ControlUnavailable, UnknownService
from fullon.fleet.model import Service, Task

if TYPE_CHECKING:
    from mypy_boto3_ecs.client import ECSClient
    from mypy_boto3_ecs.type_defs import ServiceTypeDef, TaskTypeDef, UpdateServiceRequestTypeDef

Result = TypeVar("Result")

SERVICES_PER_CALL = 10
TASKS_PER_CALL = 100
_UNKNOWN = {"ServiceNotFoundException", "ServiceNotActiveException"}
_BUSY = {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}
_NOT_ALLOWED = {
    "AccessDeniedException",
    "AccessDenied",
    "UnauthorizedException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "ExpiredTokenException",
}


class Ecs:
    """Services of one cluster.

    Args:
        endpoint: address of the API; None for AWS itself.
        names: the services there may be, for the sentence about one there is not.
        attempts: how often a call is tried when it is throttled, fails at the other end or cannot connect.
    """

    def __init__(
        self, cluster: str, region: str, endpoint: str | None, names: Sequence[str], *, attempts: int = 3
    ) -> None:
        self._cluster = cluster
        self._region = region
        self._endpoint = endpoint
        self._names = tuple(names)
        self._attempts = attempts
        self._client: ECSClient | None = None

    async def services(self, names: Sequence[str]) -> dict[str, Service]:
        """What the container service counts, with tasks that run or ended within the hour; unknown names are left out.

        Raises:
            ControlUnavailable: no usable answer.
        """
        return await self._call("", lambda client: _services(client, self._cluster, names))

    async def service(self, name: str) -> Service:
        """One service.

        Raises:
            UnknownService: the cluster has none of that name.
            ControlUnavailable: no usable answer.
        """
        found = await self.services([name])
        if name not in found:
            raise UnknownService(name, self._names)
        return found[name]

    async def update(self, name: str, *, desired: int | None = None, new_deployment: bool = False) -> None:
        """Set the number of tasks, or replace those that run.

        Raises:
            UnknownService: the cluster has none of that name.
            ControlUnavailable: no usable answer; whether the change was made is not known when it timed out.
        """
        request: UpdateServiceRequestTypeDef = {
            "cluster": self._cluster,
            "service": name,
            "forceNewDeployment": new_deployment,
        }
        if desired is not None:
            request["desiredCount"] = desired
        await self._call(name, lambda client: client.update_service(**request))

    async def _call(self, name: str, work: Callable[[ECSClient], Result]) -> Result:
        return await asyncio.to_thread(self._call_here, name, work)

    def _call_here(self, name: str, work: Callable[[ECSClient], Result]) -> Result:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if self._client is None:
                self._client = self._connect()
            return work(self._client)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if name and code in _UNKNOWN:
                raise UnknownService(name, self._names) from error
            raise _refusal(code) from error
        except BotoCoreError as error:
            raise ControlUnavailable("The container service cannot be reached; try again shortly.") from error

    def _connect(self) -> ECSClient:
        import boto3
        from botocore.config import Config

        config = Config(
            connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": self._attempts}
        )
        # A session of its own: the default one is shared by threads and not safe to create clients from.
        return boto3.session.Session(region_name=self._region).client("ecs", endpoint_url=self._endpoint, config=config)


def _refusal(code: str) -> ControlUnavailable:
    """What the container service said, by what helps against it."""
    if code in _BUSY:
        return ControlBusy(code)
    if code in _NOT_ALLOWED:
        return ControlNotAllowed(code)
    if code == "ClusterNotFoundException":
        return ControlNotSetUp(code)
    return ControlUnavailable("The container service refused the request.", aws_code=code)


def _services(client: ECSClient, cluster: str, names: Sequence[str]) -> dict[str, Service]:
    described: list[ServiceTypeDef] = []
    for some in _chunks(names, SERVICES_PER_CALL):
        described += client.describe_services(cluster=cluster, services=some)["services"]
    active = [service for service in described if service["status"] == "ACTIVE"]
    tasks = _tasks(client, cluster, active[0]["serviceName"] if len(active) == 1 else None) if active else []
    return {service["serviceName"]: _service(service, tasks) for service in active}


def _tasks(client: ECSClient, cluster: str, service: str | None) -> list[TaskTypeDef]:
    """Running and lately stopped tasks, of one service or (None) of the whole cluster in the same number of calls."""
    arns: list[str] = []
    states: tuple[Literal["RUNNING", "STOPPED"], ...] = ("RUNNING", "STOPPED")
    for state in states:
        pages = client.get_paginator("list_tasks")
        if service is None:
            found = pages.paginate(cluster=cluster, desiredStatus=state)
        else:
            found = pages.paginate(cluster=cluster, desiredStatus=state, serviceName=service)
        arns += [arn for page in found for arn in page["taskArns"]]
    tasks: list[TaskTypeDef] = []
    for some in _chunks(list(dict.fromkeys(arns)), TASKS_PER_CALL):
        tasks += client.describe_tasks(cluster=cluster, tasks=some)["tasks"]
    return tasks


def _service(service: ServiceTypeDef, tasks: Iterable[TaskTypeDef]) -> Service:
    group = f"service:{service['serviceName']}"
    primary = next((d for d in service.get("deployments", []) if d.get("status") == "PRIMARY"), None)
    return Service(
        name=service["serviceName"],
        desired=service["desiredCount"],
        running=service["runningCount"],
        pending=service["pendingCount"],
        deployment=primary.get("id", "") if primary else "",
        tasks=tuple(_task(task) for task in tasks if task.get("group") == group),
    )


def _task(task: TaskTypeDef) -> Task:
    containers = task.get("containers", [])
    return Task(
        task_id=task["taskArn"].rsplit("/", 1)[-1],
        last_status=task["lastStatus"],
        desired_status=task["desiredStatus"],
        created_at=task["createdAt"],
        started_by=task.get("startedBy", ""),
        started_at=task.get("startedAt"),
        stopping_at=task.get("stoppingAt"),
        stopped_at=task.get("stoppedAt"),
        stop_code=task.get("stopCode"),
        reason=task.get("stoppedReason", ""),
        exit_code=next((c["exitCode"] for c in containers if "exitCode" in c), None),
    )


def _chunks(names: Sequence[str], size: int) -> list[list[str]]:
    return [list(names[start : start + size]) for start in range(0, len(names), size)]
