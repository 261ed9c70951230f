"""The WebSocket API with its function, and the authorizer that both APIs ask."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from constructs import Construct

from fullon.runtime.manifest import Manifest
from infra.constructs.function import DomainFunction
from infra.constructs.stack import named
from infra.settings import Profile
from infra.stacks.data import Data
from infra.stacks.network import Network

STAGE = "ws"
"""Stage of the WebSocket API. Its path, so CloudFront passes ``/ws`` on unchanged."""


class Realtime(Stack):
    """The WebSocket API.

    Attributes:
        functions: by their names in the manifest: the authorizer and the WebSocket function.
        api: the API.
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
        self.functions: dict[str, DomainFunction] = {}
        self.api = apigateway.CfnApi(self, "Api", name=f"{profile.prefix}-realtime", protocol_type="WEBSOCKET")
        self.host = f"{self.api.ref}.execute-api.{self.region}.{self.url_suffix}"
        self.management_endpoint = f"https://{self.host}/{STAGE}"
        self.connections_arn = self.format_arn(
            service="execute-api", resource=self.api.ref, resource_name=f"{STAGE}/POST/@connections/*"
        )
