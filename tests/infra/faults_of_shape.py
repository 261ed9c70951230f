"""Faults in secrets, bounds and places, and between templates and manifest; each with the rule that has to find it."""

from __future__ import annotations

from infra.rules import limits, manifest, secrets
from tests.infra.planting import Changed, caught_by, properties

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
