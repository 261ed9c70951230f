"""One domain: CloudFront in front of the dashboard's bucket, the HTTP API and the WebSocket API.

What is not the dashboard or a socket goes to the HTTP API, as on a laptop: a new function's routes need no change here,
and unknown addresses get the API's answer. One domain means no cross-origin requests.
"""

from __future__ import annotations

from pathlib import Path

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_certificatemanager as certificates
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from constructs import Construct

from fullon.runtime.manifest import Manifest
from infra.constructs.dashboard_site import PREFIX, DashboardSite
from infra.constructs.stack import named
from infra.settings import Profile
from infra.stacks.api import Api
from infra.stacks.data import Data
from infra.stacks.realtime import Realtime

EDGE = Path(__file__).resolve().parents[1] / "edge"
#: What tells the functions that a request came this way (fullon.runtime.http).
ORIGIN_PROOF = "x-origin-proof"
SOCKET_PATHS = ("/ws", "/api/v1/cache/ws")

PAGE_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'self';"
    " frame-ancestors 'none'"
)


class Web(Stack):
    """The distribution and the dashboard's bucket.

    Attributes:
        distribution: what users speak to.
        address: ``https://…`` of it, or of the profile's own domain.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's name
        *,
        profile: Profile,
        manifest: Manifest,
        data: Data,
        realtime: Realtime,
        api: Api,
    ) -> None:
        super().__init__(scope, id, **named(profile, id, "one domain for dashboard and APIs"))
        site = DashboardSite(self, "Dashboard", profile=profile)
        at_request = self._function("Request", profile, "API key to Authorization, the viewer's address, socket paths")
        at_page = self._function("Page", profile, "Pages of the dashboard")
        # CloudFormation resolves the reference; the value is in no template. It replaces a header that a client sends.
        proof = {ORIGIN_PROOF: data.secrets["origin"].secret_value.unsafe_unwrap()}
        sockets = self._api_behaviour(realtime.host, proof, at_request)
        pages = self._page_behaviour(site, at_page)
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"{profile.prefix}: dashboard and APIs (secrets {profile.secrets_revision})",
            domain_names=[profile.domain] if profile.domain else None,
            certificate=certificates.Certificate.from_certificate_arn(self, "Certificate", profile.certificate_arn)
            if profile.certificate_arn
            else None,
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            price_class=cloudfront.PriceClass.PRICE_CLASS_100,
            default_behavior=self._api_behaviour(api.host, proof, at_request),
            additional_behaviors={
                **dict.fromkeys(SOCKET_PATHS, sockets),
                f"/{PREFIX}": pages,
                f"/{PREFIX}/*": pages,
            },
        )
        self.address = f"https://{profile.domain or self.distribution.distribution_domain_name}"
        CfnOutput(self, "Address", value=self.address, description="Dashboard, APIs and documentation")

    def _function(self, name: str, profile: Profile, comment: str) -> cloudfront.FunctionAssociation:
        function = cloudfront.Function(
            self,
            name,
            function_name=f"{profile.prefix}-{name.lower()}",
            comment=comment,
            code=cloudfront.FunctionCode.from_file(file_path=str(EDGE / f"{name.lower()}.js")),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
        )
        return cloudfront.FunctionAssociation(function=function, event_type=cloudfront.FunctionEventType.VIEWER_REQUEST)

    def _api_behaviour(
        self, host: str, proof: dict[str, str], at_request: cloudfront.FunctionAssociation
    ) -> cloudfront.BehaviorOptions:
        """Everything is passed on and nothing kept. API Gateway wants its own name in ``Host``."""
        return cloudfront.BehaviorOptions(
            origin=origins.HttpOrigin(
                host,
                custom_headers=proof,
                protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
                origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
                read_timeout=Duration.seconds(35),
            ),
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
            allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
            cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
            origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
            function_associations=[at_request],
            compress=False,
        )

    def _page_behaviour(
        self, site: DashboardSite, at_page: cloudfront.FunctionAssociation
    ) -> cloudfront.BehaviorOptions:
        headers = cloudfront.ResponseHeadersPolicy(
            self,
            "PageHeaders",
            comment="Dashboard: TLS only, no frames, own scripts alone",
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy=PAGE_POLICY, override=False
                ),
                content_type_options=cloudfront.ResponseHeadersContentTypeOptions(override=True),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption.DENY, override=True
                ),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=cloudfront.HeadersReferrerPolicy.SAME_ORIGIN, override=True
                ),
                strict_transport_security=cloudfront.ResponseHeadersStrictTransportSecurity(
                    access_control_max_age=Duration.days(365), include_subdomains=True, override=True
                ),
            ),
        )
        return cloudfront.BehaviorOptions(
            origin=origins.S3BucketOrigin.with_origin_access_control(site.bucket),
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
            allowed_methods=cloudfront.AllowedMethods.ALLOW_GET_HEAD,
            cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
            response_headers_policy=headers,
            function_associations=[at_page],
            compress=True,
        )
