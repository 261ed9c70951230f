"""One Lambda function of the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from fullon.runtime.manifest import Function
from infra.constructs.artefacts import Artefacts, architecture, runtime
from infra.constructs.log_group import log_group
from infra.constructs.roles import function_role, read_secrets, seal_accounts
from infra.settings import Profile

if TYPE_CHECKING:
    from infra.stacks.data import Data
    from infra.stacks.network import Network

#: Secret → the variable that names its ARN to the function, which reads the value when it starts.
SECRET_VARIABLES: Mapping[str, str] = {
    "database": "DB_SECRET_ARN",
    "cache": "REDIS_SECRET_ARN",
    "jwt": "JWT_SECRET_ARN",
    "encryption": "ENCRYPTION_SECRET_ARN",
    "origin": "ORIGIN_SECRET_ARN",
    "admin": "ADMIN_SECRET_ARN",
}


class DomainFunction(Construct):
    """A function with its own role and log group.

    ``network`` of the manifest decides where it runs: one that reaches the stores or AWS is in the functions' subnets,
    any other is in no network.

    Attributes:
        function: the Lambda function.
        role: what it may do; a stack may add to it.
        log_group: where its lines go.
    """

    def __init__(
        self,
        scope: Construct,
        entry: Function,
        *,
        profile: Profile,
        artefacts: Artefacts,
        network: Network,
        data: Data,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, entry.name)
        inside = bool({"data", "control"} & set(entry.network))
        secrets = {name: data.secrets[name] for name in secrets_of(entry)}
        self.log_group: logs.LogGroup = log_group(self, f"/{profile.prefix}/functions/{entry.name}", profile)
        self.role: iam.Role = function_role(self, entry.name, self.log_group, in_network=inside)
        read_secrets(self.role, list(secrets.values()))
        seal_accounts(self.role, data.accounts_key, secrets)
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=f"{profile.prefix}-{entry.name}",
            description=entry.description,
            runtime=runtime(profile),
            architecture=architecture(profile),
            handler=entry.handler,
            code=artefacts.code,
            layers=[artefacts.layer(layer) for layer in entry.layers],
            memory_size=entry.memory,
            timeout=Duration.seconds(entry.timeout),
            reserved_concurrent_executions=entry.concurrency,
            environment={
                **_settings(entry, profile, data),
                **_named(secrets),
                **data.sealing(secrets),
                **(environment or {}),
            },
            tracing=lambda_.Tracing.ACTIVE,
            log_group=self.log_group,
            role=self.role.without_policy_updates(),
            # One that failed is not tried again by Lambda: what comes by schedule comes again.
            retry_attempts=0 if entry.kind == "schedule" else None,
            vpc=network.vpc if inside else None,
            vpc_subnets=network.private if inside else None,
            security_groups=[network.functions] if inside else None,
            ipv6_allowed_for_dual_stack=inside and not profile.emulated,
        )
        # Its permissions before its first start.
        self.function.node.add_dependency(self.role)


def secrets_of(entry: Function) -> tuple[str, ...]:
    """What a function may read: logins of the stores it reaches, the proof of the front, what the manifest names."""
    stores = ("database", "cache") if "data" in entry.network else ()
    front = ("origin",) if entry.kind == "http" and stores else ()
    return (*stores, *front, *entry.secrets)


def _settings(entry: Function, profile: Profile, data: Data) -> dict[str, str]:
    found = {
        "ENVIRONMENT": "cloud",
        "ECS_CLUSTER": profile.cluster_name,
        "ADMIN_MAIL": profile.admin_mail,
        "DB_POOL_SIZE": "2",
        "SERVICES_TO_AUTO_START": ",".join(profile.start) or "none",
        # A changed configuration gives new execution environments, which read their secrets anew.
        "SECRETS_REVISION": str(profile.secrets_revision),
    }
    if "data" in entry.network:
        found |= data.addresses
    if not profile.emulated:  # boto3 refuses it together with an address of one's own
        found["AWS_USE_DUALSTACK_ENDPOINT"] = "true"
    return found


def _named(secrets: Mapping[str, secretsmanager.ISecret]) -> dict[str, str]:
    return {SECRET_VARIABLES[name]: secret.secret_arn for name, secret in secrets.items()}
