"""The schema: the migrate function, run by a deployment that brings migrations, before whatever uses them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from aws_cdk import CustomResource, Duration, Stack
from constructs import Construct

from fullon.runtime.manifest import Manifest
from infra.constructs.artefacts import Artefacts
from infra.constructs.function import DomainFunction
from infra.constructs.stack import named
from infra.settings import Profile
from infra.stacks.data import Data
from infra.stacks.network import Network

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = ROOT / "functions" / "migrate" / "migrations"
KIND = "Custom::DatabaseSchema"
#: An answer that does not come fails the deployment after this; the function itself ends before.
WAIT = Duration.minutes(10)


class Schema(Stack):
    """A failing migration fails the deployment, and no newer code is put in place.

    Attributes:
        functions: by their names in the manifest: those of kind ``task``.
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
    ) -> None:
        super().__init__(scope, id, **named(profile, id, "database schema"))
        artefacts = Artefacts(self, "Artefacts", profile=profile)
        self.functions: dict[str, DomainFunction] = {
            entry.name: DomainFunction(self, entry, profile=profile, artefacts=artefacts, network=network, data=data)
            for entry in manifest.of_kind("task")
        }
        migrate = self.functions["migrate"]
        run = CustomResource(
            self,
            "Migration",
            resource_type=KIND,
            service_token=migrate.function.function_arn,
            service_timeout=WAIT,
            properties={"Revision": revision(), "Admin": profile.admin_mail},
        )
        run.node.add_dependency(migrate)


def revision() -> str:
    """A hash of the migrations: the function runs when it changed."""
    total = hashlib.sha256()
    for path in sorted(MIGRATIONS.rglob("*.py")):
        total.update(path.relative_to(MIGRATIONS).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]
