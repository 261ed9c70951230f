"""The schema: the migrate function, run by a deployment that brings migrations, before whatever uses them."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from fullon.runtime.manifest import Manifest
from infra.constructs.function import DomainFunction
from infra.constructs.stack import named
from infra.settings import Profile
from infra.stacks.data import Data
from infra.stacks.network import Network


class Schema(Stack):
    """A failing migration fails the deployment, and no newer code is put in place.

    Attributes:
        functions: by their names in the manifest: ``migrate``.
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
        self.functions: dict[str, DomainFunction] = {}
