"""The WebSocket API with its function, and the authorizer that both APIs ask."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from fullon.runtime.manifest import Manifest
from infra.constructs.artefacts import Artefacts
from infra.constructs.function import DomainFunction
from infra.constructs.gateway_logging import GatewayLogging
from infra.constructs.socket_api import STAGE as STAGE
from infra.constructs.socket_api import SocketRoutes
from infra.constructs.stack import named
from infra.settings import Profile
from infra.stacks.data import Data
from infra.stacks.network import Network


class Realtime(Stack):
    """The WebSocket API.

    Attributes:
        functions: by their names in the manifest: the authorizer and the WebSocket function.
        authorizer: asked by both APIs.
        identity_seconds: how long the HTTP API may reuse the authorizer's answer.
        api: the API.
        access_log: one line for each frame.
        host: its host name; CloudFront's origin for ``/ws``.
        management_endpoint: where the streamer posts to connections (``AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI``).
        connections_arn: resource of ``execute-api:ManageConnections``.
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
        super().__init__(scope, id, **named(profile, id, "WebSocket API"))
        asked, answering = manifest.authorizer, manifest.websocket
        assert asked is not None, "the manifest names an authorizer"
        assert answering is not None, "the manifest names a WebSocket function"
        artefacts = Artefacts(self, "Artefacts", profile=profile)
        self.functions: dict[str, DomainFunction] = {
            entry.name: DomainFunction(self, entry, profile=profile, artefacts=artefacts, network=network, data=data)
            for entry in (asked, answering)
        }
        self.authorizer = self.functions[asked.name].function
        self.identity_seconds = asked.identity_ttl
        routes = SocketRoutes(
            self,
            "Sockets",
            profile=profile,
            authorizer=self.authorizer,
            function=self.functions[answering.name].function,
            routes=answering.websocket_routes,
        )
        if not profile.emulated:
            routes.stage.node.add_dependency(GatewayLogging(self, "Logging", profile=profile))
        self.api = routes.api
        self.access_log = routes.access_log
        self.host = routes.host
        self.management_endpoint = f"https://{self.host}/{STAGE}"
        self.connections_arn = self.format_arn(
            service="execute-api", resource=self.api.ref, resource_name=f"{STAGE}/POST/@connections/*"
        )
        CfnOutput(self, "SocketApi", value=self.api.ref, description="Identifier of the WebSocket API")
        CfnOutput(self, "SocketAddress", value=f"wss://{self.host}/{STAGE}", description="WebSocket API")
