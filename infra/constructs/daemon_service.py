"""One daemon of the manifest as a Fargate service that is never two."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration, Size
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from fullon.runtime.manifest import Daemon
from infra.constructs.log_group import log_group
from infra.settings import Profile

#: The user of the image, who owns nothing but the scratch folder.
USER = "10001"
#: The only place that can be written to: the heartbeat file that the health check reads.
SCRATCH = "/tmp"  # noqa: S108 - a mount of the container's own
HEALTH_CHECK = ("CMD", "python", "-m", "fullon.runtime.healthcheck")


class DaemonService(Construct):
    """A service with desired count 0: who starts it is an admin or the reconciler, never a deployment.

    The old task stops before the new one starts (0/100): two of a daemon are kept apart by its lease, and this keeps
    the overlap rare. A release whose tasks do not stay up is taken back (circuit breaker).

    Attributes:
        service: named as the daemon.
        task_role: what the daemon itself may do; nothing until the stack adds it.
        log_group: where its lines go.
    """

    def __init__(
        self,
        scope: Construct,
        entry: Daemon,
        *,
        profile: Profile,
        cluster: ecs.ICluster,
        image: ecs.ContainerImage,
        environment: Mapping[str, str],
        secrets: Mapping[str, ecs.Secret],
        security_group: ec2.ISecurityGroup,
    ) -> None:
        super().__init__(scope, entry.name)
        self.log_group = log_group(self, f"/{profile.prefix}/daemons/{entry.name}", profile)
        self.task_role = iam.Role(
            self,
            "TaskRole",
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
            description=f"What the daemon {entry.name} may do",
        )
        definition = self._definition(entry, profile)
        container = definition.add_container(
            entry.name,
            image=image,
            command=list(entry.command),
            environment=dict(environment),
            secrets=dict(secrets),
            user=USER,
            readonly_root_filesystem=True,
            linux_parameters=ecs.LinuxParameters(self, "Linux", init_process_enabled=True),
            # A log that cannot be delivered may lose lines; it may not stop the daemon.
            logging=ecs.LogDrivers.aws_logs(
                stream_prefix="task",
                log_group=self.log_group,
                mode=ecs.AwsLogDriverMode.NON_BLOCKING,
                max_buffer_size=Size.mebibytes(10),
            ),
            stop_timeout=Duration.seconds(entry.stop_timeout),
            health_check=ecs.HealthCheck(
                command=list(HEALTH_CHECK),
                interval=Duration.seconds(30),
                timeout=Duration.seconds(10),
                retries=3,
                start_period=Duration.seconds(120),
            ),
        )
        container.add_mount_points(ecs.MountPoint(container_path=SCRATCH, source_volume="scratch", read_only=False))
        self.service = ecs.FargateService(
            self,
            "Service",
            service_name=entry.name,
            cluster=cluster,
            task_definition=definition,
            desired_count=0,
            min_healthy_percent=0,
            max_healthy_percent=100,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            assign_public_ip=True,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC),
            security_groups=[security_group],
            enable_ecs_managed_tags=True,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
        )

    def _definition(self, entry: Daemon, profile: Profile) -> ecs.FargateTaskDefinition:
        architecture = ecs.CpuArchitecture.ARM64 if profile.architecture == "arm64" else ecs.CpuArchitecture.X86_64
        return ecs.FargateTaskDefinition(
            self,
            "Task",
            family=f"{profile.prefix}-{entry.name}",
            cpu=entry.cpu,
            memory_limit_mib=entry.memory,
            task_role=self.task_role,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=architecture, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
            volumes=[ecs.Volume(name="scratch")],
        )
