"""Who may call, and what may be called: routes, roles and their policies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.rules.public import PUBLIC_ROUTES
from infra.rules.templates import Deployment, Finding, Resource, Rule, as_list, found

#: Actions that AWS lets nobody restrict to a resource (service authorization reference), and the reason to have them.
WITHOUT_RESOURCE: Mapping[str, str] = {
    "xray:PutTraceSegments": "traces have no resource",
    "xray:PutTelemetryRecords": "traces have no resource",
    "ec2:CreateNetworkInterface": "Lambda places its own interfaces in the network",
    "ec2:DescribeNetworkInterfaces": "Lambda looks for its own interfaces",
    "ec2:DescribeSubnets": "Lambda looks at the subnets it was given",
    "ec2:DeleteNetworkInterface": "Lambda removes its own interfaces",
    "ec2:AssignPrivateIpAddresses": "Lambda places its own interfaces in the network",
    "ec2:UnassignPrivateIpAddresses": "Lambda removes its own interfaces",
    "ecr:GetAuthorizationToken": "a login to the registry is for the account",
}
_TASKS = re.compile(r":(task|container-instance)/")


@dataclass(frozen=True)
class Statement:
    """One statement of a policy that an identity has."""

    resource: Resource
    body: Mapping[str, Any]

    @property
    def allows(self) -> bool:
        """It gives something, rather than forbids."""
        return str(self.body.get("Effect", "Allow")) == "Allow"

    @property
    def actions(self) -> list[str]:
        """What it is about."""
        return [str(action) for action in as_list(self.body.get("Action"))]


def every_route_has_an_authorizer_or_is_on_the_public_list(deployment: Deployment) -> Iterator[Finding]:
    """Every route has an authorizer, or is on the list of public routes with a reason."""
    rule = every_route_has_an_authorizer_or_is_on_the_public_list
    for route in deployment.resources("AWS::ApiGatewayV2::Route"):
        key, kind = str(route.properties.get("RouteKey")), route.properties.get("AuthorizationType", "NONE")
        if kind == "CUSTOM" and deployment.follow(route, route.properties.get("AuthorizerId")) is not None:
            continue
        api = deployment.follow(route, route.properties.get("ApiId"))
        if api is None:
            yield found(rule, route, f"Route {key!r} belongs to no API of these templates.")
        elif api.properties.get("ProtocolType") == "WEBSOCKET" and key != "$connect":
            continue  # A connection was authorised when it was opened; API Gateway has no authorizer for the others.
        elif key not in PUBLIC_ROUTES:
            yield found(rule, route, f"Route {key!r} needs no identity and is not in infra/rules/public.py.")


def no_wildcard_action(deployment: Deployment) -> Iterator[Finding]:
    """No policy allows an action with a wildcard, in roles and on resources alike."""
    for statement in [*_identity_statements(deployment), *_resource_statements(deployment)]:
        if not statement.allows:
            continue
        for action in statement.actions:
            if "*" in action or "?" in action:
                yield found(no_wildcard_action, statement.resource, f"{action!r} allows more than what is named.")
        if "NotAction" in statement.body or "NotResource" in statement.body:
            yield found(no_wildcard_action, statement.resource, "Allowing all but something allows what comes later.")


def every_resource_is_named(deployment: Deployment) -> Iterator[Finding]:
    """What roles may do names its resources, but for actions that have none."""
    for statement in _identity_statements(deployment):
        resources = [deployment.text(statement.resource, each) for each in as_list(statement.body.get("Resource"))]
        if not statement.allows or "*" not in resources:
            continue
        for action in statement.actions:
            if action not in WITHOUT_RESOURCE:
                yield found(every_resource_is_named, statement.resource, f"{action!r} is allowed on everything.")


def who_controls_daemons_touches_only_them(deployment: Deployment) -> Iterator[Finding]:
    """Functions that control daemons may do what the manifest says, to the manifest's services alone."""
    rule = who_controls_daemons_touches_only_them
    cluster = deployment.profile.cluster_name
    services = {f":service/{cluster}/{daemon.name}" for daemon in deployment.manifest.daemons}
    allowed = {
        name: set(function.permissions)
        for function in deployment.manifest.functions
        if (name := _role_of(deployment, function.handler)) is not None
    }
    for statement in _identity_statements(deployment):
        asked = [action for action in statement.actions if action.startswith("ecs:")]
        if not asked or not statement.allows:
            continue
        granted = set[str]().union(*(allowed.get(role, ()) for role in _roles(deployment, statement.resource)))
        for action in asked:
            if action not in granted:
                yield found(rule, statement.resource, f"{action!r} is not among the function's permissions.")
        for target in as_list(statement.body.get("Resource")):
            text = deployment.text(statement.resource, target)
            is_service = any(text.endswith(service) for service in services)
            is_task = bool(_TASKS.search(text)) and text.endswith(f"/{cluster}/*") and _is_bound(deployment, statement)
            if not is_service and not is_task:
                yield found(rule, statement.resource, f"{text} is no service of the manifest's daemons.")


def every_function_has_a_role_of_its_own(deployment: Deployment) -> Iterator[Finding]:
    """Every function has a role of its own, without managed policies."""
    rule = every_function_has_a_role_of_its_own
    users: dict[tuple[str, str], str] = {}
    for function in deployment.resources("AWS::Lambda::Function"):
        role = deployment.follow(function, function.properties.get("Role"))
        if role is None:
            yield found(rule, function, "Its role is not in these templates.")
        elif other := users.get((role.stack, role.name)):
            yield found(rule, function, f"It shares the role {role.name} with {other}.")
        else:
            users[role.stack, role.name] = function.name
    for role in deployment.resources("AWS::IAM::Role"):
        if role.properties.get("ManagedPolicyArns"):
            yield found(rule, role, "Managed policies grant what AWS decides; name the actions.")


def _is_bound(deployment: Deployment, statement: Statement) -> bool:
    """The tasks are those of our cluster: their names begin with it, or a condition says so."""
    return deployment.profile.cluster_name in deployment.text(statement.resource, statement.body)


def _role_of(deployment: Deployment, handler: str) -> tuple[str, str] | None:
    for function in deployment.resources("AWS::Lambda::Function"):
        if function.properties.get("Handler") == handler:
            role = deployment.follow(function, function.properties.get("Role"))
            return (role.stack, role.name) if role else None
    return None


def _roles(deployment: Deployment, resource: Resource) -> list[tuple[str, str]]:
    if resource.kind == "AWS::IAM::Role":
        return [(resource.stack, resource.name)]
    followed = [deployment.follow(resource, role) for role in as_list(resource.properties.get("Roles"))]
    return [(role.stack, role.name) for role in followed if role is not None]


def _identity_statements(deployment: Deployment) -> list[Statement]:
    statements = []
    for resource in deployment.resources("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"):
        documents = [resource.properties.get("PolicyDocument")]
        documents += [policy.get("PolicyDocument") for policy in as_list(resource.properties.get("Policies"))]
        statements += [Statement(resource, each) for document in documents for each in _statements(document)]
    return statements


def _resource_statements(deployment: Deployment) -> list[Statement]:
    kinds = (
        "AWS::S3::BucketPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SecretsManager::ResourcePolicy",
    )
    return [
        Statement(resource, each)
        for resource in deployment.resources(*kinds)
        for each in _statements(resource.properties.get("PolicyDocument") or resource.properties.get("ResourcePolicy"))
    ]


def _statements(document: Any) -> list[Mapping[str, Any]]:
    return as_list(document.get("Statement")) if isinstance(document, Mapping) else []


RULES: tuple[Rule, ...] = (
    every_route_has_an_authorizer_or_is_on_the_public_list,
    no_wildcard_action,
    every_resource_is_named,
    who_controls_daemons_touches_only_them,
    every_function_has_a_role_of_its_own,
)
