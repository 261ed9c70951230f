"""What the HTTP edge does for every app: ids, slashes, and errors that give nothing away."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import APIRouter

from fullon.kernel.errors import LimitExceeded, NotFound, Unavailable
from fullon.runtime.container import Container
from fullon.runtime.http import create_app

router = APIRouter()
FAILURES: dict[str, Exception] = {
    "missing": NotFound("There is no such thing.", nearest=["BTC/USDT"]),
    "busy": LimitExceeded("Too fast.", retry_after=7),
    "down": Unavailable("Down for now.", retry_after=3),
    "connection": ConnectionResetError("10.1.2.3:5432 reset"),
    "file": FileNotFoundError("/etc/secret/path"),
    "bug": ZeroDivisionError("secret internals"),
}


@router.get("/fail/{how}")
async def fail(how: str) -> None:
    raise FAILURES[how]


@router.get("/echo/{number}")
async def echo(number: int) -> dict[str, int]:
    return {"number": number}


@pytest.fixture
def client(container: Container) -> httpx2.AsyncClient:
    app = create_app("edge", "Edge", container, router)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test")


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("missing", 404, "not_found"),
        ("busy", 429, "limit_exceeded"),
        ("down", 503, "unavailable"),
        ("connection", 503, "database_down"),
        ("file", 500, "internal_error"),
        ("bug", 500, "internal_error"),
    ],
)
async def test_an_error_is_a_problem_document_without_internals(
    how: str, status: int, code: str, client: httpx2.AsyncClient
) -> None:
    answer = await client.get(f"/fail/{how}", headers={"X-Request-ID": "mine-1"})

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (answer.json()["code"], answer.json()["request_id"]) == (code, "mine-1")
    assert answer.json()["type"] == f"/docs/problems/{code}"
    assert "secret" not in answer.text
    assert "10.1.2.3" not in answer.text


async def test_facts_and_the_time_to_wait_are_told(client: httpx2.AsyncClient) -> None:
    missing, busy = await client.get("/fail/missing"), await client.get("/fail/busy")

    assert missing.json()["nearest"] == ["BTC/USDT"]
    assert busy.headers["retry-after"] == "7"


async def test_a_trailing_slash_changes_nothing(client: httpx2.AsyncClient) -> None:
    plain, slashed = await client.get("/echo/7"), await client.get("/echo/7/")

    assert plain.json() == slashed.json() == {"number": 7}
    assert slashed.history == []


async def test_a_wrong_parameter_is_named(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/echo/seven")

    assert answer.status_code == 422
    assert [place["field"] for place in answer.json()["errors"]] == ["number"]


@pytest.mark.parametrize("given", ["", "has space", "x" * 200, "naïve"])
async def test_a_request_id_that_could_confuse_a_log_is_replaced(given: str, client: httpx2.AsyncClient) -> None:
    answer = await client.get("/echo/1", headers=[(b"x-request-id", given.encode())])

    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 36


async def test_what_is_not_there_is_a_problem_too(client: httpx2.AsyncClient) -> None:
    nowhere, wrong = await client.get("/nowhere"), await client.post("/echo/1")

    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
