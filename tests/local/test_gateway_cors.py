"""Browsers on other origins."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from fullon.kernel.errors import Invalid
from fullon.runtime.gateway.cors import CorsPolicy
from tests.local.platform import a_function, a_manifest, running_gateway

AUTHORIZER = "tests.local.functions_under_test.authorizer.handler"
ORIGIN = "https://dashboard.example"
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}


@asynccontextmanager
async def configured(home: Path) -> AsyncIterator[httpx2.AsyncClient]:
    manifest = a_manifest(
        a_function("authorizer", AUTHORIZER, kind="authorizer"),
        a_function("respond", routes=("/a",), public=("POST /a",)),
    )
    async with (
        running_gateway(manifest, home, cors_origins=(ORIGIN, "http://localhost:5173")) as address,
        httpx2.AsyncClient(base_url=address, timeout=60) as client,
    ):
        yield client


async def test_the_gateway_answers_preflight_requests_itself(tmp_path: Path) -> None:
    async with configured(tmp_path) as client:
        response = await client.options("/a", headers={"origin": ORIGIN, **PREFLIGHT})

    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert response.headers["access-control-allow-credentials"] == "true"
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "authorization" in response.headers["access-control-allow-headers"]
    assert "x-api-key" in response.headers["access-control-allow-headers"]
    assert int(response.headers["access-control-max-age"]) > 0
    assert (tmp_path / "logs/functions/respond.log").read_text() == ""
    assert (tmp_path / "logs/functions/authorizer.log").read_text() == ""


async def test_other_origins_get_no_leave(tmp_path: Path) -> None:
    async with configured(tmp_path) as client:
        preflight = await client.options("/a", headers={"origin": "https://evil.example", **PREFLIGHT})
        response = await client.post("/a", json={"statusCode": 200}, headers={"origin": "https://evil.example"})

    assert preflight.status_code == 204
    assert response.status_code == 200
    for answer in (preflight, response):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["vary"] == "Origin"


async def test_the_configuration_replaces_what_the_function_says(tmp_path: Path) -> None:
    answer = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*", "Vary": "Accept"}}
    async with configured(tmp_path) as client:
        response = await client.post("/a", json=answer, headers={"origin": ORIGIN})
        same_site = await client.post("/a", json=answer)

    assert response.headers.get_list("access-control-allow-origin") == [ORIGIN]
    assert "apigw-requestid" in response.headers["access-control-expose-headers"]
    assert response.headers.get_list("vary") == ["Accept", "Origin"]
    assert "access-control-allow-origin" not in same_site.headers


async def test_errors_of_the_gateway_can_be_read_by_the_dashboard(tmp_path: Path) -> None:
    async with configured(tmp_path) as client:
        missing = await client.get("/nothing", headers={"origin": ORIGIN})
        anonymous = await client.get("/a", headers={"origin": ORIGIN})

    assert (missing.status_code, anonymous.status_code) == (404, 401)
    for response in (missing, anonymous):
        assert response.headers["access-control-allow-origin"] == ORIGIN


async def test_without_a_configuration_the_function_decides(tmp_path: Path) -> None:
    answer = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "https://own.example"}}
    manifest = a_manifest(a_function("respond", routes=("/a",)))
    async with running_gateway(manifest, tmp_path) as address, httpx2.AsyncClient(timeout=60) as client:
        response = await client.post(f"{address}/a", json=answer, headers={"origin": ORIGIN})

    assert response.headers["access-control-allow-origin"] == "https://own.example"


@pytest.mark.parametrize(
    "origin", ["*", "dashboard.example", "https://a.example/", "https://a.example/path", "null", ""]
)
def test_what_is_not_an_origin_is_refused_with_its_name(origin: str) -> None:
    with pytest.raises(Invalid, match="CORS_ORIGINS"):
        CorsPolicy([origin])
