"""The HTTP API and the functions behind it, one per entry of the manifest."""

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
from infra.stacks.realtime import Realtime


class Api(Stack):
    """The HTTP API.

    Attributes:
        functions: by their names in the manifest: those of kind ``http`` and ``schedule``.
        api: the API; its stage is ``$default``.
        host: its host name; CloudFront's origin for ``/api/*``, ``/health``, ``/docs`` and the like.
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
        self.functions: dict[str, DomainFunction] = {}
        self.api = apigateway.CfnApi(self, "Api", name=f"{profile.prefix}-api", protocol_type="HTTP")
        self.host = f"{self.api.ref}.execute-api.{self.region}.{self.url_suffix}"
