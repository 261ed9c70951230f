"""What keeps data: private, encrypted, spoken to over TLS alone, and kept when a stack goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.rules.templates import Deployment, Finding, Resource, Rule, as_list, found

#: What is lost when it is deleted. The cache is not among them: everything in it can be rebuilt.
STATEFUL = (
    "AWS::RDS::DBCluster",
    "AWS::RDS::DBInstance",
    "AWS::SecretsManager::Secret",
    "AWS::S3::Bucket",
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
)
_KEEPING = {"Retain", "RetainExceptOnCreate", "Snapshot"}
_EVERYWHERE = {"0.0.0.0/0", "::/0"}
_TLS = {"https-only", "redirect-to-https"}


def databases_are_private_encrypted_and_speak_tls(deployment: Deployment) -> Iterator[Finding]:
    """Databases are encrypted, have no public address and refuse connections without TLS."""
    rule = databases_are_private_encrypted_and_speak_tls
    for cluster in deployment.resources("AWS::RDS::DBCluster"):
        if cluster.properties.get("StorageEncrypted") is not True:
            yield found(rule, cluster, "StorageEncrypted is not true.")
        group = deployment.follow(cluster, cluster.properties.get("DBClusterParameterGroupName"))
        if group is None or str(group.properties.get("Parameters", {}).get("rds.force_ssl")) != "1":
            yield found(rule, cluster, "The parameter rds.force_ssl is not 1.")
        if deployment.profile.retain and cluster.properties.get("DeletionProtection") is not True:
            yield found(rule, cluster, "DeletionProtection is not true.")
        subnets = deployment.follow(cluster, cluster.properties.get("DBSubnetGroupName"))
        members = as_list(subnets.properties.get("SubnetIds")) if subnets else []
        if subnets is None or not members:
            yield found(rule, cluster, "Its subnets are not in these templates.")
        else:
            for subnet in _public(deployment, subnets, members):
                yield found(rule, cluster, f"Its subnet {subnet.name} has a route to the internet.")
    for instance in deployment.resources("AWS::RDS::DBInstance"):
        if instance.properties.get("PubliclyAccessible") is not False:
            yield found(rule, instance, "PubliclyAccessible is not false.")


def the_cache_is_private(deployment: Deployment) -> Iterator[Finding]:
    """The cache lies in subnets without a way out and behind a security group; serverless Valkey always speaks TLS."""
    for cache in deployment.resources("AWS::ElastiCache::ServerlessCache"):
        if not cache.properties.get("SecurityGroupIds"):
            yield found(the_cache_is_private, cache, "It has no security group.")
        subnets = as_list(cache.properties.get("SubnetIds"))
        if not subnets:
            yield found(the_cache_is_private, cache, "It has no subnets.")
        for subnet in _public(deployment, cache, subnets):
            yield found(the_cache_is_private, cache, f"Its subnet {subnet.name} has a route to the internet.")
    for group in deployment.resources("AWS::ElastiCache::ReplicationGroup"):
        for key in ("TransitEncryptionEnabled", "AtRestEncryptionEnabled"):
            if group.properties.get(key) is not True:
                yield found(the_cache_is_private, group, f"{key} is not true.")


def nothing_comes_in_from_everywhere(deployment: Deployment) -> Iterator[Finding]:
    """No security group lets in the whole internet."""
    rule = nothing_comes_in_from_everywhere
    for group in deployment.resources("AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress"):
        inline = as_list(group.properties.get("SecurityGroupIngress"))
        for ingress in [group.properties] if group.kind.endswith("Ingress") else inline:
            source = ingress.get("CidrIp") or ingress.get("CidrIpv6")
            if source in _EVERYWHERE:
                yield found(rule, group, f"It lets in {source}.")


def buckets_are_private_encrypted_and_speak_tls(deployment: Deployment) -> Iterator[Finding]:
    """Buckets are encrypted, block public access and refuse requests without TLS."""
    rule = buckets_are_private_encrypted_and_speak_tls
    refusing = _refuse_without_tls(deployment, "AWS::S3::BucketPolicy", "Bucket")
    for bucket in deployment.resources("AWS::S3::Bucket"):
        block = bucket.properties.get("PublicAccessBlockConfiguration", {})
        keys = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
        if not all(block.get(key) is True for key in keys):
            yield found(rule, bucket, "It does not block public access.")
        if not bucket.properties.get("BucketEncryption"):
            yield found(rule, bucket, "It names no encryption.")
        if (bucket.stack, bucket.name) not in refusing:
            yield found(rule, bucket, "Its policy does not refuse requests without TLS.")


def topics_and_queues_speak_tls(deployment: Deployment) -> Iterator[Finding]:
    """Topics and queues refuse requests without TLS; queues are encrypted."""
    refusing = _refuse_without_tls(deployment, "AWS::SNS::TopicPolicy", "Topics") | _refuse_without_tls(
        deployment, "AWS::SQS::QueuePolicy", "Queues"
    )
    for resource in deployment.resources("AWS::SNS::Topic", "AWS::SQS::Queue"):
        if (resource.stack, resource.name) not in refusing:
            yield found(topics_and_queues_speak_tls, resource, "Its policy does not refuse requests without TLS.")
    for queue in deployment.resources("AWS::SQS::Queue"):
        if not (queue.properties.get("KmsMasterKeyId") or queue.properties.get("SqsManagedSseEnabled")):
            yield found(topics_and_queues_speak_tls, queue, "It is not encrypted.")


def the_front_speaks_tls(deployment: Deployment) -> Iterator[Finding]:
    """CloudFront speaks TLS to viewers and origins; buckets behind it answer to nobody else."""
    rule = the_front_speaks_tls
    for distribution in deployment.resources("AWS::CloudFront::Distribution"):
        config = distribution.properties.get("DistributionConfig", {})
        for behaviour in [config.get("DefaultCacheBehavior", {}), *as_list(config.get("CacheBehaviors"))]:
            if behaviour.get("ViewerProtocolPolicy") not in _TLS:
                path = behaviour.get("PathPattern", "the default")
                yield found(rule, distribution, f"The behaviour of {path} lets viewers speak plain HTTP.")
        for origin in as_list(config.get("Origins")):
            custom = origin.get("CustomOriginConfig")
            if custom is not None and custom.get("OriginProtocolPolicy") != "https-only":
                yield found(rule, distribution, f"The origin {origin.get('Id')} is spoken to without TLS.")
            if custom is None and not origin.get("OriginAccessControlId"):
                yield found(rule, distribution, f"The bucket behind {origin.get('Id')} has no access control.")


def stateful_resources_are_retained(deployment: Deployment) -> Iterator[Finding]:
    """Databases, secrets and buckets outlive their stack, which refuses to be deleted, where the profile retains."""
    rule = stateful_resources_are_retained
    if not deployment.profile.retain:
        return
    stacks: dict[str, Resource] = {}
    for resource in deployment.resources(*STATEFUL):
        for key in ("DeletionPolicy", "UpdateReplacePolicy"):
            # An instance of Aurora holds nothing: the cluster's volume does.
            is_instance = resource.kind == "AWS::RDS::DBInstance" and "DBClusterIdentifier" in resource.properties
            if not is_instance and resource.body.get(key) not in _KEEPING:
                yield found(rule, resource, f"{key} is {resource.body.get(key)}, so a deployment can destroy it.")
        if resource.kind != "AWS::S3::Bucket":
            stacks.setdefault(resource.stack, resource)
    for stack, resource in stacks.items():
        if stack not in deployment.protected:
            yield found(rule, resource, f"Its stack {stack} has no termination protection.")


def logs_end(deployment: Deployment) -> Iterator[Finding]:
    """Every log group says how long it keeps its lines."""
    for group in deployment.resources("AWS::Logs::LogGroup"):
        if not group.properties.get("RetentionInDays"):
            yield found(logs_end, group, "It keeps its lines for ever.")


def _public(deployment: Deployment, resource: Resource, subnets: list[Any]) -> Iterator[Resource]:
    """Those of the subnets that have a route to an internet or NAT gateway, or an egress-only one."""
    tables: dict[tuple[str, str], tuple[str, str]] = {}
    for association in deployment.resources("AWS::EC2::SubnetRouteTableAssociation"):
        subnet = deployment.follow(association, association.properties.get("SubnetId"))
        table = deployment.follow(association, association.properties.get("RouteTableId"))
        if subnet and table:
            tables[subnet.stack, subnet.name] = (table.stack, table.name)
    open_tables = {
        (table.stack, table.name)
        for route in deployment.resources("AWS::EC2::Route")
        if (table := deployment.follow(route, route.properties.get("RouteTableId")))
    }
    for each in subnets:
        subnet = deployment.follow(resource, each)
        if subnet and tables.get((subnet.stack, subnet.name)) in open_tables:
            yield subnet


def _refuse_without_tls(deployment: Deployment, kind: str, key: str) -> set[tuple[str, str]]:
    """The resources whose policies deny what comes without TLS."""
    refusing = set()
    for policy in deployment.resources(kind):
        for statement in as_list(policy.properties.get("PolicyDocument", {}).get("Statement")):
            secure = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
            if statement.get("Effect") == "Deny" and str(secure).lower() == "false":
                targets = [deployment.follow(policy, each) for each in as_list(policy.properties.get(key))]
                refusing |= {(target.stack, target.name) for target in targets if target}
    return refusing


RULES: tuple[Rule, ...] = (
    databases_are_private_encrypted_and_speak_tls,
    the_cache_is_private,
    nothing_comes_in_from_everywhere,
    buckets_are_private_encrypted_and_speak_tls,
    topics_and_queues_speak_tls,
    the_front_speaks_tls,
    stateful_resources_are_retained,
    logs_end,
)
