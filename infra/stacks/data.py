"""What must survive: both databases and the secrets; and the cache beside them."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.constructs.stack import named
from infra.settings import Profile
from infra.stacks.network import Network


class Data(Stack):
    """Aurora PostgreSQL Serverless v2, Valkey Serverless and the secrets.

    Attributes:
        cluster: Aurora; its alarms are made of ``cluster.metric_…``.
        cache_name: of the serverless cache, the dimension ``clusterId`` of its metrics; empty where it is emulated.
        secrets: ``database``, ``jwt``, ``encryption``, ``admin``, ``origin`` (CloudFront proves by it to be the front).
        addresses: environment of every process that reaches the stores: addresses and other things that are no secret.
        function_secrets: environment of functions: references that CloudFormation resolves at deployment.
        container_secrets: environment of containers: ECS reads the values when a task starts.
    """

    def __init__(self, scope: Construct, id: str, *, profile: Profile, network: Network) -> None:  # noqa: A002 - CDK's name
        super().__init__(scope, id, **named(profile, id, "databases, cache, secrets", keeps=True))
        self.cluster: rds.IDatabaseCluster
        self.cache_name = ""
        self.secrets: Mapping[str, secretsmanager.ISecret] = {}
        self.addresses: Mapping[str, str] = {}
        self.function_secrets: Mapping[str, str] = {}
        self.container_secrets: Mapping[str, ecs.Secret] = {}
