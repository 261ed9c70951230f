"""One domain: what is asked for leads where it should, over TLS, and nothing else can read the bucket."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

import fullon.runtime.gateway.statics
from fullon.runtime import http
from fullon.runtime.gateway.parts import WEBSOCKET_PATHS
from infra.constructs.dashboard_site import PREFIX, DashboardSite
from infra.rules.templates import Deployment, Resource
from infra.settings import PROFILES
from infra.stacks.web import ORIGIN_PROOF, SOCKET_PATHS
from tests.infra.stacks import deployed

pytestmark = pytest.mark.xdist_group("infra")

#: Policies of CloudFront's own: CachingDisabled and AllViewerExceptHostHeader (CloudFront developer guide).
KEEPS_NOTHING = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
PASSES_EVERYTHING = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"


def front(deployment: Deployment) -> tuple[Resource, dict[str, Any]]:
    """The distribution and its settings."""
    [distribution] = deployment.resources("AWS::CloudFront::Distribution")
    return distribution, distribution.properties["DistributionConfig"]


def origin(deployment: Deployment, behaviour: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The host that a behaviour asks, as text, and the origin."""
    distribution, config = front(deployment)
    [found] = [each for each in config["Origins"] if each["Id"] == behaviour["TargetOriginId"]]
    return deployment.text(distribution, found["DomainName"]), found


def behaviours(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """By path pattern; the default is ``*``."""
    _, config = front(deployment)
    return {"*": config["DefaultCacheBehavior"]} | {each["PathPattern"]: each for each in config["CacheBehaviors"]}


def test_pages_sockets_and_the_api_share_a_domain(deployment: Deployment) -> None:
    assert set(behaviours(deployment)) == {"*", *SOCKET_PATHS, f"/{PREFIX}", f"/{PREFIX}/*"}


def test_sockets_and_pages_have_the_addresses_they_have_elsewhere() -> None:
    assert SOCKET_PATHS == WEBSOCKET_PATHS
    assert f"/{PREFIX}" == fullon.runtime.gateway.statics.PREFIX


def test_requests_lead_to_the_api_whole_and_nothing_is_kept(deployment: Deployment) -> None:
    for path, behaviour in behaviours(deployment).items():
        if path.startswith(f"/{PREFIX}"):
            continue
        host, found = origin(deployment, behaviour)
        assert ".execute-api." in host
        assert "OriginPath" not in found
        assert behaviour["CachePolicyId"] == KEEPS_NOTHING
        assert behaviour["OriginRequestPolicyId"] == PASSES_EVERYTHING
        assert behaviour["ViewerProtocolPolicy"] == "https-only"
        assert set(behaviour["AllowedMethods"]) >= {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def test_sockets_lead_to_the_websocket_api_and_the_rest_to_the_http_api(deployment: Deployment) -> None:
    apis = {each.properties["ProtocolType"]: each for each in deployment.resources("AWS::ApiGatewayV2::Api")}
    for path, behaviour in behaviours(deployment).items():
        if path.startswith(f"/{PREFIX}"):
            continue
        distribution, _ = front(deployment)
        _, found = origin(deployment, behaviour)
        kind = "WEBSOCKET" if path in SOCKET_PATHS else "HTTP"
        assert deployment.mentioned(distribution, found["DomainName"]) == [apis[kind]]


def test_the_apis_are_shown_a_proof_that_is_in_no_template(deployment: Deployment) -> None:
    distribution, config = front(deployment)
    assert ORIGIN_PROOF == http.ORIGIN_PROOF

    for found in config["Origins"]:
        if "CustomOriginConfig" in found:
            [header] = found["OriginCustomHeaders"]
            assert header["HeaderName"] == ORIGIN_PROOF
            assert deployment.text(distribution, header["HeaderValue"]).startswith("{{resolve:secretsmanager:")


def test_the_functions_that_count_addresses_know_the_proof(deployment: Deployment) -> None:
    [auth] = [
        each
        for each in deployment.resources("AWS::Lambda::Function")
        if each.properties["Handler"] == "functions.auth.handler.handler"
    ]

    variables = auth.properties["Environment"]["Variables"]

    assert "OriginProof" in deployment.text(auth, variables["ORIGIN_SECRET_ARN"])


def test_every_request_passes_its_function(deployment: Deployment) -> None:
    distribution, _ = front(deployment)
    for path, behaviour in behaviours(deployment).items():
        [association] = behaviour["FunctionAssociations"]
        [function] = deployment.mentioned(distribution, association["FunctionARN"])
        assert association["EventType"] == "viewer-request"
        expected = "Page" if path.startswith(f"/{PREFIX}") else "Request"
        assert function.name.startswith(expected)
        assert function.properties["FunctionConfig"]["Runtime"] == "cloudfront-js-2.0"


def test_the_bucket_answers_to_the_front_alone(deployment: Deployment) -> None:
    _, found = origin(deployment, behaviours(deployment)[f"/{PREFIX}/*"])
    [policy] = deployment.resources("AWS::S3::BucketPolicy")
    allowed = [each for each in policy.properties["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]

    assert found["OriginAccessControlId"]
    for statement in allowed:
        assert statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
        assert statement["Action"] == "s3:GetObject"
        assert "AWS:SourceArn" in statement["Condition"]["StringEquals"]


def test_pages_say_what_a_browser_may_do(small: Deployment) -> None:
    [policy] = small.resources("AWS::CloudFront::ResponseHeadersPolicy")

    security = policy.properties["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]

    assert security["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31_536_000
    assert security["FrameOptions"]["FrameOption"] == "DENY"
    assert "default-src 'self'" in security["ContentSecurityPolicy"]["ContentSecurityPolicy"]


def test_a_domain_of_ones_own_brings_its_certificate_and_modern_tls() -> None:
    made = deployed(PROFILES["small"], domain="trade.example.com", certificate_arn=CERTIFICATE)

    _, config = front(made)

    assert config["Aliases"] == ["trade.example.com"]
    assert config["ViewerCertificate"]["AcmCertificateArn"] == CERTIFICATE
    assert config["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"


def test_a_built_dashboard_is_uploaded_in_two_parts_its_assets_for_ever(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "main-3f2a.js").write_text("1")
    (tmp_path / "index.html").write_text("<!doctype html>")
    stack = cdk.Stack(cdk.App(), "Site")
    DashboardSite(stack, "Dashboard", profile=PROFILES["small"], files=tmp_path)

    uploads = Template.from_stack(stack).find_resources("Custom::CDKBucketDeployment").values()

    assert {
        (each["Properties"]["DestinationBucketKeyPrefix"], each["Properties"]["SystemMetadata"]["cache-control"])
        for each in uploads
    } == {("app", "no-cache"), ("app/assets", "public, max-age=31536000, immutable")}
    assert all(each["Properties"]["Prune"] is False for each in uploads)


def test_the_emulator_is_given_no_upload(local: Deployment) -> None:
    assert not list(local.resources("Custom::CDKBucketDeployment"))


def test_templates_are_made_without_the_servers_libraries() -> None:
    """Names that both sides know are written twice and compared here, so that infra imports no framework."""
    infra = Path(__file__).resolve().parents[2] / "infra"
    imported = {
        name.name if isinstance(node, ast.Import) else str(node.module)
        for path in infra.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }

    ours = {name for name in imported if name.startswith(("fullon", "functions", "daemons", "local"))}
    assert ours <= {"fullon.runtime", "fullon.runtime.manifest", "fullon.kernel.errors"}
