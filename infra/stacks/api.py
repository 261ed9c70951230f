"""The HTTP API and the functions behind it, one per entry of the manifest."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from fullon.runtime.manifest import Manifest
from infra.constructs.artefacts import Artefacts
from infra.constructs.function import DomainFunction
from infra.constructs.http_api import HttpRoutes
from infra.constructs.roles import control_daemons
from infra.constructs.schedule import Schedule
from infra.constructs.stack import named
from infra.settings import Profile
from infra.stacks.data import Data
from infra.stacks.network import Network
from infra.stacks.realtime import Realtime


class Api(Stack):
    """The HTTP API.

    Attributes:
        functions: by their names in the manifest: those of kind ``http`` and ``schedule``.
        api: the API; its stage is ``$default``.
        access_log: one line for each request.
        host: its host name; CloudFront's origin for what is not the dashboard.
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
        super().__init__(scope, id, **named(profile, id, "HTTP API and its functions"))
        artefacts = Artefacts(self, "Artefacts", profile=profile)
        entries = (*manifest.of_kind("http"), *manifest.of_kind("schedule"))
        self.functions: dict[str, DomainFunction] = {
            entry.name: DomainFunction(self, entry, profile=profile, artefacts=artefacts, network=network, data=data)
            for entry in entries
        }
        routes = HttpRoutes(
            self,
            "Http",
            profile=profile,
            authorizer=realtime.authorizer,
            identity_seconds=realtime.identity_seconds,
        )
        daemons = [daemon.name for daemon in manifest.daemons]
        for entry in entries:
            made = self.functions[entry.name]
            if entry.kind == "http":
                routes.add(entry, made.function)
            else:
                Schedule(self, f"Schedule-{entry.name}", entry, profile=profile, function=made.function)
            if entry.permissions:
                control_daemons(made.role, self, profile.cluster_name, daemons, entry.permissions)
        self.api = routes.api
        self.access_log = routes.access_log
        self.host = routes.host
        CfnOutput(self, "HttpApi", value=self.api.ref, description="Identifier of the HTTP API")
        CfnOutput(self, "HttpAddress", value=f"https://{self.host}", description="HTTP API")
