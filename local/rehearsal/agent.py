"""The container agent of the rehearsal: makes real processes of what the emulator's ECS services want.

The emulator keeps services, counts and deployments and runs nothing. This agent asks it for them, again and again,
and asks the same of the local ECS endpoint, which starts, restarts and stops daemons as processes. Before a process
starts, the agent does what the agent on Fargate does: it reads the secrets that the task definition names.

What it cannot do is to tell the emulator how a process is: there a wanted task always counts as running.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_ecs.client import ECSClient
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

_log = logging.getLogger("local.rehearsal")

PAUSE_SECONDS = 0.3
SERVICES_PER_CALL = 10
KEPT = ("command", "entryPoint", "workingDirectory", "stopTimeout")
"""Of a container definition; a process has no image, ports, limits or log driver."""


@dataclass(frozen=True)
class Wanted:
    """What a service of the emulator wants: how many tasks of which definition; `deployment` changes by force."""

    cluster: str
    name: str
    count: int
    definition: str
    deployment: str


@dataclass
class Agent:
    """Keeps the local endpoint's services the same as the emulator's.

    Args:
        emulator: ECS of the emulator, repaired (local.rehearsal.repairs).
        secrets: Secrets Manager of the emulator.
        endpoint: the local ECS endpoint.
        environment: variables of every container, over those of its definition: addresses that are others here.
    """

    emulator: ECSClient
    secrets: SecretsManagerClient
    endpoint: ECSClient
    environment: Mapping[str, str] = field(default_factory=dict)
    _applied: dict[tuple[str, str], Wanted] = field(default_factory=dict)
    _registered: dict[str, str] = field(default_factory=dict)

    async def run(self) -> None:
        """Reconcile until cancelled; an answer that does not come is waited for."""
        while True:
            try:
                await asyncio.to_thread(self.reconcile)
            except (BotoCoreError, ClientError) as error:
                _log.warning("services not reconciled", extra={"cause": str(error)})
            await asyncio.sleep(PAUSE_SECONDS)

    def reconcile(self) -> list[Wanted]:
        """Look once and do what has changed; returns that.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: one of the endpoints gives no usable answer.
        """
        changed = []
        for wanted in self._wanted():
            key = (wanted.cluster, wanted.name)
            before = self._applied.get(key)
            if before == wanted:
                continue
            self._apply(wanted, before)
            self._applied[key] = wanted
            changed.append(wanted)
            _log.info("service", extra={"service": wanted.name, "count": wanted.count})
        return changed

    def _wanted(self) -> Iterator[Wanted]:
        for cluster in _pages(self.emulator, "list_clusters", "clusterArns"):
            arns = _pages(self.emulator, "list_services", "serviceArns", cluster=cluster)
            for start in range(0, len(arns), SERVICES_PER_CALL):
                some = arns[start : start + SERVICES_PER_CALL]
                for service in self.emulator.describe_services(cluster=cluster, services=some)["services"]:
                    if service["status"] != "ACTIVE":
                        continue
                    primary = next((one for one in service["deployments"] if one["status"] == "PRIMARY"), None)
                    yield Wanted(
                        cluster=cluster.rpartition("/")[2],
                        name=service["serviceName"],
                        count=service["desiredCount"],
                        definition=service["taskDefinition"],
                        deployment=primary["id"] if primary else "",
                    )

    def _apply(self, wanted: Wanted, before: Wanted | None) -> None:
        definition = self._definition(wanted.definition)
        if before is None:
            self.endpoint.create_cluster(clusterName=wanted.cluster)
            self.endpoint.create_service(
                cluster=wanted.cluster,
                serviceName=wanted.name,
                taskDefinition=definition,
                desiredCount=wanted.count,
                launchType="FARGATE",
                deploymentConfiguration={"minimumHealthyPercent": 0, "maximumPercent": 100},
            )
            return
        self.endpoint.update_service(
            cluster=wanted.cluster,
            service=wanted.name,
            taskDefinition=definition,
            desiredCount=wanted.count,
            forceNewDeployment=wanted.deployment != before.deployment and before.count > 0 and wanted.count > 0,
        )

    def _definition(self, arn: str) -> str:
        """The local twin of a task definition, registered at its first use."""
        if arn not in self._registered:
            described = self.emulator.describe_task_definition(taskDefinition=arn)["taskDefinition"]
            [container] = described["containerDefinitions"]
            twin = {
                "name": container["name"],
                "image": container["image"],
                "essential": True,
                "environment": self._variables(container),
                **{name: value for name, value in container.items() if name in KEPT},
            }
            registered = self.endpoint.register_task_definition(
                family=described["family"],
                containerDefinitions=[twin],  # type: ignore[list-item]
                requiresCompatibilities=["FARGATE"],
                networkMode="awsvpc",
                cpu=described.get("cpu", "256"),
                memory=described.get("memory", "512"),
            )
            self._registered[arn] = registered["taskDefinition"]["taskDefinitionArn"]
        return self._registered[arn]

    def _variables(self, container: Any) -> list[dict[str, str]]:
        given = {pair["name"]: pair["value"] for pair in container.get("environment", [])}
        given |= {one["name"]: self._secret(one["valueFrom"]) for one in container.get("secrets", [])}
        given |= self.environment
        return [{"name": name, "value": value} for name, value in sorted(given.items())]

    def _secret(self, reference: str) -> str:
        """A secret by `valueFrom`: an ARN, or ARN:KEY:STAGE:VERSION for one key of its JSON (ECS developer guide).

        MiniStack's `Ref` to a secret gives its name where CloudFormation gives the ARN, so a name is taken too.
        """
        parts = reference.split(":")
        length = 7 if parts[0] == "arn" else 1
        identifier, key = ":".join(parts[:length]), "".join(parts[length : length + 1])
        text = self.secrets.get_secret_value(SecretId=identifier)["SecretString"]
        return str(json.loads(text)[key]) if key else text


def _pages(client: ECSClient, operation: Any, key: str, **arguments: str) -> list[str]:
    pages: Iterable[Mapping[str, list[str]]] = client.get_paginator(operation).paginate(**arguments)
    return [arn for page in pages for arn in page[key]]
