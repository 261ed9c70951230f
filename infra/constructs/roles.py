"""Roles that name what they may do. No managed policies: each statement is one that the code needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

#: Lambda places network interfaces itself; these calls take no resource (AWS service authorization reference, EC2).
NETWORK_INTERFACES = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
#: The purpose that :mod:`fullon.venues.master_keys` names in the encryption context of every call.
DATA_KEYS = "fullon:account:v1:data-key"
TRACES = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")


def function_role(scope: Construct, name: str, group: logs.ILogGroup, *, in_network: bool) -> iam.Role:
    """The role of one function: its own log group, traces, and network interfaces where it is in the network."""
    role = iam.Role(
        scope,
        "Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        description=f"What the function {name} may do",
    )
    role.add_to_policy(
        iam.PolicyStatement(
            sid="OwnLogs", actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[f"{group.log_group_arn}:*"]
        )
    )
    role.add_to_policy(iam.PolicyStatement(sid="Traces", actions=list(TRACES), resources=["*"]))
    if in_network:
        role.add_to_policy(
            iam.PolicyStatement(sid="NetworkInterfaces", actions=list(NETWORK_INTERFACES), resources=["*"])
        )
    return role


def read_secrets(role: iam.Role, secrets: Sequence[secretsmanager.ISecret]) -> None:
    """Let ``role`` read these secrets and no other."""
    if secrets:
        role.add_to_policy(
            iam.PolicyStatement(
                sid="Secrets",
                actions=["secretsmanager:GetSecretValue"],
                resources=[secret.secret_arn for secret in secrets],
            )
        )


def seal_accounts(role: iam.Role, key: kms.IKey | None, secrets: Collection[str]) -> None:
    """Let ``role`` wrap and unwrap data keys of exchange accounts, if it seals at all, and nothing else with the key.

    Source: KMS developer guide, "kms:EncryptionContext:context-key".
    """
    if key is not None and "encryption" in secrets:
        role.add_to_policy(
            iam.PolicyStatement(
                sid="AccountKeys",
                actions=["kms:Encrypt", "kms:Decrypt"],
                resources=[key.key_arn],
                conditions={"StringEquals": {"kms:EncryptionContext:purpose": DATA_KEYS}},
            )
        )


def control_daemons(role: iam.Role, stack: Stack, cluster: str, daemons: Sequence[str], actions: Sequence[str]) -> None:
    """Let ``role`` do ``actions`` to the services of ``daemons`` and their tasks, and to nothing else in ECS."""
    service_actions = [action for action in actions if action.endswith(("Service", "Services"))]
    task_actions = [action for action in actions if action not in service_actions]
    services = [
        stack.format_arn(service="ecs", resource="service", resource_name=f"{cluster}/{daemon}") for daemon in daemons
    ]
    if service_actions:
        role.add_to_policy(iam.PolicyStatement(sid="Daemons", actions=service_actions, resources=services))
    if task_actions:
        cluster_arn = stack.format_arn(service="ecs", resource="cluster", resource_name=cluster)
        tasks = stack.format_arn(service="ecs", resource="task", resource_name=f"{cluster}/*")
        instances = stack.format_arn(service="ecs", resource="container-instance", resource_name=f"{cluster}/*")
        role.add_to_policy(
            iam.PolicyStatement(
                sid="DaemonTasks",
                actions=task_actions,
                resources=[tasks, instances],
                conditions={"ArnEquals": {"ecs:cluster": cluster_arn}},
            )
        )
