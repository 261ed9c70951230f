"""What must survive: databases and secrets, encrypted, private and kept; the cache beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import aws_cdk as cdk
import pytest

from fullon.runtime.manifest import Manifest
from infra.rules.templates import Deployment
from infra.settings import SMALL
from infra.stacks.data import Data
from infra.stacks.network import Network

pytestmark = pytest.mark.xdist_group("infra")

SECRETS = {"DatabaseLogin", "CacheLogin", "SigningKey", "EncryptionKey", "AdminPassword", "OriginProof"}


def test_aurora_is_encrypted_and_takes_tls_alone(deployment: Deployment) -> None:
    [cluster] = deployment.resources("AWS::RDS::DBCluster")
    [parameters] = deployment.resources("AWS::RDS::DBClusterParameterGroup")

    assert cluster.properties["StorageEncrypted"] is True
    assert cluster.properties["Engine"] == "aurora-postgresql"
    assert parameters.properties["Parameters"]["rds.force_ssl"] == "1"


def test_aurora_pauses_where_its_minimum_is_nothing(deployment: Deployment) -> None:
    [cluster] = deployment.resources("AWS::RDS::DBCluster")
    scaling = cluster.properties["ServerlessV2ScalingConfiguration"]

    assert scaling["MinCapacity"] == deployment.profile.aurora_minimum
    assert scaling["MaxCapacity"] == deployment.profile.aurora_maximum
    assert ("SecondsUntilAutoPause" in scaling) == (deployment.profile.aurora_minimum == 0)


def test_no_instance_has_an_address_outside(deployment: Deployment) -> None:
    instances = list(deployment.resources("AWS::RDS::DBInstance"))

    assert len(instances) == 1 + deployment.profile.replicas
    assert all(instance.properties["PubliclyAccessible"] is False for instance in instances)
    assert {instance.properties["DBInstanceClass"] for instance in instances} == {"db.serverless"}


def test_databases_and_secrets_outlive_their_stack_and_refuse_to_be_deleted(deployment: Deployment) -> None:
    kept = deployment.profile.retain
    [cluster] = deployment.resources("AWS::RDS::DBCluster")

    assert cluster.properties["DeletionProtection"] is kept
    for resource in deployment.resources("AWS::RDS::DBCluster", "AWS::SecretsManager::Secret"):
        assert resource.body["DeletionPolicy"] == resource.body["UpdateReplacePolicy"]
        assert resource.body["DeletionPolicy"] == ("Retain" if kept else "Delete")
    assert ("Data" in deployment.protected) == kept


def test_every_secret_is_made_up_by_aws(deployment: Deployment) -> None:
    secrets = list(deployment.resources("AWS::SecretsManager::Secret"))

    assert len(secrets) == len(SECRETS)
    for secret in secrets:
        assert any(secret.name.startswith(name) for name in SECRETS)
        assert "SecretString" not in secret.properties
        assert secret.properties["GenerateSecretString"]["PasswordLength"] >= 32
        assert secret.properties["GenerateSecretString"]["ExcludePunctuation"] is True


def test_valkey_is_serverless_bounded_and_behind_a_login(small: Deployment) -> None:
    [cache] = small.resources("AWS::ElastiCache::ServerlessCache")
    [user] = small.resources("AWS::ElastiCache::User")

    assert cache.properties["Engine"] == "valkey"
    assert cache.properties["CacheUsageLimits"]["DataStorage"] == {"Maximum": 1, "Unit": "GB"}
    group = small.follow(cache, cache.properties["UserGroupId"])
    assert group is not None
    assert group.properties["UserIds"] == [{"Ref": user.name}]
    [password] = user.properties["AuthenticationMode"]["Passwords"]
    assert small.text(user, password).startswith("{{resolve:secretsmanager:")
    assert "nopass" not in user.properties["AccessString"]


def test_databases_are_made_from_a_snapshot_when_one_is_named(tmp_path: Path, manifest: Manifest) -> None:
    profile = replace(SMALL, snapshot="before-the-accident")
    app = cdk.App(outdir=str(tmp_path))

    Data(app, "Data", profile=profile, network=Network(app, "Network", profile=profile))
    app.synth()

    [cluster] = Deployment.read(tmp_path, profile, manifest).resources("AWS::RDS::DBCluster")
    assert cluster.properties["SnapshotIdentifier"] == "before-the-accident"
    assert "MasterUsername" not in cluster.properties
    assert "MasterUserPassword" in cluster.properties


def test_the_emulated_stores_are_where_a_parameter_says(local: Deployment) -> None:
    parameters = local.templates["Data"]["Parameters"]

    assert {"DatabaseHost", "DatabasePort", "CacheHost", "CachePort", "VenueUrl"} <= set(parameters)
    assert all("Default" in parameters[name] for name in parameters)
    assert not list(local.resources("AWS::ElastiCache::ServerlessCache"))
