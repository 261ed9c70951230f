"""The HTTP API and every function: the manifest, and nothing but the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fullon.runtime.manifest import Function, Manifest
from infra.constructs.function import SECRET_VARIABLES, secrets_of
from infra.rules.templates import Deployment, Resource, as_list
from infra.stacks.schema import revision

pytestmark = pytest.mark.xdist_group("infra")

OWN = "AWS::Lambda::Function"


def functions(deployment: Deployment) -> dict[str, Resource]:
    """The product's functions by their names in the manifest."""
    prefix = f"{deployment.profile.prefix}-"
    return {
        str(each.properties["FunctionName"]).removeprefix(prefix): each
        for each in deployment.resources(OWN)
        if str(each.properties.get("FunctionName", "")).startswith(prefix)
    }


def routes(deployment: Deployment) -> dict[str, Resource]:
    found = [each for each in deployment.resources("AWS::ApiGatewayV2::Route") if each.stack == "Api"]
    return {str(each.properties["RouteKey"]): each for each in found}


def statements(deployment: Deployment, function: Resource) -> Iterator[dict[str, Any]]:
    """What a function's role allows."""
    role = deployment.follow(function, function.properties["Role"])
    assert role is not None
    assert "ManagedPolicyArns" not in role.properties
    for policy in deployment.resources("AWS::IAM::Policy"):
        if policy.stack == role.stack and {"Ref": role.name} in policy.properties["Roles"]:
            yield from policy.properties["PolicyDocument"]["Statement"]


def actions(deployment: Deployment, function: Resource) -> set[str]:
    return {str(action) for one in statements(deployment, function) for action in as_list(one["Action"])}


def test_there_is_a_function_for_each_entry_of_the_manifest_and_no_other(
    deployment: Deployment, manifest: Manifest
) -> None:
    assert set(functions(deployment)) == {entry.name for entry in manifest.functions}


def test_functions_are_as_the_manifest_describes_them(deployment: Deployment, manifest: Manifest) -> None:
    for name, function in functions(deployment).items():
        entry = manifest.function(name)
        assert function.properties["Handler"] == entry.handler
        assert function.properties["MemorySize"] == entry.memory
        assert function.properties["Timeout"] == entry.timeout
        assert function.properties.get("ReservedConcurrentExecutions") == entry.concurrency
        layers = [deployment.follow(function, layer) for layer in function.properties["Layers"]]
        prefix = deployment.profile.prefix
        assert [layer.properties["LayerName"] for layer in layers if layer] == [f"{prefix}-{x}" for x in entry.layers]


def test_functions_run_python_of_the_packaging_on_its_processor_and_are_traced(deployment: Deployment) -> None:
    for function in functions(deployment).values():
        assert function.properties["Runtime"] == "python3.13"
        assert function.properties["Architectures"] == [deployment.profile.architecture]
        assert function.properties["TracingConfig"] == {"Mode": "Active"}


def test_each_function_has_a_role_and_a_log_of_its_own(deployment: Deployment) -> None:
    made = functions(deployment)
    roles = [deployment.follow(each, each.properties["Role"]) for each in made.values()]
    groups = [deployment.follow(each, each.properties["LoggingConfig"]["LogGroup"]) for each in made.values()]

    assert len({role.name for role in roles if role}) == len(made)
    assert {group.properties["LogGroupName"] for group in groups if group} == {
        f"/{deployment.profile.prefix}/functions/{name}" for name in made
    }
    assert all(group and group.properties["RetentionInDays"] == deployment.profile.log_days for group in groups)


def test_a_function_is_in_the_network_only_where_it_needs_the_stores_or_aws(
    deployment: Deployment, manifest: Manifest
) -> None:
    for name, function in functions(deployment).items():
        inside = bool(set(manifest.function(name).network) & {"data", "control"})
        assert ("VpcConfig" in function.properties) == inside
        assert ("ec2:CreateNetworkInterface" in actions(deployment, function)) == inside
        assert ("DB_HOST" in environment(function)) == ("data" in manifest.function(name).network)


def test_functions_speak_to_aws_over_ipv6(small: Deployment) -> None:
    for function in functions(small).values():
        assert environment(function)["AWS_USE_DUALSTACK_ENDPOINT"] == "true"
        assert (
            function.properties.get("VpcConfig", {"Ipv6AllowedForDualStack": True})["Ipv6AllowedForDualStack"] is True
        )


def test_a_function_reads_its_own_secrets_and_no_other(deployment: Deployment, manifest: Manifest) -> None:
    for name, function in functions(deployment).items():
        wanted = secrets_of(manifest.function(name))
        readable = [one for one in statements(deployment, function) if "GetSecretValue" in str(one["Action"])]
        named = {variable for variable in environment(function) if variable.endswith("_SECRET_ARN")}
        assert named == {SECRET_VARIABLES[secret] for secret in wanted}
        assert sum(len(as_list(one["Resource"])) for one in readable) == len(wanted)


def test_secrets_go_to_those_who_use_them(deployment: Deployment, manifest: Manifest) -> None:
    made = functions(deployment)

    def readers(variable: str) -> set[str]:
        return {name for name, function in made.items() if variable in environment(function)}

    assert readers("JWT_SECRET_ARN") == {"authorizer", "auth"}
    assert readers("ENCRYPTION_SECRET_ARN") == {"orm"}
    assert readers("ADMIN_SECRET_ARN") == {"migrate"}
    assert readers("ORIGIN_SECRET_ARN") == {entry.name for entry in manifest.of_kind("http")} - {"docs"}
    assert readers("DB_SECRET_ARN") == readers("REDIS_SECRET_ARN") == set(made) - {"docs"}


def test_every_function_does_what_the_manifest_permits_and_no_more(deployment: Deployment, manifest: Manifest) -> None:
    everyone = {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
        "secretsmanager:GetSecretValue",
    }
    for name, function in functions(deployment).items():
        found = {action for action in actions(deployment, function) if not action.startswith("ec2:")}
        keys = {"kms:Encrypt", "kms:Decrypt"} if deployment.profile.kms and name == "orm" else set()
        assert found - everyone == set(manifest.function(name).permissions) | keys


def test_orders_reach_the_daemons_of_the_manifest_alone(deployment: Deployment, manifest: Manifest) -> None:
    cluster = deployment.profile.cluster_name
    function = functions(deployment)["services"]
    [orders] = [one for one in statements(deployment, function) if "ecs:UpdateService" in as_list(one["Action"])]

    reached = {deployment.text(function, resource).rsplit(":", 1)[1] for resource in orders["Resource"]}

    assert reached == {f"service/{cluster}/{daemon.name}" for daemon in manifest.daemons}


def test_the_routes_are_those_of_the_manifest(deployment: Deployment, manifest: Manifest) -> None:
    guarded = {f"ANY {path}" for entry in manifest.of_kind("http") for path in entry.routes}
    public = {f"{route.method} {route.path}" for entry in manifest.of_kind("http") for route in entry.public}

    found = routes(deployment)

    assert set(found) == guarded | public
    for key, route in found.items():
        assert route.properties["AuthorizationType"] == ("NONE" if key in public else "CUSTOM")
        assert ("AuthorizerId" in route.properties) == (key in guarded)


def test_each_route_leads_to_the_function_that_claims_it(deployment: Deployment, manifest: Manifest) -> None:
    for key, route in routes(deployment).items():
        [integration] = deployment.mentioned(route, route.properties["Target"])
        function = deployment.follow(integration, integration.properties["IntegrationUri"])
        assert function is not None
        assert integration.properties["PayloadFormatVersion"] == "2.0"
        entry = manifest.function(str(function.properties["FunctionName"]).rsplit("-", 1)[1])
        assert key in keys(entry)


def test_the_authorizer_answers_simply_and_is_believed_for_a_minute(deployment: Deployment) -> None:
    [authorizer] = [each for each in deployment.resources("AWS::ApiGatewayV2::Authorizer") if each.stack == "Api"]

    assert authorizer.properties["AuthorizerPayloadFormatVersion"] == "2.0"
    assert authorizer.properties["EnableSimpleResponses"] is True
    assert authorizer.properties["AuthorizerResultTtlInSeconds"] == 60
    assert authorizer.properties["IdentitySource"] == ["$request.header.Authorization"]


def test_the_stage_has_no_name_a_throttle_and_a_log(deployment: Deployment) -> None:
    [stage] = [each for each in deployment.resources("AWS::ApiGatewayV2::Stage") if each.stack == "Api"]

    assert stage.properties["StageName"] == "$default"
    assert stage.properties["AutoDeploy"] is True
    settings = stage.properties["DefaultRouteSettings"]
    assert settings["ThrottlingRateLimit"] == deployment.profile.request_rate
    assert settings["ThrottlingBurstLimit"] == deployment.profile.request_burst
    line = json.loads(stage.properties["AccessLogSettings"]["Format"])
    assert {"request_id", "status", "route", "user_id", "milliseconds"} <= set(line)
    assert "authorization" not in str(line).lower().replace("authorizer", "")


def test_apis_may_invoke_by_their_own_arn_alone(deployment: Deployment) -> None:
    permissions = list(deployment.resources("AWS::Lambda::Permission"))

    assert permissions
    assert all("SourceArn" in permission.properties for permission in permissions)


def test_the_reconciler_runs_by_the_clock_and_after_the_daemons_were_deployed(
    deployment: Deployment, manifest: Manifest
) -> None:
    rules = [each.properties for each in deployment.resources("AWS::Events::Rule")]

    assert [rule["ScheduleExpression"] for rule in rules if "ScheduleExpression" in rule] == [
        entry.schedule for entry in manifest.of_kind("schedule")
    ]
    [pattern] = [rule["EventPattern"] for rule in rules if "EventPattern" in rule]
    assert pattern["source"] == ["aws.cloudformation"]
    assert f"stack/{deployment.profile.prefix}-daemons/" in json.dumps(pattern)


def test_a_deployment_that_brings_migrations_runs_them(deployment: Deployment) -> None:
    [run] = deployment.resources("Custom::DatabaseSchema")

    function = deployment.follow(run, run.properties["ServiceToken"])

    assert function == functions(deployment)["migrate"]
    assert run.properties["Revision"] == revision()


def test_templates_without_artefacts_refuse_to_be_deployed(deployment: Deployment) -> None:
    for stack in ("Schema", "Realtime", "Api"):
        sentences = str(deployment.templates[stack]["Rules"])
        assert "Synthesised without the functions' artefacts" in sentences


def keys(entry: Function) -> set[str]:
    return {f"ANY {path}" for path in entry.routes} | {f"{route.method} {route.path}" for route in entry.public}


def environment(function: Resource) -> dict[str, Any]:
    return dict(function.properties["Environment"]["Variables"])
