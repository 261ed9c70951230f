"""Valkey Serverless: TLS, a login with a password, no snapshots because it holds no truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnTag
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.settings import Profile

if TYPE_CHECKING:
    from infra.stacks.network import Network

#: Everything but what administers a server; ``INFO`` is how clients learn what they speak to.
ALLOWED = "on ~* &* +@all -@admin -@dangerous +info"
SUBNETS = 3
"""ElastiCache Serverless takes two or three."""


class Valkey(Construct):
    """The cache and its only user.

    Attributes:
        name: of the cache.
        host: address of its endpoint; a cluster, spoken to over TLS.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's name
        *,
        profile: Profile,
        network: Network,
        login: secretsmanager.Secret,
    ) -> None:
        super().__init__(scope, id)
        self.name = profile.prefix
        user = elasticache.CfnUser(
            self,
            "User",
            engine="valkey",
            user_id=f"{profile.prefix}-user",
            # CloudFormation resolves the reference; the value is not in the template.
            user_name="fullon",
            # Changes the resource, so that CloudFormation reads the secret again.
            tags=[CfnTag(key="secrets-revision", value=str(profile.secrets_revision))],
            access_string=ALLOWED,
            authentication_mode={
                "Type": "password",
                "Passwords": [login.secret_value_from_json("password").unsafe_unwrap()],
            },
        )
        group = elasticache.CfnUserGroup(
            self, "Users", engine="valkey", user_group_id=f"{profile.prefix}-users", user_ids=[user.ref]
        )
        cache = elasticache.CfnServerlessCache(
            self,
            "Cache",
            engine="valkey",
            major_engine_version="8",
            serverless_cache_name=self.name,
            description="Latest values, bells and fan-out; holds no truth",
            security_group_ids=[network.stores.security_group_id],
            subnet_ids=network.vpc.select_subnets(subnet_group_name="stores").subnet_ids[:SUBNETS],
            user_group_id=group.ref,
            cache_usage_limits=elasticache.CfnServerlessCache.CacheUsageLimitsProperty(
                data_storage=elasticache.CfnServerlessCache.DataStorageProperty(
                    unit="GB", maximum=profile.valkey_maximum_gb
                )
            ),
        )
        self.host = cache.attr_endpoint_address
