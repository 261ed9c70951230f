"""The key of KMS that wraps what seals exchange accounts: kept, turned over, and only of those who open accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from fullon.runtime.manifest import Manifest
from fullon.venues import master_keys
from infra.constructs import roles
from infra.rules.templates import Deployment, Resource

pytestmark = pytest.mark.xdist_group("infra")

SEALING = {"orm", "account", "execution"}


@pytest.fixture
def medium(deployments: Mapping[str, Deployment]) -> Deployment:
    return deployments["medium"]


def granted(deployment: Deployment) -> list[tuple[Resource, dict[str, Any]]]:
    """Every statement about keys, with its policy."""
    return [
        (policy, statement)
        for policy in deployment.resources("AWS::IAM::Policy")
        for statement in policy.properties["PolicyDocument"]["Statement"]
        if "kms" in str(statement["Action"])
    ]


def knowing(deployment: Deployment) -> set[str]:
    """Functions and daemons that are told the key."""
    functions = {
        each.properties["FunctionName"].removeprefix(f"{deployment.profile.prefix}-")
        for each in deployment.resources("AWS::Lambda::Function")
        if "KMS_KEY_ID" in each.properties.get("Environment", {}).get("Variables", {})
    }
    daemons = {
        container["Name"]
        for task in deployment.resources("AWS::ECS::TaskDefinition")
        for container in task.properties["ContainerDefinitions"]
        if "KMS_KEY_ID" in {each["Name"] for each in container["Environment"]}
    }
    return functions | daemons


def test_the_key_is_turned_over_every_year_and_outlives_its_stack(medium: Deployment) -> None:
    [key] = medium.resources("AWS::KMS::Key")

    assert key.properties["EnableKeyRotation"] is True
    assert key.body["DeletionPolicy"] == key.body["UpdateReplacePolicy"] == "Retain"
    assert [each.properties["AliasName"] for each in medium.resources("AWS::KMS::Alias")] == [
        "alias/fullon-medium-accounts"
    ]


def test_only_who_opens_accounts_knows_the_key_and_may_use_it(medium: Deployment, manifest: Manifest) -> None:
    [key] = medium.resources("AWS::KMS::Key")
    functions = {each.name for each in manifest.functions if "encryption" in each.secrets}
    daemons = {each.name for each in manifest.daemons if "encryption" in each.secrets}

    assert functions | daemons == SEALING
    assert knowing(medium) == SEALING
    assert len(granted(medium)) == len(SEALING)
    for policy, statement in granted(medium):
        assert statement["Action"] == ["kms:Encrypt", "kms:Decrypt"]
        assert medium.follow(policy, statement["Resource"]) == key
        assert statement["Condition"] == {"StringEquals": {"kms:EncryptionContext:purpose": roles.DATA_KEYS}}


def test_the_purpose_that_is_granted_is_the_one_that_is_named() -> None:
    assert roles.DATA_KEYS == master_keys.PURPOSE


@pytest.mark.parametrize("name", ["small", "local"])
def test_without_a_key_the_secret_seals_and_nobody_may_use_kms(
    deployments: Mapping[str, Deployment], name: str
) -> None:
    deployment = deployments[name]

    assert list(deployment.resources("AWS::KMS::Key")) == []
    assert knowing(deployment) == set()
    assert granted(deployment) == []
