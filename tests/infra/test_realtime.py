"""The WebSocket API: the manifest's routes, one door with a lock, answers back on the socket."""

from __future__ import annotations

import pytest

from fullon.runtime.manifest import Manifest
from infra.rules.templates import Deployment, Resource

pytestmark = pytest.mark.xdist_group("infra")


def routes(deployment: Deployment) -> dict[str, Resource]:
    found = [each for each in deployment.resources("AWS::ApiGatewayV2::Route") if each.stack == "Realtime"]
    return {str(each.properties["RouteKey"]): each for each in found}


def test_the_routes_are_those_of_the_manifest(deployment: Deployment, manifest: Manifest) -> None:
    assert manifest.websocket is not None

    assert set(routes(deployment)) == set(manifest.websocket.websocket_routes)


def test_only_who_the_authorizer_lets_in_connects(deployment: Deployment) -> None:
    asked = {key for key, route in routes(deployment).items() if route.properties["AuthorizationType"] == "CUSTOM"}
    [authorizer] = [each for each in deployment.resources("AWS::ApiGatewayV2::Authorizer") if each.stack == "Realtime"]

    assert asked == {"$connect"}
    assert authorizer.properties["AuthorizerType"] == "REQUEST"
    mentioned = deployment.mentioned(authorizer, authorizer.properties["AuthorizerUri"])
    assert [each.properties["FunctionName"] for each in mentioned] == [f"{deployment.profile.prefix}-authorizer"]


def test_tickets_tokens_and_headers_are_all_heard(deployment: Deployment) -> None:
    """API Gateway refuses a connection that lacks any of the sources that are named, without asking."""
    [authorizer] = [each for each in deployment.resources("AWS::ApiGatewayV2::Authorizer") if each.stack == "Realtime"]

    assert "IdentitySource" not in authorizer.properties


def test_every_frame_gets_its_answer(small: Deployment) -> None:
    answered = {
        route.name
        for each in small.resources("AWS::ApiGatewayV2::RouteResponse")
        if (route := small.follow(each, each.properties["RouteId"])) is not None
    }
    expected = {route.name for key, route in routes(small).items() if key not in {"$connect", "$disconnect"}}

    assert answered == expected
    for route in routes(small).values():
        assert ("RouteResponseSelectionExpression" in route.properties) == (route.name in expected)


def test_the_action_of_a_frame_chooses_its_route(deployment: Deployment) -> None:
    [api] = [each for each in deployment.resources("AWS::ApiGatewayV2::Api") if each.stack == "Realtime"]

    assert api.properties["RouteSelectionExpression"] == "$request.body.action"


def test_the_stage_waits_for_its_routes_and_writes_a_log(deployment: Deployment) -> None:
    [stage] = [each for each in deployment.resources("AWS::ApiGatewayV2::Stage") if each.stack == "Realtime"]

    assert stage.properties["StageName"] == "ws"
    assert {route.name for route in routes(deployment).values()} <= set(stage.body["DependsOn"])
    group = deployment.follow(stage, stage.properties["AccessLogSettings"]["DestinationArn"])
    assert group is not None
    assert group.properties["RetentionInDays"] == deployment.profile.log_days


def test_functions_that_answer_sockets_cannot_push(deployment: Deployment) -> None:
    """They answer through the route; pushing is the streamer's alone."""
    policies = [each for each in deployment.resources("AWS::IAM::Policy") if each.stack == "Realtime"]

    assert policies
    assert all("execute-api:ManageConnections" not in str(policy.properties) for policy in policies)
