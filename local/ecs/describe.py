"""The endpoint's records in the shapes of the ECS API reference (data types Service, Task, Deployment, Cluster)."""

from __future__ import annotations

from local.ecs.model import Definition, Deployment, Document, Service, Task
from local.ecs.names import Names
from local.ecs.state import State

LIVE = ("RUNNING",)
PENDING = ("PROVISIONING", "PENDING")


class Describe:
    """Renders records of one state."""

    def __init__(self, state: State, names: Names) -> None:
        self._state = state
        self._names = names

    def cluster(self, name: str) -> Document:
        tasks = [task for task in self._state.tasks.values() if task.cluster == name]
        return {
            "clusterArn": self._names.cluster(name),
            "clusterName": name,
            "status": "ACTIVE",
            "registeredContainerInstancesCount": 0,
            "runningTasksCount": _count(tasks, LIVE),
            "pendingTasksCount": _count(tasks, PENDING),
            "activeServicesCount": sum(
                1 for service in self._state.services.values() if service.cluster == name and service.status == "ACTIVE"
            ),
            "statistics": [],
            "tags": [],
            "settings": [],
            "capacityProviders": [],
            "defaultCapacityProviderStrategy": [],
        }

    def service(self, service: Service) -> Document:
        tasks = self._state.tasks_of(service)
        return {
            "serviceArn": self._names.service(service.cluster, service.name),
            "serviceName": service.name,
            "clusterArn": self._names.cluster(service.cluster),
            "status": service.status,
            "desiredCount": service.desired,
            "runningCount": _count(tasks, LIVE),
            "pendingCount": _count(tasks, PENDING),
            "launchType": service.launch_type,
            "taskDefinition": service.primary.definition,
            "deploymentConfiguration": {
                "minimumHealthyPercent": service.minimum_percent,
                "maximumPercent": service.maximum_percent,
            },
            "deploymentController": {"type": "ECS"},
            "deployments": [self._deployment(service, deployment, tasks) for deployment in service.deployments],
            "events": list(service.events),
            "createdAt": service.created_at,
            "loadBalancers": [],
            "serviceRegistries": [],
            "placementConstraints": [],
            "placementStrategy": [],
            "schedulingStrategy": "REPLICA",
            "enableECSManagedTags": False,
            "propagateTags": "NONE",
            "enableExecuteCommand": False,
            **({"networkConfiguration": service.network} if service.network else {}),
        }

    def _deployment(self, service: Service, deployment: Deployment, tasks: list[Task]) -> Document:
        own = [task for task in tasks if task.started_by == deployment.id]
        is_primary = deployment is service.primary
        running = _count(own, LIVE)
        complete = not is_primary or (running == service.desired and len(service.deployments) == 1)
        return {
            "id": deployment.id,
            "status": "PRIMARY" if is_primary else "ACTIVE",
            "taskDefinition": deployment.definition,
            "desiredCount": service.desired if is_primary else 0,
            "runningCount": running,
            "pendingCount": _count(own, PENDING),
            "failedTasks": deployment.failed_tasks,
            "createdAt": deployment.created_at,
            "updatedAt": deployment.updated_at,
            "launchType": service.launch_type,
            "rolloutState": "COMPLETED" if complete else "IN_PROGRESS",
            "rolloutStateReason": f"ECS deployment {deployment.id} {'completed' if complete else 'in progress'}.",
        }

    def task(self, task: Task) -> Document:
        definition = self._state.definition(task.definition)
        container: Document = {
            "containerArn": self._names.container(task.cluster, task.id),
            "taskArn": self._names.task(task.cluster, task.id),
            "name": task.container,
            "image": definition.container.get("image", ""),
            "lastStatus": task.last_status,
            "networkInterfaces": [],
            "healthStatus": "UNKNOWN",
            "cpu": str(definition.container.get("cpu", 0)),
        }
        optional_of_container = {"exitCode": task.exit_code, "reason": task.container_reason}
        if task.pid is not None:
            optional_of_container["runtimeId"] = f"{task.id}-{task.pid}"
        container |= _given(optional_of_container)
        document: Document = {
            "taskArn": self._names.task(task.cluster, task.id),
            "clusterArn": self._names.cluster(task.cluster),
            "taskDefinitionArn": task.definition,
            "containers": [container],
            "lastStatus": task.last_status,
            "desiredStatus": task.desired_status,
            "group": task.group,
            "startedBy": task.started_by,
            "launchType": task.launch_type,
            "connectivity": "CONNECTED",
            "healthStatus": "UNKNOWN",
            "enableExecuteCommand": False,
            "overrides": task.overrides or {"containerOverrides": [], "inferenceAcceleratorOverrides": []},
            "attachments": [],
            "attributes": [],
            "tags": [],
            "version": task.version,
            "createdAt": task.created_at,
        }
        return document | _given(
            {
                "cpu": definition.document.get("cpu"),
                "memory": definition.document.get("memory"),
                "connectivityAt": task.started_at,
                "pullStartedAt": task.started_at,
                "pullStoppedAt": task.started_at,
                "startedAt": task.started_at,
                "stoppingAt": task.stopping_at,
                "executionStoppedAt": task.stopped_at,
                "stoppedAt": task.stopped_at,
                "stopCode": task.stop_code,
                "stoppedReason": task.stopped_reason,
            }
        )

    def definition(self, definition: Definition) -> Document:
        return definition.document


def _count(tasks: list[Task], statuses: tuple[str, ...]) -> int:
    return sum(1 for task in tasks if task.last_status in statuses)


def _given(values: Document) -> Document:
    return {name: value for name, value in values.items() if value is not None}
