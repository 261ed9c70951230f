"""A WebSocket API: every route to one function, ``$connect`` behind the authorizer, answers back on the socket."""

from __future__ import annotations

import json

from aws_cdk import Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs.http_api import allow_gateway, invocation_uri
from infra.constructs.log_group import log_group
from infra.settings import Profile

STAGE = "ws"
"""Its path, so CloudFront passes ``/ws`` on unchanged."""
CONNECT, DISCONNECT = "$connect", "$disconnect"
#: Milliseconds; the longest that a WebSocket API waits.
LONGEST_WAIT = 29_000
ACCESS_LOG = {
    "request_id": "$context.requestId",
    "time": "$context.requestTimeEpoch",
    "address": "$context.identity.sourceIp",
    "event": "$context.eventType",
    "route": "$context.routeKey",
    "connection_id": "$context.connectionId",
    "status": "$context.status",
    "function_milliseconds": "$context.integrationLatency",
    "user_id": "$context.authorizer.user_id",
    "error": "$context.error.message",
    "function_error": "$context.integrationErrorMessage",
}


class SocketRoutes(Construct):
    """The API with its stage and routes.

    Attributes:
        api: the API.
        host: its host name.
        access_log: one line for each frame, connection and end.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's name
        *,
        profile: Profile,
        authorizer: lambda_.IFunction,
        function: lambda_.IFunction,
        routes: tuple[str, ...],
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        self._emulated = profile.emulated
        self.api = apigateway.CfnApi(
            self,
            "Api",
            name=f"{profile.prefix}-sockets",
            protocol_type="WEBSOCKET",
            description="Fullon: WebSocket API",
            route_selection_expression="$request.body.action",
        )
        self.host = f"{self.api.ref}.execute-api.{stack.region}.{stack.url_suffix}"
        # No identity source: the authorizer takes a ticket, a token or a header, and API Gateway would want all named.
        self._authorizer = apigateway.CfnAuthorizer(
            self,
            "Authorizer",
            api_id=self.api.ref,
            name="identity",
            authorizer_type="REQUEST",
            authorizer_uri=invocation_uri(stack, authorizer),
        )
        allow_gateway(self, "AskAuthorizer", authorizer, self.api.ref, f"authorizers/{self._authorizer.ref}")
        self._integration = apigateway.CfnIntegration(
            self,
            "Integration",
            api_id=self.api.ref,
            integration_type="AWS_PROXY",
            integration_method="POST",
            integration_uri=invocation_uri(stack, function),
            timeout_in_millis=LONGEST_WAIT,
        )
        allow_gateway(self, "Invoke", function, self.api.ref, "*/*")
        made = [self._route(key) for key in routes]
        self.access_log: logs.LogGroup = log_group(self, f"/{profile.prefix}/sockets", profile)
        self.stage = apigateway.CfnStage(
            self,
            "Stage",
            api_id=self.api.ref,
            stage_name=STAGE,
            auto_deploy=True,
            access_log_settings=apigateway.CfnStage.AccessLogSettingsProperty(
                destination_arn=self.access_log.log_group_arn, format=json.dumps(ACCESS_LOG)
            ),
            default_route_settings=apigateway.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=profile.request_rate,
                throttling_burst_limit=profile.request_burst,
                detailed_metrics_enabled=profile.insights,
            ),
        )
        # A WebSocket API without routes cannot be deployed, and a stage that deploys itself begins at once.
        self.stage.node.add_dependency(*made)

    def _route(self, key: str) -> apigateway.CfnRoute:
        """A frame is answered through the route's response; a handshake and a goodbye have no such answer."""
        answered = key not in {CONNECT, DISCONNECT}
        name = key.strip("$")
        route = apigateway.CfnRoute(
            self,
            f"Route-{name}",
            api_id=self.api.ref,
            route_key=key,
            target=f"integrations/{self._integration.ref}",
            authorization_type="CUSTOM" if key == CONNECT else "NONE",
            authorizer_id=self._authorizer.ref if key == CONNECT else None,
            route_response_selection_expression="$default" if answered else None,
        )
        if answered and not self._emulated:
            apigateway.CfnRouteResponse(
                self,
                f"Answer-{name}",
                api_id=self.api.ref,
                route_id=route.ref,
                route_response_key="$default",
            )
        return route
