"""The functions of CloudFront, run by Node as CloudFront runs them, and compared with the front elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import infra.edge
from fullon.runtime.gateway import edge
from fullon.runtime.http import ORIGIN_PROOF, VIEWER_ADDRESS

EDGE = Path(infra.edge.__file__).parent
VIEWER = "203.0.113.9"
RUN = """
const fs = require("fs");
eval(fs.readFileSync(process.argv[1], "utf8") + "; globalThis.handler = handler");
process.stdout.write(JSON.stringify(handler(JSON.parse(fs.readFileSync(0, "utf8")))));
"""

pytestmark = pytest.mark.xdist_group("infra")


def at_viewer_request(function: str, uri: str = "/api/v1/auth/me", **headers: str) -> dict[str, Any]:
    """What the function makes of a viewer's request."""
    event = {
        "version": "1.0",
        "context": {"eventType": "viewer-request"},
        "viewer": {"ip": VIEWER},
        "request": {
            "method": "GET",
            "uri": uri,
            "querystring": {},
            "cookies": {},
            "headers": {name.replace("_", "-"): {"value": value} for name, value in headers.items()},
        },
    }
    node = subprocess.run(
        [os.environ["JSII_NODE"], "-e", RUN, str(EDGE / f"{function}.js")],
        input=json.dumps(event),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    answer: dict[str, Any] = json.loads(node.stdout)
    return answer


def headers_of(request: dict[str, Any]) -> dict[str, str]:
    """Its headers as a plain mapping."""
    return {name: header["value"] for name, header in request["headers"].items()}


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"x_api_key": "fln_key"},
        {"authorization": "Bearer token"},
        {"x_api_key": "fln_key", "authorization": "Bearer token"},
        {"x_api_key": ""},
    ],
)
def test_credentials_arrive_as_on_every_other_platform(sent: dict[str, str]) -> None:
    elsewhere = edge.read_headers(
        [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()],
        peer=VIEWER,
        scheme="https",
        port=443,
    )

    here = headers_of(at_viewer_request("request", **sent))

    for name in ("authorization", "x-api-key"):
        assert here.get(name) == elsewhere.headers.get(name)


def test_the_viewers_address_replaces_what_the_client_claims_and_nobody_sends_the_proof() -> None:
    sent = at_viewer_request("request", x_viewer_address="198.51.100.1", x_origin_proof="guessed", accept="*/*")

    assert headers_of(sent) == {VIEWER_ADDRESS: VIEWER, "accept": "*/*"}
    assert ORIGIN_PROOF == "x-origin-proof"


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        ("/ws", "/ws"),
        ("/ws/", "/ws"),
        ("/api/v1/cache/ws", "/ws"),
        ("/", "/"),
        ("/wsx", "/wsx"),
        ("/api/v1/cache/ws/more", "/api/v1/cache/ws/more"),
        ("/api/v1/auth/login", "/api/v1/auth/login"),
    ],
)
def test_socket_addresses_lead_to_the_stage_and_no_others_change(asked: str, passed: str) -> None:
    assert at_viewer_request("request", asked)["uri"] == passed


@pytest.mark.parametrize(
    ("asked", "passed"),
    [
        ("/app", "/app/index.html"),
        ("/app/", "/app/index.html"),
        ("/app/bots/7", "/app/index.html"),
        ("/app/index.html", "/app/index.html"),
        ("/app/assets/main-3f2a.js", "/app/assets/main-3f2a.js"),
        ("/app/favicon.ico", "/app/favicon.ico"),
    ],
)
def test_pages_of_the_dashboard_are_its_index(asked: str, passed: str) -> None:
    assert at_viewer_request("page", asked)["uri"] == passed


def test_the_functions_are_as_small_as_cloudfront_wants_them() -> None:
    for file in EDGE.glob("*.js"):
        assert file.stat().st_size < 10_000
