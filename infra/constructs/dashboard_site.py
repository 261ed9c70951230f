"""The dashboard's files in a private bucket that CloudFront alone may read."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_s3_deployment as deployment
from constructs import Construct

from infra.constructs.log_group import log_group
from infra.settings import Profile

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "web" / "dist"
#: What is served until a dashboard has been built.
PLAIN = Path(__file__).resolve().parents[1] / "edge" / "plain"
PREFIX = "app"
_ASSETS = "assets"


class DashboardSite(Construct):
    """Files below ``/app``: those with a hash in their name for ever, the pages checked at each visit.

    Attributes:
        bucket: private, encrypted, spoken to over TLS alone.
    """

    def __init__(self, scope: Construct, id: str, *, profile: Profile, files: Path | None = None) -> None:  # noqa: A002 - CDK's name
        super().__init__(scope, id)
        self.bucket = s3.Bucket(
            self,
            "Files",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            removal_policy=RemovalPolicy.RETAIN if profile.retain else RemovalPolicy.DESTROY,
            lifecycle_rules=[s3.LifecycleRule(abort_incomplete_multipart_upload_after=Duration.days(1))],
        )
        if not profile.emulated:
            self._upload(profile, files or (BUILT if (BUILT / "index.html").is_file() else PLAIN))

    def _upload(self, profile: Profile, files: Path) -> None:
        lines = log_group(self, f"/{profile.prefix}/upload", profile)
        role = iam.Role(
            self,
            "UploadRole",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Copies the dashboard's files into their bucket",
        )
        upload = _Upload(self, self.bucket, role, lines)
        upload.add("Pages", files, PREFIX, deployment.CacheControl.no_cache(), exclude=[_ASSETS])
        if (files / _ASSETS).is_dir():
            for_ever = deployment.CacheControl.from_string("public, max-age=31536000, immutable")
            upload.add("Assets", files / _ASSETS, f"{PREFIX}/{_ASSETS}", for_ever)
        role.add_to_policy(
            iam.PolicyStatement(sid="Sources", actions=["s3:GetObject"], resources=upload.sources),
        )
        role.add_to_policy(
            iam.PolicyStatement(
                sid="Files",
                actions=["s3:PutObject"],
                resources=[self.bucket.arn_for_objects(f"{PREFIX}/*")],
            )
        )
        role.add_to_policy(
            iam.PolicyStatement(sid="List", actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn])
        )
        role.add_to_policy(
            iam.PolicyStatement(
                sid="OwnLogs",
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[lines.log_group_arn],
            )
        )


class _Upload:
    """Copies folders, by CDK's provider with a role that names what it may do."""

    def __init__(self, scope: Construct, bucket: s3.IBucket, role: iam.Role, log_group: logs.ILogGroup) -> None:
        self._scope = scope
        self._bucket = bucket
        self._role = role
        self._log_group = log_group
        self.sources: list[str] = []

    def add(
        self,
        name: str,
        folder: Path,
        prefix: str,
        cache_control: deployment.CacheControl,
        exclude: list[str] | None = None,
    ) -> None:
        """Copy ``folder`` below ``prefix``; old files stay, for a browser that still shows yesterday's page."""
        source = assets.Asset(self._scope, f"{name}Source", path=str(folder), exclude=exclude)
        self.sources.append(source.bucket.arn_for_objects(source.s3_object_key))
        deployment.BucketDeployment(
            self._scope,
            name,
            sources=[deployment.Source.bucket(source.bucket, source.s3_object_key)],
            destination_bucket=self._bucket,
            destination_key_prefix=prefix,
            cache_control=[cache_control],
            prune=False,
            role=self._role.without_policy_updates(),
            log_group=self._log_group,
            memory_limit=512,
        ).node.add_dependency(self._role)
