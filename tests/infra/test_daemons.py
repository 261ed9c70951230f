"""The daemons' services: nobody's start but an admin's, never two, and nothing that they do not need."""

from __future__ import annotations

from typing import Any

import pytest

from fullon.runtime.manifest import Manifest
from infra.rules.templates import Deployment, Resource, as_list
from infra.settings import PROFILES
from infra.stacks.daemons import EMULATED_IMAGE
from tests.infra.stacks import daemons_of

pytestmark = pytest.mark.xdist_group("infra")


def services(deployment: Deployment) -> dict[str, Resource]:
    """The services by their names."""
    return {str(each.properties["ServiceName"]): each for each in deployment.resources("AWS::ECS::Service")}


def task(deployment: Deployment, service: Resource) -> Resource:
    """A service's task definition."""
    found = deployment.follow(service, service.properties["TaskDefinition"])
    assert found is not None
    return found


def container(deployment: Deployment, service: Resource) -> dict[str, Any]:
    """A service's one container."""
    [found] = task(deployment, service).properties["ContainerDefinitions"]
    return dict(found)


def test_there_is_a_service_for_each_daemon_and_no_other(deployment: Deployment, manifest: Manifest) -> None:
    assert set(services(deployment)) == {entry.name for entry in manifest.daemons}
    [cluster] = deployment.resources("AWS::ECS::Cluster")
    assert cluster.properties["ClusterName"] == deployment.profile.cluster_name


def test_a_deployment_starts_none_and_never_runs_two(deployment: Deployment) -> None:
    for service in services(deployment).values():
        assert service.properties["DesiredCount"] == 0
        bounds = service.properties["DeploymentConfiguration"]
        assert (bounds["MinimumHealthyPercent"], bounds["MaximumPercent"]) == (0, 100)
        assert bounds["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}


def test_a_daemon_has_what_the_manifest_says_and_time_to_end(deployment: Deployment, manifest: Manifest) -> None:
    for name, service in services(deployment).items():
        entry, definition = manifest.daemon(name), task(deployment, service).properties
        assert (definition["Cpu"], definition["Memory"]) == (str(entry.cpu), str(entry.memory))
        assert container(deployment, service)["Command"] == list(entry.command)
        assert container(deployment, service)["StopTimeout"] == entry.stop_timeout


def test_a_daemon_is_nobody_and_writes_nowhere_but_to_its_scratch(deployment: Deployment) -> None:
    for service in services(deployment).values():
        found = container(deployment, service)
        assert found["User"] == "10001"
        assert found["ReadonlyRootFilesystem"] is True
        assert found["MountPoints"] == [{"ContainerPath": "/tmp", "ReadOnly": False, "SourceVolume": "scratch"}]
        assert found["LinuxParameters"]["InitProcessEnabled"] is True
        assert found["HealthCheck"]["Command"] == ["CMD", "python", "-m", "fullon.runtime.healthcheck"]


def test_every_daemon_has_a_role_and_a_log_of_its_own(deployment: Deployment) -> None:
    roles, logs = set(), set()
    for service in services(deployment).values():
        definition = task(deployment, service)
        roles.add(deployment.follow(definition, definition.properties["TaskRoleArn"]))
        options = container(deployment, service)["LogConfiguration"]["Options"]
        logs.add(deployment.follow(definition, options["awslogs-group"]))

    assert None not in roles | logs
    assert len(roles) == len(logs) == len(services(deployment))


def test_a_log_that_is_not_delivered_stops_no_daemon(deployment: Deployment) -> None:
    for service in services(deployment).values():
        assert container(deployment, service)["LogConfiguration"]["Options"]["mode"] == "non-blocking"


def test_only_who_pushes_may_push_and_knows_where(deployment: Deployment, manifest: Manifest) -> None:
    pushing = {entry.name for entry in manifest.daemons if "connections" in entry.network}
    granted = {
        role.name: [
            (each["Action"], deployment.text(policy, each["Resource"]))
            for each in policy.properties["PolicyDocument"]["Statement"]
        ]
        for policy in deployment.resources("AWS::IAM::Policy")
        for role in (deployment.follow(policy, each) for each in policy.properties["Roles"])
        if role is not None and role.stack == "Daemons" and "TaskRole" in role.name
    }
    pushes = "execute-api:ManageConnections"

    for name, service in services(deployment).items():
        variables = {each["Name"] for each in container(deployment, service)["Environment"]}
        definition = task(deployment, service)
        role = deployment.follow(definition, definition.properties["TaskRoleArn"])
        assert role is not None
        assert ("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI" in variables) == (name in pushing)
        may = [resource for action, resource in granted.get(role.name, []) if pushes in as_list(action)]
        if name in pushing:
            [resource] = may
            assert resource.endswith("/ws/POST/@connections/*")
        else:
            assert may == []


def test_a_daemon_may_do_nothing_but_push_and_open_accounts(deployment: Deployment) -> None:
    known = {"execute-api:ManageConnections", "kms:Encrypt", "kms:Decrypt"}
    for policy in deployment.resources("AWS::IAM::Policy"):
        for role in (deployment.follow(policy, each) for each in policy.properties["Roles"]):
            if role is not None and role.stack == "Daemons" and "TaskRole" in role.name:
                for each in policy.properties["PolicyDocument"]["Statement"]:
                    assert set(as_list(each["Action"])) <= known


def test_secrets_reach_a_daemon_only_when_it_starts(deployment: Deployment) -> None:
    for service in services(deployment).values():
        found = container(deployment, service)
        plain = {each["Name"] for each in found["Environment"]}
        secret = {each["Name"] for each in found["Secrets"]}
        assert "DB_PASSWORD" in secret
        assert not plain & secret
        assert not {name for name in plain if "SECRET" in name or "PASSWORD" in name}


def test_only_who_opens_keys_of_accounts_is_given_what_seals_them(deployment: Deployment, manifest: Manifest) -> None:
    for name, service in services(deployment).items():
        given = {each["Name"] for each in container(deployment, service)["Secrets"]}
        assert ("ENCRYPTION_KEY" in given) == ("encryption" in manifest.daemon(name).secrets)
    assert "encryption" in manifest.daemon("account").secrets


def test_a_daemon_reaches_out_and_nothing_comes_in(deployment: Deployment) -> None:
    for service in services(deployment).values():
        network = service.properties["NetworkConfiguration"]["AwsvpcConfiguration"]
        [group] = [deployment.follow(service, each) for each in network["SecurityGroups"]]
        assert network["AssignPublicIp"] == "ENABLED"
        assert group is not None
        assert not group.properties.get("SecurityGroupIngress")
        assert not [
            each
            for each in deployment.resources("AWS::EC2::SecurityGroupIngress")
            if deployment.follow(each, each.properties["GroupId"]) is group
        ]


def test_the_image_is_built_for_the_profiles_processor_or_taken_from_the_registry(small: Deployment) -> None:
    [built] = {str(container(small, each)["Image"]) for each in services(small).values()}
    [taken] = {str(each["Image"]) for each in daemons_of(PROFILES["small"], image="fullon/daemons:v7")}
    [emulated] = {str(each["Image"]) for each in daemons_of(PROFILES["local"])}

    assert "container-assets" in built
    assert ":v7" in taken
    assert emulated == EMULATED_IMAGE
    for service in services(small).values():
        assert task(small, service).properties["RuntimePlatform"]["CpuArchitecture"] == "ARM64"


def test_insights_are_bought_by_the_profile(deployment: Deployment) -> None:
    [cluster] = deployment.resources("AWS::ECS::Cluster")

    assert cluster.properties["ClusterSettings"] == [
        {"Name": "containerInsights", "Value": "enabled" if deployment.profile.insights else "disabled"}
    ]
