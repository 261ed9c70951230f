"""Who is let through: identity source, decisions, and how long they are reused."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fullon.kernel.clock import Clock, ManualClock
from fullon.runtime.gateway.authorizer import Authorizer, AuthorizerFailed
from fullon.runtime.gateway.invocation import FunctionCrashed
from tests.local.platform import a_function, a_manifest, running_gateway, until
from tests.local.test_gateway_http import assert_problem

AUTHORIZER = "tests.local.functions_under_test.authorizer.handler"


@asynccontextmanager
async def guarded(home: Path, clock: Clock | None = None, **settings: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a gateway with one guarded route, one public one, and the authorizer under test."""
    manifest = a_manifest(
        a_function("authorizer", AUTHORIZER, kind="authorizer", concurrency=1),
        a_function("echo", routes=("/a", "/b", "/open"), public=("GET /open",)),
    )
    async with (
        running_gateway(manifest, home, clock=clock, **settings) as address,
        httpx2.AsyncClient(base_url=address, timeout=60) as client,
    ):
        yield client


def bearer(word: str) -> dict[str, str]:
    return {"authorization": f"Bearer {word}"}


def context_of(response: httpx2.Response) -> dict[str, Any]:
    context: dict[str, Any] = response.json()["event"]["requestContext"]["authorizer"]["lambda"]
    return context


def times_asked(home: Path) -> int:
    return sum(
        json.loads(line)["event"] == "start"
        for line in (home / "logs/functions/authorizer.log").read_text().splitlines()
    )


async def test_without_the_identity_source_it_is_401_and_nobody_is_asked(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        response = await client.get("/a")
        empty = await client.get("/a", headers={"authorization": ""})

    assert_problem(response, 401, "Unauthorized", "unauthenticated")
    assert response.headers["www-authenticate"] == "Bearer"
    assert empty.status_code == 401
    assert times_asked(tmp_path) == 0


async def test_a_refused_credential_is_403_and_the_function_is_not_called(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        response = await client.get("/a", headers=bearer("deny"))

    assert_problem(response, 403, "Forbidden", "credential_refused")
    assert (tmp_path / "logs/functions/echo.log").read_text() == ""


async def test_an_accepted_credential_reaches_the_function_as_a_context(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        response = await client.get("/a", headers=bearer("alice"))

    assert response.status_code == 200
    assert context_of(response)["user_id"] == "alice"


async def test_an_api_key_is_an_identity_like_a_token(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        response = await client.get("/a", headers={"x-api-key": "fo_abc_def"})

    assert context_of(response)["user_id"] == "fo_abc_def"


async def test_a_public_route_asks_nobody_and_gives_no_context(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        anonymous = await client.get("/open")
        with_token = await client.get("/open", headers=bearer("deny"))
        other_method = await client.post("/open")

    assert "authorizer" not in anonymous.json()["event"]["requestContext"]
    assert with_token.status_code == 200
    assert other_method.status_code == 401
    assert times_asked(tmp_path) == 0


@pytest.mark.parametrize("word", ["fail", "malformed", "crash"])
async def test_an_authorizer_that_gives_no_decision_is_500_and_is_asked_again(tmp_path: Path, word: str) -> None:
    async with guarded(tmp_path) as client:
        responses = [await client.get("/a", headers=bearer(word)) for _ in range(2)]
        await until(lambda: times_asked(tmp_path) == 2)

    for response in responses:
        assert_problem(response, 500, "Internal Server Error", "authorizer_failed")
        assert "store is down" not in response.text
    assert (tmp_path / "logs/functions/echo.log").read_text() == ""


async def test_one_decision_covers_every_route_until_its_time_is_over(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    async with guarded(tmp_path, clock) as client:
        first = [await client.get(path, headers=bearer("alice")) for path in ("/a", "/b", "/a")]
        clock.advance(59.9)
        still = await client.get("/a", headers=bearer("alice"))
        clock.advance(0.2)
        later = await client.get("/a", headers=bearer("alice"))

    assert [context_of(response)["calls"] for response in (*first, still, later)] == ["1", "1", "1", "1", "2"]


async def test_refusals_are_reused_too(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        statuses = {(await client.get("/a", headers=bearer("deny"))).status_code for _ in range(3)}

    assert statuses == {403}
    assert times_asked(tmp_path) == 1


async def test_decisions_are_kept_apart_by_identity(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        words = ["alice", "bob", "deny", "alice"]
        responses = [await client.get("/a", headers=bearer(word)) for word in words]

    assert [response.status_code for response in responses] == [200, 200, 403, 200]
    assert [context_of(response)["user_id"] for response in responses if response.is_success] == [
        "alice",
        "bob",
        "alice",
    ]


async def test_requests_that_arrive_together_share_one_question(tmp_path: Path) -> None:
    async with guarded(tmp_path) as client:
        responses = await asyncio.gather(*(client.get("/a", headers=bearer("slow")) for _ in range(8)))

    assert {context_of(response)["calls"] for response in responses} == {"1"}
    assert times_asked(tmp_path) == 1


async def test_a_ttl_of_zero_asks_for_every_request(tmp_path: Path) -> None:
    async with guarded(tmp_path, identity_ttl=0) as client:
        responses = [await client.get("/a", headers=bearer("alice")) for _ in range(3)]

    assert [context_of(response)["calls"] for response in responses] == ["1", "2", "3"]


class CountingInvoker:
    """Answers like an authorizer, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.release = asyncio.Event()
        self.release.set()
        self.broken = False

    async def invoke(self, name: str, event: dict[str, Any], *, request_id: str | None = None) -> Any:
        self.asked.append(event["identity"])
        await self.release.wait()
        if self.broken:
            raise FunctionCrashed(name, "gone")
        return {"isAuthorized": True}


def an_authorizer(invoker: CountingInvoker, size: int = 10, ttl: float = 60) -> Authorizer:
    return Authorizer(invoker, "authorizer", ttl, ManualClock(datetime(2026, 1, 1, tzinfo=UTC)), size)


async def test_with_a_ttl_of_zero_not_even_simultaneous_requests_share() -> None:
    invoker = CountingInvoker()
    authorizer = an_authorizer(invoker, ttl=0)

    await asyncio.gather(*(authorizer.ask("a", {"identity": "a"}, "r") for _ in range(3)))

    assert invoker.asked == ["a", "a", "a"]


async def test_the_oldest_decision_makes_room_when_the_cache_is_full() -> None:
    invoker = CountingInvoker()
    authorizer = an_authorizer(invoker, size=2)

    for identity in ("a", "b", "c"):
        await authorizer.ask(identity, {"identity": identity}, "r")

    assert authorizer.remembered("a") is None
    assert authorizer.remembered("b") is not None
    assert authorizer.remembered("c") is not None


async def test_a_caller_that_gives_up_does_not_take_the_answer_from_the_others() -> None:
    invoker = CountingInvoker()
    invoker.release.clear()
    authorizer = an_authorizer(invoker)
    callers = [asyncio.create_task(authorizer.ask("a", {"identity": "a"}, "r")) for _ in range(2)]
    await asyncio.sleep(0)

    callers[0].cancel()
    invoker.release.set()

    assert (await callers[1]).allowed is True
    assert invoker.asked == ["a"]


async def test_a_failure_reaches_everyone_who_waits_and_is_forgotten() -> None:
    invoker = CountingInvoker()
    invoker.broken = True
    authorizer = an_authorizer(invoker)

    outcomes = await asyncio.gather(
        *(authorizer.ask("a", {"identity": "a"}, "r") for _ in range(3)), return_exceptions=True
    )
    invoker.broken = False
    mended = await authorizer.ask("a", {"identity": "a"}, "r")

    assert [type(outcome) for outcome in outcomes] == [AuthorizerFailed] * 3
    assert mended.allowed is True
    assert invoker.asked == ["a", "a"]
