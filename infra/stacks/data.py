"""What must survive: both databases and the secrets; and the cache beside them, which holds no truth."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aws_cdk import CfnOutput, CfnParameter, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_kms as kms
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.constructs.generated_secret import generated_login, generated_secret
from infra.constructs.stack import named
from infra.constructs.valkey import Valkey
from infra.settings import Profile
from infra.stacks.network import POSTGRES, VALKEY, Network

USER = "fullon"
PLATFORM, CANDLES = "fullon", "fullon_ohlcv"
#: A database that pauses wakes in about 15 s; the HTTP API waits 30 s.
CONNECT_SECONDS = 20


class Data(Stack):
    """Aurora PostgreSQL Serverless v2, Valkey Serverless and the secrets.

    The emulator has no addresses of its own that answer, so there the stores' addresses are parameters of the stack:
    ``DatabaseHost``, ``DatabasePort``, ``CacheHost``, ``CachePort``; so is that of the paper venue, ``VenueUrl``.

    Attributes:
        cluster: Aurora; its alarms are made of ``cluster.metric_…``.
        cache_name: of the serverless cache, the dimension ``clusterId`` of its metrics; empty where it is emulated.
        secrets: ``database``, ``cache``, ``jwt``, ``encryption``, ``admin``, ``origin`` (CloudFront proves by it to be
            the front). The first two hold ``username`` and ``password``, the others are plain text.
        accounts_key: wraps the data keys of exchange accounts; None where the secret ``encryption`` does.
        addresses: environment of every process that reaches the stores: addresses and other things that are no secret.
        container_secrets: environment of containers: ECS reads the values when a task starts.
    """

    def __init__(self, scope: Construct, id: str, *, profile: Profile, network: Network) -> None:  # noqa: A002 - CDK's name
        super().__init__(scope, id, **named(profile, id, "databases, cache, secrets", keeps=True))
        database = generated_login(self, "DatabaseLogin", profile, "Login of functions and daemons to PostgreSQL", USER)
        cluster = self._database(profile, network, database)
        self.cluster: rds.IDatabaseCluster = cluster
        cache = generated_login(self, "CacheLogin", profile, "Login of functions and daemons to Valkey", USER)
        self.secrets: Mapping[str, secretsmanager.ISecret] = {
            "database": database,
            "cache": cache,
            "jwt": generated_secret(self, "SigningKey", profile, "Signs access tokens"),
            "encryption": generated_secret(self, "EncryptionKey", profile, "Seals what is kept secret in the database"),
            "admin": generated_secret(self, "AdminPassword", profile, "First password of the administrator", length=32),
            "origin": generated_secret(self, "OriginProof", profile, "CloudFront shows it to the APIs"),
        }
        self.accounts_key: kms.IKey | None = self._accounts_key(profile) if profile.kms else None
        self.cache_name = ""
        if profile.emulated:
            places = self._parameters()
        else:
            valkey = Valkey(self, "Valkey", profile=profile, network=network, login=cache)
            self.cache_name = valkey.name
            places = {
                "DB_HOST": cluster.cluster_endpoint.hostname,
                "DB_PORT": str(POSTGRES),
                "DB_SSL": "require",
                "REDIS_HOST": valkey.host,
                "REDIS_PORT": str(VALKEY),
                "REDIS_SSL": "true",
                "REDIS_CLUSTER": "true",
            }
        self.addresses: Mapping[str, str] = {
            **places,
            "DB_NAME": PLATFORM,
            "DB_OHLCV_NAME": CANDLES,
            "DB_CONNECT_TIMEOUT": str(CONNECT_SECONDS),
        }
        self.container_secrets: Mapping[str, ecs.Secret] = {
            "DB_USER": ecs.Secret.from_secrets_manager(database, "username"),
            "DB_PASSWORD": ecs.Secret.from_secrets_manager(database, "password"),
            "REDIS_USER": ecs.Secret.from_secrets_manager(cache, "username"),
            "REDIS_PASSWORD": ecs.Secret.from_secrets_manager(cache, "password"),
        }
        for name, secret in self.secrets.items():
            CfnOutput(self, f"Secret{name.capitalize()}", value=secret.secret_arn, description=f"Secret: {name}")

    def sealing(self, secrets: Collection[str]) -> dict[str, str]:
        """Environment of a process that reads these secrets: which key of KMS seals for it, if one does."""
        if self.accounts_key is None or "encryption" not in secrets:
            return {}
        return {"KMS_KEY_ID": self.accounts_key.key_arn}

    def _accounts_key(self, profile: Profile) -> kms.Key:
        return kms.Key(
            self,
            "AccountsKey",
            alias=f"alias/{profile.prefix}-accounts",
            description="Wraps the data keys of exchange accounts",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN if profile.retain else RemovalPolicy.DESTROY,
        )

    def _database(self, profile: Profile, network: Network, login: secretsmanager.Secret) -> rds.DatabaseCluster:
        readers = [
            rds.ClusterInstance.serverless_v2(
                f"Reader{number}", scale_with_writer=True, auto_minor_version_upgrade=True, publicly_accessible=False
            )
            for number in range(1, profile.replicas + 1)
        ]
        pauses = profile.aurora_minimum == 0
        cluster = rds.DatabaseCluster(
            self,
            "Database",
            engine=rds.DatabaseClusterEngine.aurora_postgres(version=rds.AuroraPostgresEngineVersion.VER_17_5),
            credentials=rds.Credentials.from_secret(login, USER),
            default_database_name=PLATFORM,
            writer=rds.ClusterInstance.serverless_v2(
                "Writer", auto_minor_version_upgrade=True, publicly_accessible=False
            ),
            readers=readers,
            serverless_v2_min_capacity=profile.aurora_minimum,
            serverless_v2_max_capacity=profile.aurora_maximum,
            serverless_v2_auto_pause_duration=Duration.minutes(profile.aurora_pause_minutes) if pauses else None,
            vpc=network.vpc,
            vpc_subnets=network.isolated,
            security_groups=[network.stores],
            storage_encrypted=True,
            backup=rds.BackupProps(retention=Duration.days(profile.backup_days)),
            deletion_protection=profile.retain,
            removal_policy=RemovalPolicy.RETAIN if profile.retain else RemovalPolicy.DESTROY,
            copy_tags_to_snapshot=True,
            iam_authentication=True,
            parameters={"rds.force_ssl": "1", "log_min_duration_statement": "1000"},
        )
        if profile.snapshot:
            _restore(cluster, profile.snapshot)
        return cluster

    def _parameters(self) -> dict[str, str]:
        def given(name: str, default: int | str) -> str:
            return CfnParameter(
                self, name, type="String", default=str(default), description="Where it is on this machine"
            ).value_as_string

        return {
            "DB_HOST": given("DatabaseHost", "127.0.0.1"),
            "DB_PORT": given("DatabasePort", POSTGRES),
            "DB_SSL": "disable",
            "REDIS_HOST": given("CacheHost", "127.0.0.1"),
            "REDIS_PORT": given("CachePort", VALKEY),
            "REDIS_SSL": "false",
            "EXCHANGE_URL_PAPER": given("VenueUrl", "http://127.0.0.1:9"),
        }


def _restore(cluster: rds.DatabaseCluster, snapshot: str) -> None:
    """Make the cluster from a snapshot: its user and databases come from there, its password from the secret.

    Source: CloudFormation template reference, AWS::RDS::DBCluster, SnapshotIdentifier.
    """
    resource = cluster.node.default_child
    assert isinstance(resource, rds.CfnDBCluster)
    resource.snapshot_identifier = snapshot
    resource.master_username = None
    resource.database_name = None
