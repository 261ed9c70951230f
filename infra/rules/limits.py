"""What CloudFormation bears, where things are, and what a small installation refuses to pay for."""

from __future__ import annotations

import json
from collections.abc import Iterator

from infra.rules.templates import Deployment, Finding, Rule, as_list, found, name_of

MOST_RESOURCES = 400
"""CloudFormation's quota is 500 a template."""
MOST_BYTES = 900_000
"""Its quota is 1 MB."""
MOST_OUTPUTS = 180
"""Its quota is 200 of outputs and of parameters."""
#: What costs more a month than everything else of a small installation: 33 USD, 88, 18, 7.30 a zone, and addresses.
DEAR = (
    "AWS::EC2::NatGateway",
    "AWS::RDS::DBProxy",
    "AWS::ElasticLoadBalancing::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::EC2::EIP",
)


def templates_stay_below_the_quotas(deployment: Deployment) -> Iterator[Finding]:
    """Every template stays well below CloudFormation's quotas."""
    for stack, template in deployment.templates.items():
        size = len(json.dumps(template, indent=1).encode())
        for count, most, what in (
            (len(template.get("Resources", {})), MOST_RESOURCES, "resources"),
            (len(template.get("Outputs", {})), MOST_OUTPUTS, "outputs"),
            (len(template.get("Parameters", {})), MOST_OUTPUTS, "parameters"),
            (size, MOST_BYTES, "bytes"),
        ):
            if count > most:
                rule = name_of(templates_stay_below_the_quotas)
                yield Finding(rule, stack, f"It has {count} {what}; {most} is the bound.")


def no_template_names_a_dummy_zone(deployment: Deployment) -> Iterator[Finding]:
    """Availability zones are those of the profile; none is what CDK invents without a look-up."""
    rule = no_template_names_a_dummy_zone
    for resource in deployment.resources():
        if "dummy" in json.dumps(resource.body).lower():
            yield found(rule, resource, "It names something that CDK made up for want of a look-up.")
        zones = [resource.properties.get("AvailabilityZone"), *as_list(resource.properties.get("AvailabilityZones"))]
        for zone in zones:
            if zone is not None and zone not in deployment.profile.zones:
                yield found(rule, resource, f"{zone!r} is not one of the profile's zones.")


def a_small_installation_has_nothing_dear(deployment: Deployment) -> Iterator[Finding]:
    """Small and local have no NAT, proxy, load balancer or interface endpoint, and their database may pause."""
    rule = a_small_installation_has_nothing_dear
    if deployment.profile.name not in {"small", "local"}:
        return
    for resource in deployment.resources(*DEAR):
        yield found(rule, resource, "It costs more than the rest of the installation.")
    for endpoint in deployment.resources("AWS::EC2::VPCEndpoint"):
        if endpoint.properties.get("VpcEndpointType", "Gateway") != "Gateway":
            yield found(rule, endpoint, "An interface endpoint costs 7.30 USD a month and zone.")
    for cluster in deployment.resources("AWS::RDS::DBCluster"):
        scaling = cluster.properties.get("ServerlessV2ScalingConfiguration", {})
        if scaling.get("MinCapacity") != 0:
            yield found(rule, cluster, "It cannot pause: its smallest capacity is not 0.")


RULES: tuple[Rule, ...] = (
    templates_stay_below_the_quotas,
    no_template_names_a_dummy_zone,
    a_small_installation_has_nothing_dear,
)
