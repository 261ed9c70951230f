"""An HTTP API with the stage ``$default``, whose routes ask a Lambda authorizer unless they are public.

The stage has no name because a name would become part of the path that functions see.
"""

from __future__ import annotations

import json

from aws_cdk import Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from fullon.runtime.manifest import Function
from infra.constructs.log_group import log_group
from infra.settings import Profile

#: Milliseconds; the longest that an HTTP API waits.
LONGEST_WAIT = 30_000
#: One line for each request; what is unknown is ``-``.
ACCESS_LOG = {
    "request_id": "$context.requestId",
    "time": "$context.requestTimeEpoch",
    "address": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "path": "$context.path",
    "route": "$context.routeKey",
    "status": "$context.status",
    "bytes": "$context.responseLength",
    "milliseconds": "$context.responseLatency",
    "function_milliseconds": "$context.integrationLatency",
    "user_id": "$context.authorizer.user_id",
    "error": "$context.error.message",
    "function_error": "$context.integrationErrorMessage",
    "authorizer_error": "$context.authorizer.error",
}


class HttpRoutes(Construct):
    """The API, its stage, its authorizer, and the routes that are added to it.

    Attributes:
        api: the API.
        host: its host name.
        access_log: one line for each request.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's name
        *,
        profile: Profile,
        authorizer: lambda_.IFunction,
        identity_seconds: int,
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        self.api = apigateway.CfnApi(
            self, "Api", name=f"{profile.prefix}-api", protocol_type="HTTP", description="Fullon: HTTP API"
        )
        self.host = f"{self.api.ref}.execute-api.{stack.region}.{stack.url_suffix}"
        self.access_log: logs.LogGroup = log_group(self, f"/{profile.prefix}/api", profile)
        apigateway.CfnStage(
            self,
            "Stage",
            api_id=self.api.ref,
            stage_name="$default",
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
        self._authorizer = apigateway.CfnAuthorizer(
            self,
            "Authorizer",
            api_id=self.api.ref,
            name="identity",
            authorizer_type="REQUEST",
            authorizer_uri=invocation_uri(stack, authorizer),
            authorizer_payload_format_version="2.0",
            authorizer_result_ttl_in_seconds=identity_seconds,
            enable_simple_responses=True,
            identity_source=["$request.header.Authorization"],
        )
        self._allow("AskAuthorizer", authorizer, f"authorizers/{self._authorizer.ref}")

    def add(self, entry: Function, function: lambda_.IFunction) -> None:
        """The routes of one function: ``ANY`` of its paths asks the authorizer, its public ones do not."""
        integration = apigateway.CfnIntegration(
            self,
            f"Integration-{entry.name}",
            api_id=self.api.ref,
            integration_type="AWS_PROXY",
            integration_uri=function.function_arn,
            payload_format_version="2.0",
            timeout_in_millis=LONGEST_WAIT,
        )
        self._allow(f"Invoke-{entry.name}", function, "*/*")
        for path in entry.routes:
            self._route(f"ANY {path}", integration, public=False)
        for route in entry.public:
            self._route(f"{route.method} {route.path}", integration, public=True)

    def _route(self, key: str, integration: apigateway.CfnIntegration, *, public: bool) -> None:
        apigateway.CfnRoute(
            self,
            f"Route-{key.replace('/', '|')}",
            api_id=self.api.ref,
            route_key=key,
            target=f"integrations/{integration.ref}",
            authorization_type="NONE" if public else "CUSTOM",
            authorizer_id=None if public else self._authorizer.ref,
        )

    def _allow(self, name: str, function: lambda_.IFunction, what: str) -> None:
        allow_gateway(self, name, function, self.api.ref, what)


def invocation_uri(stack: Stack, function: lambda_.IFunction) -> str:
    """How API Gateway writes the invocation of a function."""
    return (
        f"arn:{stack.partition}:apigateway:{stack.region}:lambda:path/2015-03-31/functions/"
        f"{function.function_arn}/invocations"
    )


def allow_gateway(scope: Construct, name: str, function: lambda_.IFunction, api_id: str, what: str) -> None:
    """Let an API invoke a function; in the stack of the API, so that the function needs to know nothing of it."""
    lambda_.CfnPermission(
        scope,
        name,
        action="lambda:InvokeFunction",
        function_name=function.function_arn,
        principal="apigateway.amazonaws.com",
        source_arn=Stack.of(scope).format_arn(service="execute-api", resource=api_id, resource_name=what),
    )
