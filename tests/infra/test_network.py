"""The network: who reaches whom, and what it costs to leave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from fullon.runtime.manifest import Manifest
from infra.rules.templates import Deployment, Resource
from infra.settings import SMALL
from infra.stacks.network import Network

pytestmark = pytest.mark.xdist_group("infra")

GROUP = "AWS::EC2::SecurityGroup"


def subnets(deployment: Deployment, group: str) -> list[Resource]:
    return [each for each in deployment.resources("AWS::EC2::Subnet") if f"Vpc{group}Subnet" in each.name]


def routes(deployment: Deployment, group: str) -> Iterator[dict[str, Any]]:
    """Routes that leave the network from the subnets of a group."""
    for route in deployment.resources("AWS::EC2::Route"):
        if f"Vpc{group}Subnet" in route.name:
            yield dict(route.properties)


def group(deployment: Deployment, name: str) -> dict[str, Any]:
    [found] = [each for each in deployment.resources(GROUP) if each.name.startswith(name)]
    return dict(found.properties)


def test_subnets_are_in_the_zones_that_the_profile_writes_out(deployment: Deployment) -> None:
    zones = {each.properties["AvailabilityZone"] for each in deployment.resources("AWS::EC2::Subnet")}

    assert zones == set(deployment.profile.zones)


def test_nothing_is_paid_for_by_the_hour_in_a_network_without_trade(deployment: Deployment) -> None:
    kinds = {each.kind for each in deployment.resources()}

    assert not kinds & {
        "AWS::EC2::NatGateway",
        "AWS::EC2::EIP",
        "AWS::RDS::DBProxy",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
    }
    endpoints = [each.properties["VpcEndpointType"] for each in deployment.resources("AWS::EC2::VPCEndpoint")]
    assert set(endpoints) <= {"Gateway"}


def test_functions_leave_over_ipv6_alone(small: Deployment) -> None:
    found = list(routes(small, "functions"))

    assert len(found) == len(small.profile.zones)
    assert all(route["DestinationIpv6CidrBlock"] == "::/0" for route in found)
    assert all("EgressOnlyInternetGatewayId" in route for route in found)
    assert not any("DestinationCidrBlock" in route for route in found)


def test_stores_do_not_leave(deployment: Deployment) -> None:
    assert len(subnets(deployment, "stores")) == len(deployment.profile.zones)
    assert list(routes(deployment, "stores")) == []


def test_stores_are_reached_by_functions_and_daemons_at_their_ports_alone(deployment: Deployment) -> None:
    rules = group(deployment, "Stores")["SecurityGroupIngress"]

    assert {(rule["FromPort"], rule["ToPort"], rule["IpProtocol"]) for rule in rules} == {
        (5432, 5432, "tcp"),
        (6379, 6379, "tcp"),
    }
    assert all("CidrIp" not in rule and "SourceSecurityGroupId" in rule for rule in rules)
    sources = {str(rule["SourceSecurityGroupId"]) for rule in rules}
    assert len(sources) == 2
    assert "Functions" in str(sources)
    assert "Daemons" in str(sources)


def test_nobody_comes_in_to_functions_and_daemons(deployment: Deployment) -> None:
    for name in ("Functions", "Daemons"):
        assert group(deployment, name).get("SecurityGroupIngress", []) == []


def test_functions_send_to_the_stores_and_to_https_alone(deployment: Deployment) -> None:
    rules = group(deployment, "Functions")["SecurityGroupEgress"]

    everywhere = [rule["FromPort"] for rule in rules if "0.0.0.0/0" in rule.values() or "::/0" in rule.values()]
    assert set(everywhere) == {443}
    assert {rule["FromPort"] for rule in rules} == {443, 5432, 6379}


def test_rules_are_inside_their_groups(deployment: Deployment) -> None:
    """A rule as a resource of its own would tie stacks together, and the emulator has none."""
    assert not list(deployment.resources("AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"))


def test_storage_is_reached_for_the_answers_of_deployments_alone(small: Deployment) -> None:
    [endpoint] = small.resources("AWS::EC2::VPCEndpoint")
    [statement] = endpoint.properties["PolicyDocument"]["Statement"]

    assert statement["Action"] == "s3:PutObject"
    assert small.text(endpoint, statement["Resource"]).endswith("cloudformation-custom-resource-response-useast1/*")


def test_connections_are_logged_where_the_profile_says_so(deployment: Deployment) -> None:
    logged = list(deployment.resources("AWS::EC2::FlowLog"))

    assert len(logged) == (1 if deployment.profile.flow_logs else 0)


def test_a_nat_gateway_is_there_when_asked_for(tmp_path: Path, manifest: Manifest) -> None:
    profile = replace(SMALL, nat="gateway")
    app = cdk.App(outdir=str(tmp_path))

    Network(app, "Network", profile=profile)
    app.synth()

    deployment = Deployment.read(tmp_path, profile, manifest)
    assert len(list(deployment.resources("AWS::EC2::NatGateway"))) == 1
    assert all("DestinationCidrBlock" not in route for route in routes(deployment, "stores"))
    assert any("NatGatewayId" in route for route in routes(deployment, "functions"))
