"""Lets WebSocket APIs write access logs: a role that the account names to API Gateway once per region.

Source: API Gateway developer guide, "Set up CloudWatch logging for WebSocket APIs". HTTP APIs need no such role.
"""

from __future__ import annotations

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_apigateway as gateway
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.settings import Profile


class GatewayLogging(Construct):
    """The account's setting; it stays behind when the stack goes, because it is not of one installation alone.

    Attributes:
        account: the setting, for stages to depend on.
    """

    def __init__(self, scope: Construct, id: str, *, profile: Profile) -> None:  # noqa: A002 - CDK's name
        super().__init__(scope, id)
        groups = Stack.of(self).format_arn(
            service="logs", resource="log-group", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
            description="API Gateway writes the logs of APIs",
        )
        role.add_to_policy(
            iam.PolicyStatement(
                sid="Logs",
                actions=[
                    "logs:CreateLogGroup",
                    "logs:CreateLogStream",
                    "logs:DescribeLogGroups",
                    "logs:DescribeLogStreams",
                    "logs:PutLogEvents",
                    "logs:GetLogEvents",
                    "logs:FilterLogEvents",
                ],
                resources=[groups],
            )
        )
        keep = RemovalPolicy.RETAIN if profile.retain else RemovalPolicy.DESTROY
        role.apply_removal_policy(keep)
        self.account = gateway.CfnAccount(self, "Account", cloud_watch_role_arn=role.role_arn)
        self.account.apply_removal_policy(keep)
        self.account.node.add_dependency(role)
