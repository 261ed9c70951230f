"""One ASGI server in place of API Gateway and Lambda: who gets in, what functions see, and what goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from fullon.kernel.errors import Invalid
from fullon.runtime import manifest
from fullon.runtime.container import Container
from fullon.runtime.gateway.application import Application
from fullon.runtime.gateway.in_process import InProcess
from fullon.runtime.settings import Settings
from local.home import REPOSITORY
from tests.gateway.functions_under_test.authorizer.app import ASKED
from tests.gateway.server import KEYS, MANIFEST, SETTINGS, a_dashboard, running_server


@pytest.fixture(autouse=True)
def nobody_asked() -> Iterator[None]:
    ASKED.clear()
    yield
    ASKED.clear()


async def test_without_a_credential_nobody_is_asked_and_the_answer_is_401() -> None:
    async with running_server() as server, server.client() as client:
        refused = await client.get("/web/page")
        public = await client.get("/web/public/page")

    assert (refused.status_code, public.status_code) == (401, 200)
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["www-authenticate"] == "Bearer"
    assert ASKED == []


async def test_a_refusal_is_403_and_a_broken_authorizer_500() -> None:
    async with running_server() as server:
        async with server.client(Authorization="Bearer bad") as client:
            refused = await client.get("/web/page")
        async with server.client(Authorization="Bearer broken") as client:
            broken = await client.get("/web/page")

    assert (refused.status_code, broken.status_code) == (403, 500)
    assert "secret" not in broken.text


async def test_the_identity_reaches_the_function_as_from_a_gateway_and_is_asked_for_once_a_minute() -> None:
    async with running_server() as server, server.client(Authorization="Bearer good") as client:
        first = (await client.get("/web/page?a=1")).json()
        await client.get("/web/other")
        server.clock.advance(61)
        await client.get("/web/page")

    assert first["event"]["authorizer"] == {"lambda": {"user_id": "u1", "role": "admin"}}
    assert first["event"]["http"]["sourceIp"] == "127.0.0.1"
    assert first["event"]["routeKey"] == "ANY /web/{proxy+}"
    assert first["query"] == "a=1"
    assert ASKED == ["good", "good"]


async def test_an_api_key_in_its_header_is_a_bearer_token_unless_there_is_one() -> None:
    async with running_server() as server:
        async with server.client(**{"X-API-Key": "good"}) as client:
            taken = await client.get("/web/page")
        async with server.client(**{"X-API-Key": "good", "Authorization": "Bearer bad"}) as client:
            refused = await client.get("/web/page")

    assert (taken.status_code, refused.status_code) == (200, 403)


@pytest.mark.parametrize(("trusted", "source"), [("", "127.0.0.1"), ("127.0.0.1", "9.9.9.9")])
async def test_a_forwarding_header_counts_from_a_trusted_proxy_alone(trusted: str, source: str) -> None:
    async with running_server(trusted) as server, server.client(**{"X-Forwarded-For": "9.9.9.9"}) as client:
        answer = await client.get("/web/public/page")

    assert answer.json()["event"]["http"]["sourceIp"] == source


async def test_what_a_function_does_wrong_is_a_problem_without_a_word_of_it() -> None:
    async with running_server() as server, server.client() as client:
        broken = await client.get("/web/public/broken")
        slow = await client.get("/web/public/slow")
        large = await client.post("/web/public/page", content=b"x" * (6 * 1024 * 1024 + 1))
        missing = await client.get("/nowhere")
        with pytest.raises(httpx2.RemoteProtocolError):  # a half is never taken for the whole
            await client.get("/web/public/half")

    assert (broken.status_code, slow.status_code, missing.status_code) == (500, 504, 404)
    assert large.status_code == 401  # refused before its body is read: POST is not public
    assert "secret" not in broken.text + slow.text
    assert broken.json()["request_id"]


async def test_a_body_over_what_a_function_may_get_is_413() -> None:
    async with running_server() as server, server.client(Authorization="Bearer good") as client:
        whole = await client.post("/web/page", content=b"x" * (6 * 1024 * 1024))
        large = await client.post("/web/page", content=b"x" * (6 * 1024 * 1024 + 1))

    assert whole.json()["body"] == 6 * 1024 * 1024
    assert large.status_code == 413


async def test_other_origins_read_answers_only_if_they_are_listed() -> None:
    async with running_server(cors_origins=("https://ours.example",)) as server, server.client() as client:
        asked = {"Origin": "https://ours.example", "Access-Control-Request-Method": "GET"}
        preflight = await client.options("/web/page", headers=asked)
        ours = await client.get("/web/public/page", headers={"Origin": "https://ours.example"})
        other = await client.get("/web/public/page", headers={"Origin": "https://other.example"})

    assert preflight.status_code == 204
    assert ours.headers["access-control-allow-origin"] == "https://ours.example"
    assert "access-control-allow-origin" not in other.headers


async def test_the_dashboard_is_served_where_it_is_built(tmp_path: Path) -> None:
    async with running_server(dashboard=a_dashboard(tmp_path / "dist")) as server, server.client() as client:
        page = await client.get("/app/bots/7")
        again = await client.get("/app/bots/7", headers={"If-None-Match": page.headers["etag"]})

    assert (page.text, again.status_code) == ("<h1>Fullon</h1>", 304)


async def test_every_function_of_the_manifest_runs_in_one_process() -> None:
    functions = InProcess(manifest.load(), Container(Settings(**SETTINGS)))

    assert set(functions._applications) == {each.name for each in manifest.load().of_kind("http")}


@pytest.mark.parametrize(
    ("settings", "keys", "variable"),
    [
        ({}, {}, "AWS_ACCESS_KEY_ID"),
        ({"management_host": "0.0.0.0"}, KEYS, "MANAGEMENT_HOST"),
        ({"management_host": "no.such.host.invalid"}, KEYS, "MANAGEMENT_HOST"),
    ],
)
def test_settings_that_cannot_work_end_the_start_with_their_name(
    settings: dict[str, str], keys: dict[str, str], variable: str
) -> None:
    with pytest.raises(Invalid, match=variable):
        Application(MANIFEST, Settings(**{**SETTINGS, **settings}), keys)


def test_the_server_ends_with_one_sentence_when_a_setting_is_missing() -> None:
    environment = {"PATH": os.environ["PATH"], "ENVIRONMENT": "local", "JWT_SECRET_KEY": "x" * 40}
    command = [sys.executable, "-m", "uvicorn", "fullon.runtime.asgi:app", "--port", "0"]

    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)

    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1].startswith("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set")
