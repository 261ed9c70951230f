"""The templates of every profile, synthesised once, without artefacts: Node starts once for all tests of the cloud.

Such tests stay in one process (``pytestmark = pytest.mark.xdist_group("infra")``): each would start a Node of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fullon.runtime import manifest as manifests
from fullon.runtime.manifest import Manifest
from infra.app import build
from infra.rules.templates import Deployment
from infra.settings import PROFILES


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """The product's own."""
    return manifests.load()


@pytest.fixture(scope="session")
def deployments(tmp_path_factory: pytest.TempPathFactory, manifest: Manifest) -> Mapping[str, Deployment]:
    """What is deployed, by the profile's name."""
    made = {}
    for name, profile in PROFILES.items():
        folder = tmp_path_factory.mktemp(f"cdk-{name}")
        build(profile, bundle=False, outdir=str(folder)).synth()
        made[name] = Deployment.read(folder, profile, manifest)
    return made


@pytest.fixture(params=sorted(PROFILES))
def deployment(request: pytest.FixtureRequest, deployments: Mapping[str, Deployment]) -> Deployment:
    """Each profile's in turn."""
    return deployments[request.param]


@pytest.fixture
def small(deployments: Mapping[str, Deployment]) -> Deployment:
    """What one trader would deploy."""
    return deployments["small"]


@pytest.fixture
def local(deployments: Mapping[str, Deployment]) -> Deployment:
    """What the emulator gets."""
    return deployments["local"]
