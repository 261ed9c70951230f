"""The invariants hold in every profile, and each of them catches the fault that it is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from infra.rules import RULES, Rule, access, check, limits, manifest, secrets, stores
from infra.rules.templates import Deployment, name_of
from tests.infra.planting import Changed

pytestmark = pytest.mark.xdist_group("infra")

Fault = Callable[[Changed], None]
FAULTS: list[tuple[Rule, Fault, str]] = []


def caught_by(rule: Rule, words: str) -> Callable[[Fault], Fault]:
    """The decorated fault is found by ``rule``, in a sentence with these words."""

    def enter(fault: Fault) -> Fault:
        FAULTS.append((rule, fault, words))
        return fault

    return enter


def properties(changed: Changed, kind: str, **having: Any) -> dict[str, Any]:
    found: dict[str, Any] = changed.one(kind, **having)["Properties"]
    return found


def statement(changed: Changed, stack: str, **fields: Any) -> None:
    """A role more that may do something."""
    body = {"Effect": "Allow", "Resource": "arn:aws:s3:::some", **fields}
    changed.add(stack, "Planted", "AWS::IAM::Policy", PolicyDocument={"Statement": [body]}, Roles=[])


# Who may call, and what may be called.


@caught_by(access.every_route_has_an_authorizer_or_is_on_the_public_list, "needs no identity")
def a_route_without_authorizer(changed: Changed) -> None:
    properties(changed, "AWS::ApiGatewayV2::Route", RouteKey="ANY /api/v1/orm/{proxy+}")["AuthorizationType"] = "NONE"


@caught_by(access.every_route_has_an_authorizer_or_is_on_the_public_list, "'$connect' needs no identity")
def a_socket_without_authorizer(changed: Changed) -> None:
    del properties(changed, "AWS::ApiGatewayV2::Route", RouteKey="$connect")["AuthorizationType"]


@caught_by(access.every_route_has_an_authorizer_or_is_on_the_public_list, "needs no identity")
def an_authorizer_that_does_not_exist(changed: Changed) -> None:
    route = properties(changed, "AWS::ApiGatewayV2::Route", RouteKey="ANY /api/v1/cache/{proxy+}")
    route["AuthorizerId"] = {"Ref": "Nothing"}


@caught_by(access.no_wildcard_action, "'s3:*'")
def an_action_with_a_wildcard(changed: Changed) -> None:
    statement(changed, "Api", Action=["s3:*"])


@caught_by(access.no_wildcard_action, "'ecs:Describe*'")
def an_action_that_begins_with_something(changed: Changed) -> None:
    statement(changed, "Api", Action="ecs:Describe*")


@caught_by(access.no_wildcard_action, "all but something")
def everything_but_something(changed: Changed) -> None:
    statement(changed, "Api", NotAction="iam:CreateUser")


@caught_by(access.no_wildcard_action, "'sns:*'")
def a_topic_that_lets_everything_be_done(changed: Changed) -> None:
    policy = properties(changed, "AWS::SNS::TopicPolicy")["PolicyDocument"]
    policy["Statement"].append({"Effect": "Allow", "Action": "sns:*", "Principal": "*", "Resource": "*"})


@caught_by(access.every_resource_is_named, "'s3:GetObject' is allowed on everything")
def everything_may_be_read(changed: Changed) -> None:
    statement(changed, "Api", Action="s3:GetObject", Resource="*")


@caught_by(access.who_controls_daemons_touches_only_them, "no service of the manifest's daemons")
def another_service_may_be_stopped(changed: Changed) -> None:
    for policy in changed.each("AWS::IAM::Policy"):
        for each in policy["Properties"]["PolicyDocument"]["Statement"]:
            if "ecs:UpdateService" in each["Action"]:
                each["Resource"] = "arn:aws:ecs:us-east-1:123456789012:service/other/bank"
                return


@caught_by(access.who_controls_daemons_touches_only_them, "'ecs:DeleteService' is not among")
def a_service_may_be_deleted(changed: Changed) -> None:
    for policy in changed.each("AWS::IAM::Policy"):
        for each in policy["Properties"]["PolicyDocument"]["Statement"]:
            if "ecs:UpdateService" in each["Action"]:
                each["Action"] = [*each["Action"], "ecs:DeleteService"]
                return


@caught_by(access.every_function_has_a_role_of_its_own, "shares the role")
def two_functions_with_one_role(changed: Changed) -> None:
    functions = [
        resource["Properties"]
        for resource in changed.templates["Api"]["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    ]
    functions[0]["Role"] = functions[1]["Role"]


@caught_by(access.every_function_has_a_role_of_its_own, "Managed policies")
def a_managed_policy(changed: Changed) -> None:
    properties(changed, "AWS::IAM::Role")["ManagedPolicyArns"] = ["arn:aws:iam::aws:policy/AdministratorAccess"]


# What keeps data.


@caught_by(stores.databases_are_private_encrypted_and_speak_tls, "StorageEncrypted")
def a_database_in_clear(changed: Changed) -> None:
    properties(changed, "AWS::RDS::DBCluster")["StorageEncrypted"] = False


@caught_by(stores.databases_are_private_encrypted_and_speak_tls, "rds.force_ssl")
def a_database_that_speaks_plain(changed: Changed) -> None:
    properties(changed, "AWS::RDS::DBClusterParameterGroup")["Parameters"]["rds.force_ssl"] = "0"


@caught_by(stores.databases_are_private_encrypted_and_speak_tls, "DeletionProtection")
def a_database_that_can_be_deleted(changed: Changed) -> None:
    properties(changed, "AWS::RDS::DBCluster")["DeletionProtection"] = False


@caught_by(stores.databases_are_private_encrypted_and_speak_tls, "PubliclyAccessible")
def a_database_with_a_public_address(changed: Changed) -> None:
    properties(changed, "AWS::RDS::DBInstance")["PubliclyAccessible"] = True


@caught_by(stores.databases_are_private_encrypted_and_speak_tls, "route to the internet")
def a_database_in_public_subnets(changed: Changed) -> None:
    exports = changed.templates["Network"]["Outputs"]
    public = next(
        name
        for name, each in changed.templates["Network"]["Resources"].items()
        if each["Type"] == "AWS::EC2::Subnet" and "public" in name.lower()
    )
    exports["Planted"] = {"Value": {"Ref": public}, "Export": {"Name": "planted"}}
    properties(changed, "AWS::RDS::DBSubnetGroup")["SubnetIds"][0] = {"Fn::ImportValue": "planted"}


@caught_by(stores.the_cache_is_private, "no security group")
def a_cache_for_everybody(changed: Changed) -> None:
    del properties(changed, "AWS::ElastiCache::ServerlessCache")["SecurityGroupIds"]


@caught_by(stores.nothing_comes_in_from_everywhere, "0.0.0.0/0")
def a_door_to_the_world(changed: Changed) -> None:
    rule = {"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    properties(changed, "AWS::EC2::SecurityGroup")["SecurityGroupIngress"] = [rule]


@caught_by(stores.nothing_comes_in_from_everywhere, "::/0")
def a_door_to_the_world_beside_the_group(changed: Changed) -> None:
    changed.add("Network", "Planted", "AWS::EC2::SecurityGroupIngress", CidrIpv6="::/0", IpProtocol="-1")


@caught_by(stores.buckets_are_private_encrypted_and_speak_tls, "does not block public access")
def a_public_bucket(changed: Changed) -> None:
    properties(changed, "AWS::S3::Bucket")["PublicAccessBlockConfiguration"]["BlockPublicPolicy"] = False


@caught_by(stores.buckets_are_private_encrypted_and_speak_tls, "names no encryption")
def a_bucket_in_clear(changed: Changed) -> None:
    del properties(changed, "AWS::S3::Bucket")["BucketEncryption"]


@caught_by(stores.buckets_are_private_encrypted_and_speak_tls, "without TLS")
def a_bucket_that_speaks_plain(changed: Changed) -> None:
    changed.remove(changed.one("AWS::S3::BucketPolicy"))


@caught_by(stores.topics_and_queues_speak_tls, "without TLS")
def a_topic_that_speaks_plain(changed: Changed) -> None:
    changed.add("Observability", "Planted", "AWS::SNS::Topic")


@caught_by(stores.topics_and_queues_speak_tls, "not encrypted")
def a_queue_in_clear(changed: Changed) -> None:
    changed.add("Api", "Planted", "AWS::SQS::Queue")


@caught_by(stores.the_front_speaks_tls, "plain HTTP")
def a_front_that_speaks_plain(changed: Changed) -> None:
    config = properties(changed, "AWS::CloudFront::Distribution")["DistributionConfig"]
    config["CacheBehaviors"][0]["ViewerProtocolPolicy"] = "allow-all"


@caught_by(stores.the_front_speaks_tls, "without TLS")
def an_origin_that_is_asked_in_clear(changed: Changed) -> None:
    config = properties(changed, "AWS::CloudFront::Distribution")["DistributionConfig"]
    next(each for each in config["Origins"] if "CustomOriginConfig" in each)["CustomOriginConfig"][
        "OriginProtocolPolicy"
    ] = "match-viewer"


@caught_by(stores.stateful_resources_are_retained, "DeletionPolicy is Delete")
def a_secret_that_goes_with_its_stack(changed: Changed) -> None:
    changed.one("AWS::SecretsManager::Secret")["DeletionPolicy"] = "Delete"


@caught_by(stores.stateful_resources_are_retained, "UpdateReplacePolicy is None")
def a_database_that_a_change_replaces(changed: Changed) -> None:
    del changed.one("AWS::RDS::DBCluster")["UpdateReplacePolicy"]


@caught_by(stores.stateful_resources_are_retained, "termination protection")
def a_data_stack_that_can_be_deleted(changed: Changed) -> None:
    changed.protected = frozenset()


@caught_by(stores.logs_end, "for ever")
def a_log_without_an_end(changed: Changed) -> None:
    changed.add("Api", "Planted", "AWS::Logs::LogGroup")


# No secret value.


@caught_by(secrets.no_secret_value_in_any_template, "JWT_SECRET_KEY holds a literal value")
def a_secret_in_a_functions_environment(changed: Changed) -> None:
    variables = properties(changed, "AWS::Lambda::Function", Handler="functions.auth.handler.handler")["Environment"]
    variables["Variables"]["JWT_SECRET_KEY"] = "not-to-be-read"


@caught_by(secrets.no_secret_value_in_any_template, "DB_PASSWORD holds a literal value")
def a_secret_in_a_containers_environment(changed: Changed) -> None:
    container = properties(changed, "AWS::ECS::TaskDefinition")["ContainerDefinitions"][0]
    container["Environment"].append({"Name": "DB_PASSWORD", "Value": "not-to-be-read"})


@caught_by(secrets.no_secret_value_in_any_template, "x-origin-proof holds a literal value")
def a_secret_in_a_header(changed: Changed) -> None:
    config = properties(changed, "AWS::CloudFront::Distribution")["DistributionConfig"]
    headers = next(each for each in config["Origins"] if each.get("OriginCustomHeaders"))["OriginCustomHeaders"]
    headers[0]["HeaderValue"] = "not-to-be-read"


@caught_by(secrets.no_secret_value_in_any_template, "MasterUserPassword holds a literal value")
def a_password_of_the_database(changed: Changed) -> None:
    properties(changed, "AWS::RDS::DBCluster")["MasterUserPassword"] = "not-to-be-read"


@caught_by(secrets.no_secret_value_in_any_template, "an address with a password")
def an_address_with_a_password(changed: Changed) -> None:
    properties(changed, "AWS::Lambda::Function")["Description"] = "postgresql://fullon:hunter2@db/fullon"


@caught_by(secrets.no_secret_value_in_any_template, "an access key of AWS")
def an_access_key(changed: Changed) -> None:
    properties(changed, "AWS::Lambda::Function")["Description"] = "AKIA" + "ABCDEFGHIJKLMNOP"


@caught_by(secrets.no_secret_value_in_any_template, "not generated in the account")
def a_secret_with_its_value(changed: Changed) -> None:
    changed.add("Data", "Planted", "AWS::SecretsManager::Secret", Description="given")


# Bounds, places and prices.


@caught_by(limits.templates_stay_below_the_quotas, "401 resources")
def a_template_that_outgrows_its_quota(changed: Changed) -> None:
    for number in range(401 - len(changed.templates["Api"]["Resources"])):
        changed.add("Api", f"Planted{number}", "AWS::CloudFormation::WaitConditionHandle")


@caught_by(limits.no_template_names_a_dummy_zone, "made up")
def a_zone_that_cdk_made_up(changed: Changed) -> None:
    properties(changed, "AWS::EC2::Subnet")["AvailabilityZone"] = "dummy1a"


@caught_by(limits.no_template_names_a_dummy_zone, "not one of the profile's zones")
def a_zone_of_another_region(changed: Changed) -> None:
    properties(changed, "AWS::EC2::Subnet")["AvailabilityZone"] = "eu-central-1a"


@caught_by(limits.a_small_installation_has_nothing_dear, "costs more")
def a_nat_gateway(changed: Changed) -> None:
    changed.add("Network", "Planted", "AWS::EC2::NatGateway")


@caught_by(limits.a_small_installation_has_nothing_dear, "costs more")
def a_database_proxy(changed: Changed) -> None:
    changed.add("Data", "Planted", "AWS::RDS::DBProxy")


@caught_by(limits.a_small_installation_has_nothing_dear, "costs more")
def a_load_balancer(changed: Changed) -> None:
    changed.add("Daemons", "Planted", "AWS::ElasticLoadBalancingV2::LoadBalancer")


@caught_by(limits.a_small_installation_has_nothing_dear, "interface endpoint")
def an_interface_endpoint(changed: Changed) -> None:
    changed.add("Network", "Planted", "AWS::EC2::VPCEndpoint", VpcEndpointType="Interface")


@caught_by(limits.a_small_installation_has_nothing_dear, "cannot pause")
def a_database_that_never_sleeps(changed: Changed) -> None:
    properties(changed, "AWS::RDS::DBCluster")["ServerlessV2ScalingConfiguration"]["MinCapacity"] = 0.5


# Templates and manifest.


@caught_by(manifest.functions_are_those_of_the_manifest, "knows no such function")
def a_function_too_many(changed: Changed) -> None:
    changed.add("Api", "Planted", "AWS::Lambda::Function", Handler="functions.other.handler")


@caught_by(manifest.functions_are_those_of_the_manifest, "made 0 times")
def a_function_too_few(changed: Changed) -> None:
    changed.remove(changed.one("AWS::Lambda::Function", Handler="functions.orm.handler.handler"))


@caught_by(manifest.functions_are_those_of_the_manifest, "MemorySize is 128")
def a_function_with_too_little_memory(changed: Changed) -> None:
    properties(changed, "AWS::Lambda::Function", Handler="functions.orm.handler.handler")["MemorySize"] = 128


@caught_by(manifest.functions_are_those_of_the_manifest, "TracingConfig")
def a_function_without_traces(changed: Changed) -> None:
    del properties(changed, "AWS::Lambda::Function", Handler="functions.orm.handler.handler")["TracingConfig"]


@caught_by(manifest.functions_are_those_of_the_manifest, "Architectures")
def a_function_for_another_processor(changed: Changed) -> None:
    properties(changed, "AWS::Lambda::Function", Handler="functions.orm.handler.handler")["Architectures"] = ["x86_64"]


@caught_by(manifest.functions_are_those_of_the_manifest, "log group of its own")
def a_function_without_a_log(changed: Changed) -> None:
    del properties(changed, "AWS::Lambda::Function", Handler="functions.orm.handler.handler")["LoggingConfig"]


@caught_by(manifest.functions_are_those_of_the_manifest, "not in their network")
def a_function_outside_the_network(changed: Changed) -> None:
    del properties(changed, "AWS::Lambda::Function", Handler="functions.orm.handler.handler")["VpcConfig"]


@caught_by(manifest.daemons_are_those_of_the_manifest, "no such daemon")
def a_daemon_too_many(changed: Changed) -> None:
    changed.add("Daemons", "Planted", "AWS::ECS::Service", ServiceName="miner")


@caught_by(manifest.daemons_are_those_of_the_manifest, "has no service")
def a_daemon_too_few(changed: Changed) -> None:
    changed.remove(changed.one("AWS::ECS::Service", ServiceName="ticker"))


@caught_by(manifest.daemons_are_those_of_the_manifest, "a first deployment would start it")
def a_daemon_that_a_deployment_starts(changed: Changed) -> None:
    properties(changed, "AWS::ECS::Service", ServiceName="ticker")["DesiredCount"] = 1


@caught_by(manifest.daemons_are_those_of_the_manifest, "Two of it")
def a_daemon_that_may_be_two(changed: Changed) -> None:
    service = properties(changed, "AWS::ECS::Service", ServiceName="ticker")
    service["DeploymentConfiguration"]["MaximumPercent"] = 200


@caught_by(manifest.daemons_are_those_of_the_manifest, "runs as root")
def a_daemon_that_is_root(changed: Changed) -> None:
    del properties(changed, "AWS::ECS::TaskDefinition")["ContainerDefinitions"][0]["User"]


@caught_by(manifest.daemons_are_those_of_the_manifest, "ReadonlyRootFilesystem")
def a_daemon_that_can_change_itself(changed: Changed) -> None:
    properties(changed, "AWS::ECS::TaskDefinition")["ContainerDefinitions"][0]["ReadonlyRootFilesystem"] = False


@caught_by(manifest.daemons_are_those_of_the_manifest, "no health check")
def a_daemon_whose_health_nobody_knows(changed: Changed) -> None:
    del properties(changed, "AWS::ECS::TaskDefinition")["ContainerDefinitions"][0]["HealthCheck"]


@caught_by(manifest.routes_are_those_of_the_manifest, "no route 'ANY /secret'")
def a_route_too_many(changed: Changed) -> None:
    route = properties(changed, "AWS::ApiGatewayV2::Route", RouteKey="ANY /api/v1/orm/{proxy+}")
    changed.add("Api", "Planted", "AWS::ApiGatewayV2::Route", **{**route, "RouteKey": "ANY /secret"})


@caught_by(manifest.routes_are_those_of_the_manifest, "is in no template")
def a_route_too_few(changed: Changed) -> None:
    changed.remove(changed.one("AWS::ApiGatewayV2::Route", RouteKey="subscribe"))


@caught_by(manifest.routes_are_those_of_the_manifest, "not to auth")
def a_route_that_leads_astray(changed: Changed) -> None:
    stray = properties(changed, "AWS::ApiGatewayV2::Route", RouteKey="ANY /api/v1/orm/{proxy+}")["Target"]
    properties(changed, "AWS::ApiGatewayV2::Route", RouteKey="POST /api/v1/auth/login")["Target"] = stray


@caught_by(manifest.schedules_are_those_of_the_manifest, "Nothing calls it")
def a_schedule_that_is_forgotten(changed: Changed) -> None:
    changed.remove(changed.one("AWS::Events::Rule", ScheduleExpression="rate(1 minute)"))


@caught_by(manifest.schedules_are_those_of_the_manifest, "called at rate(1 day)")
def a_schedule_of_another_rate(changed: Changed) -> None:
    rule = properties(changed, "AWS::Events::Rule", ScheduleExpression="rate(1 minute)")
    rule["ScheduleExpression"] = "rate(1 day)"


def test_every_invariant_holds(deployment: Deployment) -> None:
    assert [str(finding) for finding in check(deployment)] == []


@pytest.mark.parametrize(("rule", "fault", "words"), FAULTS, ids=[fault.__name__ for _, fault, _ in FAULTS])
def test_a_planted_fault_is_found(small: Deployment, rule: Rule, fault: Fault, words: str) -> None:
    changed = Changed(small)

    fault(changed)

    sentences = changed.found_by(rule)
    assert any(words in sentence for sentence in sentences), sentences


def test_every_invariant_has_a_fault_that_it_finds() -> None:
    assert {name_of(rule) for rule in RULES} == {name_of(rule) for rule, _, _ in FAULTS}


def test_every_rule_says_in_a_sentence_what_it_holds() -> None:
    for rule in RULES:
        assert rule.__doc__
        assert rule.__doc__.strip().endswith(".")
