"""What the profiles buy, and what they refuse to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import fields

import pytest

from infra.rules.limits import DEAR
from infra.rules.templates import Deployment
from infra.settings import PROFILES, Profile
from tests.infra.stacks import deployed

pytestmark = pytest.mark.xdist_group("infra")

#: What differs between profiles in kind and not only in number.
BOUGHT = {
    "AWS::EC2::FlowLog": {"small", "medium"},
    "AWS::ElastiCache::ServerlessCache": {"small", "medium"},
    "AWS::Budgets::Budget": {"small", "medium"},
    "AWS::ApiGateway::Account": {"small", "medium"},
    "AWS::ECS::Service": {"local", "small", "medium"},
    "AWS::RDS::DBCluster": {"local", "small", "medium"},
    "AWS::EC2::NatGateway": set(),
    "AWS::RDS::DBProxy": set(),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": set(),
}


def kinds(deployment: Deployment) -> Counter[str]:
    """How many resources there are of each type."""
    return Counter(each.kind for each in deployment.resources())


def test_each_profile_buys_what_it_should(deployments: Mapping[str, Deployment]) -> None:
    for kind, expected in BOUGHT.items():
        assert {name for name, each in deployments.items() if kinds(each)[kind]} == expected, kind


def test_small_refuses_everything_that_costs_while_nothing_happens(small: Deployment) -> None:
    assert not set(kinds(small)) & set(DEAR)
    assert not small.profile.insights
    [cluster] = small.resources("AWS::RDS::DBCluster")
    assert cluster.properties["ServerlessV2ScalingConfiguration"]["MinCapacity"] == 0


def test_medium_survives_a_zone(deployments: Mapping[str, Deployment]) -> None:
    medium = deployments["medium"]
    zones = {each.properties["AvailabilityZone"] for each in medium.resources("AWS::EC2::Subnet")}

    assert len(zones) == 3
    assert kinds(medium)["AWS::RDS::DBInstance"] == 2


def test_a_gateway_for_addresses_is_bought_by_one_word() -> None:
    with_gateway = deployed(PROFILES["medium"], nat="gateway")

    assert kinds(with_gateway)["AWS::EC2::NatGateway"] >= 1


def test_profiles_have_the_same_apis_daemons_and_functions(deployments: Mapping[str, Deployment]) -> None:
    def listed(deployment: Deployment) -> set[tuple[str, str]]:
        functions = {
            ("function", str(each.properties["Handler"])) for each in deployment.resources("AWS::Lambda::Function")
        }
        routes = {
            ("route", str(each.properties["RouteKey"])) for each in deployment.resources("AWS::ApiGatewayV2::Route")
        }
        services = {
            ("service", str(each.properties["ServiceName"])) for each in deployment.resources("AWS::ECS::Service")
        }
        return {each for each in functions | routes | services if each != ("function", "index.handler")}

    assert listed(deployments["local"]) == listed(deployments["small"]) == listed(deployments["medium"])


def test_profiles_do_not_meet_in_one_account(deployments: Mapping[str, Deployment]) -> None:
    """Names that must be unique in an account or in the world carry the profile's own."""
    names = {
        "AWS::Lambda::Function": "FunctionName",
        "AWS::ECS::Cluster": "ClusterName",
        "AWS::Logs::LogGroup": "LogGroupName",
        "AWS::CloudWatch::Alarm": "AlarmName",
        "AWS::CloudWatch::Dashboard": "DashboardName",
        "AWS::CloudFront::Function": "Name",
        "AWS::SNS::Topic": "TopicName",
        "AWS::S3::Bucket": "BucketName",
        "AWS::Events::Rule": "Name",
        "AWS::RDS::DBCluster": "DBClusterIdentifier",
    }
    for kind, key in names.items():
        given = [
            {str(each.properties[key]) for each in deployment.resources(kind) if key in each.properties}
            for deployment in deployments.values()
        ]
        assert not given[0] & given[1], kind
        assert not given[1] & given[2], kind


def test_every_setting_of_a_profile_is_explained() -> None:
    described = Profile.__doc__ or ""

    assert [field.name for field in fields(Profile) if field.name not in described] == []
