"""Faults in who may call what, and in what keeps data; each with the rule that has to find it."""

from __future__ import annotations

from infra.rules import access, stores
from tests.infra.planting import Changed, caught_by, properties, statement

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
