"""Services: create, update, describe, list, delete. What is wanted is on the disk before the answer goes out."""

from __future__ import annotations

from local.ecs.definitions import Definitions
from local.ecs.describe import Describe
from local.ecs.errors import invalid_parameter, service_not_active, service_not_found
from local.ecs.model import Deployment, Document, Service
from local.ecs.names import Names, last_part, new_deployment_id
from local.ecs.request import Request
from local.ecs.runner import Runner
from local.ecs.scheduler import Scheduler
from local.ecs.state import State

MOST_TASKS = range(101)
PERCENT = range(1001)


class Services:
    """The actions on services of one cluster."""

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

    def create(self, cluster: str, request: Request) -> Document:
        name = request.name("serviceName")
        existing = self._state.services.get((cluster, name))
        if existing is not None and existing.status != "INACTIVE":
            raise invalid_parameter("Creation of service was not idempotent.")
        definition = self._definitions.find(request.text("taskDefinition"))
        now = self._runner.now()
        service = Service(
            name=name,
            cluster=cluster,
            desired=request.number("desiredCount", MOST_TASKS, 0),
            created_at=now,
            deployments=[Deployment(new_deployment_id(), definition.arn, now, now)],
            launch_type=request.text("launchType", "FARGATE"),
            network=request.document("networkConfiguration"),
            steady=False,
        )
        self._read_percentages(service, request)
        self._state.services[cluster, name] = service
        self._scheduler.wake()
        return {"service": self._describe.service(service)}

    def update(self, cluster: str, request: Request) -> Document:
        service = self.find(cluster, request.text("service"))
        if service.status != "ACTIVE":
            raise service_not_active()
        reference = request.optional_text("taskDefinition")
        definition = service.primary.definition if reference is None else self._definitions.find(reference).arn
        desired = request.optional_number("desiredCount", MOST_TASKS)
        self._read_percentages(service, request)
        now = self._runner.now()
        if request.flag("forceNewDeployment") or definition != service.primary.definition:
            service.deployments.insert(0, Deployment(new_deployment_id(), definition, now, now))
        if desired is not None:
            service.desired = desired
        service.primary.updated_at = now
        self._scheduler.reset(service)
        self._scheduler.wake()
        return {"service": self._describe.service(service)}

    def describe(self, cluster: str, request: Request) -> Document:
        found, failures = [], []
        for reference in request.texts("services", most=10):
            service = self._state.services.get((cluster, last_part(reference)))
            if service is None:
                arn = self._names.service(cluster, last_part(reference))
                failures.append({"arn": arn, "reason": "MISSING"})
            else:
                found.append(self._describe.service(service))
        return {"services": found, "failures": failures}

    def list_arns(self, cluster: str, request: Request) -> Document:
        arns = [
            self._names.service(cluster, service.name)
            for service in sorted(self._state.services.values(), key=lambda one: one.name)
            if service.cluster == cluster and service.status != "INACTIVE"
        ]
        page, token = request.page(arns, most=100, default=10)
        return {"serviceArns": page, **token}

    def delete(self, cluster: str, request: Request) -> Document:
        service = self.find(cluster, request.text("service"))
        if service.status == "INACTIVE":
            raise service_not_found()
        if service.desired > 0 and not request.flag("force"):
            raise invalid_parameter("The service cannot be stopped while it is scaled above 0.")
        service.desired = 0
        service.status = "DRAINING"
        self._scheduler.reset(service)
        self._scheduler.wake()
        return {"service": self._describe.service(service)}

    def find(self, cluster: str, reference: str) -> Service:
        """By name or ARN."""
        service = self._state.services.get((cluster, last_part(reference)))
        if service is None:
            raise service_not_found()
        return service

    def _read_percentages(self, service: Service, request: Request) -> None:
        given = Request(request.document("deploymentConfiguration"))
        minimum = given.number("minimumHealthyPercent", PERCENT, service.minimum_percent)
        maximum = given.number("maximumPercent", PERCENT, service.maximum_percent)
        if minimum >= 100 >= maximum:
            raise invalid_parameter("With this deploymentConfiguration no task could ever be replaced.")
        service.minimum_percent, service.maximum_percent = minimum, maximum
