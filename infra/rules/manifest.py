"""Templates and manifest say the same: nothing is in one that is not in the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fullon.runtime.manifest import Daemon, Function, Manifest
from infra.rules.templates import Deployment, Finding, Resource, Rule, as_list, found, name_of

#: Functions that are CDK's own, by the beginning of their logical names; they run at deployments only.
PROVIDERS: Mapping[str, str] = {
    "CustomCDKBucketDeployment": "copies the dashboard's files into their bucket",
}


def functions_are_those_of_the_manifest(deployment: Deployment) -> Iterator[Finding]:
    """There is one function for each entry of the manifest, made as it says, and no other."""
    rule = functions_are_those_of_the_manifest
    made: dict[str, list[Resource]] = {}
    for resource in deployment.resources("AWS::Lambda::Function"):
        made.setdefault(str(resource.properties.get("Handler")), []).append(resource)
    for entry in deployment.manifest.functions:
        found_here = made.pop(entry.handler, [])
        if len(found_here) != 1:
            yield Finding(name_of(rule), f"manifest/{entry.name}", f"It is made {len(found_here)} times, not once.")
        for resource in found_here:
            for sentence in _differences(deployment, entry, resource):
                yield found(rule, resource, sentence)
    for others in made.values():
        for resource in others:
            if not resource.name.startswith(tuple(PROVIDERS)):
                yield found(rule, resource, "The manifest knows no such function.")


def _differences(deployment: Deployment, entry: Function, resource: Resource) -> Iterator[str]:
    properties = resource.properties
    expected: dict[str, Any] = {
        "MemorySize": entry.memory,
        "Timeout": entry.timeout,
        "Architectures": [deployment.profile.architecture],
        "TracingConfig": {"Mode": "Active"},
        "ReservedConcurrentExecutions": entry.concurrency,
    }
    for key, value in expected.items():
        if properties.get(key) != value:
            yield f"{key} is {properties.get(key)}, not {value}."
    if not str(properties.get("Runtime", "")).startswith("python3."):
        yield f"Runtime is {properties.get('Runtime')}, not Python."
    group = deployment.follow(resource, properties.get("LoggingConfig", {}).get("LogGroup"))
    if group is None or group.kind != "AWS::Logs::LogGroup":
        yield "It has no log group of its own."
    if "data" in entry.network and not properties.get("VpcConfig"):
        yield "It needs the stores and is not in their network."


def daemons_are_those_of_the_manifest(deployment: Deployment) -> Iterator[Finding]:
    """There is one service for each daemon of the manifest: started by nobody, never two, and no other."""
    rule = daemons_are_those_of_the_manifest
    made = {
        str(service.properties.get("ServiceName")): service for service in deployment.resources("AWS::ECS::Service")
    }
    for entry in deployment.manifest.daemons:
        service = made.pop(entry.name, None)
        if service is None:
            yield Finding(name_of(rule), f"manifest/{entry.name}", "It has no service.")
            continue
        properties = service.properties
        bounds = properties.get("DeploymentConfiguration", {})
        if properties.get("DesiredCount") != 0:
            yield found(rule, service, "DesiredCount is not 0: a first deployment would start it.")
        if (bounds.get("MinimumHealthyPercent"), bounds.get("MaximumPercent")) != (0, 100):
            yield found(rule, service, "Two of it could run during a deployment: healthy percent is not 0 to 100.")
        task = deployment.follow(service, properties.get("TaskDefinition"))
        if task is None:
            yield found(rule, service, "Its task definition is not in these templates.")
            continue
        for sentence in _task_differences(deployment, entry, task):
            yield found(rule, task, sentence)
    for service in made.values():
        yield found(rule, service, "The manifest knows no such daemon.")


def _task_differences(deployment: Deployment, entry: Daemon, task: Resource) -> Iterator[str]:
    if (task.properties.get("Cpu"), task.properties.get("Memory")) != (str(entry.cpu), str(entry.memory)):
        yield f"It has {task.properties.get('Cpu')} CPU units and {task.properties.get('Memory')} MB."
    containers = as_list(task.properties.get("ContainerDefinitions"))
    if len(containers) != 1:
        yield f"It has {len(containers)} containers, not one."
        return
    container = containers[0]
    expected = {
        "Command": list(entry.command),
        "StopTimeout": entry.stop_timeout,
        "ReadonlyRootFilesystem": True,
    }
    for key, value in expected.items():
        if container.get(key) != value:
            yield f"{key} is {container.get(key)}, not {value}."
    if container.get("Privileged") or str(container.get("User", "root")).partition(":")[0] in {"root", "0"}:
        yield "It runs as root."
    if not container.get("HealthCheck", {}).get("Command"):
        yield "It has no health check."
    options = container.get("LogConfiguration", {}).get("Options", {})
    if deployment.follow(task, options.get("awslogs-group")) is None:
        yield "It has no log group of its own."
    if deployment.follow(task, task.properties.get("TaskRoleArn")) is None:
        yield "It has no role of its own."


def routes_are_those_of_the_manifest(deployment: Deployment) -> Iterator[Finding]:
    """Both APIs have the manifest's routes and no others, each led to the function that the manifest names."""
    rule = routes_are_those_of_the_manifest
    missing = dict(_expected_routes(deployment.manifest))
    for route in deployment.resources("AWS::ApiGatewayV2::Route"):
        api = deployment.follow(route, route.properties.get("ApiId"))
        key = (str(api.properties.get("ProtocolType")) if api else "", str(route.properties.get("RouteKey")))
        entry = missing.pop(key, None)
        if entry is None:
            yield found(rule, route, f"The manifest knows no route {key[1]!r}, or it is made twice.")
            continue
        handlers = {
            str(function.properties.get("Handler"))
            for integration in deployment.mentioned(route, route.properties.get("Target"))
            for function in deployment.mentioned(integration, integration.properties.get("IntegrationUri"))
        }
        if handlers != {entry.handler}:
            yield found(rule, route, f"{key[1]!r} leads to {sorted(handlers)}, not to {entry.name}.")
    for (_, key_text), entry in missing.items():
        yield Finding(name_of(rule), f"manifest/{entry.name}", f"Its route {key_text!r} is in no template.")


def _expected_routes(manifest: Manifest) -> Iterator[tuple[tuple[str, str], Function]]:
    for entry in manifest.functions:
        for path in entry.routes:
            yield ("HTTP", f"ANY {path}"), entry
        for public in entry.public:
            yield ("HTTP", f"{public.method} {public.path}"), entry
        for key in entry.websocket_routes:
            yield ("WEBSOCKET", key), entry


def schedules_are_those_of_the_manifest(deployment: Deployment) -> Iterator[Finding]:
    """Every scheduled function of the manifest is called as often as it says, and nothing else is."""
    rule = schedules_are_those_of_the_manifest
    expected = {entry.handler: entry for entry in deployment.manifest.of_kind("schedule")}
    for clock in deployment.resources("AWS::Events::Rule", "AWS::Scheduler::Schedule"):
        expression = clock.properties.get("ScheduleExpression")
        if expression is None:
            continue
        targets = clock.properties.get("Targets") or clock.properties.get("Target")
        for function in deployment.mentioned(clock, targets):
            if function.kind != "AWS::Lambda::Function":
                continue
            entry = expected.pop(str(function.properties.get("Handler")), None)
            if entry is None or entry.schedule != expression:
                yield found(rule, clock, f"The manifest does not have {function.name} called at {expression}.")
    for entry in expected.values():
        yield Finding(name_of(rule), f"manifest/{entry.name}", "Nothing calls it on its schedule.")


RULES: tuple[Rule, ...] = (
    functions_are_those_of_the_manifest,
    daemons_are_those_of_the_manifest,
    routes_are_those_of_the_manifest,
    schedules_are_those_of_the_manifest,
)
