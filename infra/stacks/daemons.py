"""The daemons: an ECS cluster and a Fargate service for each entry of the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from fullon.runtime.manifest import Daemon, Manifest
from infra.constructs.daemon_service import DaemonService
from infra.constructs.roles import seal_accounts
from infra.constructs.stack import named
from infra.settings import Profile
from infra.stacks.data import Data
from infra.stacks.network import Network
from infra.stacks.realtime import Realtime

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = "daemons/Dockerfile"
#: What an emulator is told, which starts no container: the rehearsal runs the daemons as processes.
EMULATED_IMAGE = "fullon/daemons:local"
#: Secret → the variable of its value.
SECRET_VALUES: Mapping[str, str] = {"encryption": "ENCRYPTION_KEY"}


class Daemons(Stack):
    """Services with desired count 0; who starts them is an admin or the reconciler, never a deployment.

    Attributes:
        cluster: named ``profile.cluster_name``.
        services: by the daemons' names, which are also the services' names.
        log_groups: by the daemons' names.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's name
        *,
        profile: Profile,
        manifest: Manifest,
        network: Network,
        data: Data,
        realtime: Realtime,
    ) -> None:
        super().__init__(scope, id, **named(profile, id, "daemons"))
        self.cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=profile.cluster_name,
            vpc=network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED if profile.insights else ecs.ContainerInsights.DISABLED,
        )
        image = self._image(profile)
        daemons = {
            entry.name: DaemonService(
                self,
                entry,
                profile=profile,
                cluster=self.cluster,
                image=image,
                environment={
                    **data.addresses,
                    **data.sealing(entry.secrets),
                    **_environment(entry, realtime),
                    "AWS_REGION": self.region,
                },
                secrets={**data.container_secrets, **_secrets(entry, data)},
                security_group=network.daemons,
            )
            for entry in manifest.daemons
        }
        for entry in manifest.daemons:
            seal_accounts(daemons[entry.name].task_role, data.accounts_key, entry.secrets)
            if "connections" in entry.network:
                daemons[entry.name].task_role.add_to_policy(
                    iam.PolicyStatement(
                        sid="Connections",
                        actions=["execute-api:ManageConnections"],
                        resources=[realtime.connections_arn],
                    )
                )
        self.services: Mapping[str, ecs.FargateService] = {name: daemon.service for name, daemon in daemons.items()}
        self.log_groups: Mapping[str, logs.ILogGroup] = {name: daemon.log_group for name, daemon in daemons.items()}

    def _image(self, profile: Profile) -> ecs.ContainerImage:
        if profile.emulated:
            return ecs.ContainerImage.from_registry(EMULATED_IMAGE)
        if profile.image:
            repository, _, tag = profile.image.rpartition(":")
            return ecs.ContainerImage.from_ecr_repository(
                ecr.Repository.from_repository_name(self, "Repository", repository), tag
            )
        platform = assets.Platform.LINUX_ARM64 if profile.architecture == "arm64" else assets.Platform.LINUX_AMD64
        return ecs.ContainerImage.from_asset(str(ROOT), file=DOCKERFILE, platform=platform)


def _secrets(entry: Daemon, data: Data) -> dict[str, ecs.Secret]:
    return {SECRET_VALUES[name]: ecs.Secret.from_secrets_manager(data.secrets[name]) for name in entry.secrets}


def _environment(entry: Daemon, realtime: Realtime) -> dict[str, str]:
    if "connections" not in entry.network:
        return {}
    return {"AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": realtime.management_endpoint}
