"""What is sent again, and what never: a lost answer does not make a second bot."""

from __future__ import annotations

from uuid import uuid4

import httpx2
import pytest

from fullon.identity.model import Identity
from fullon.runtime.container import Container
from fullon_client import AsyncClient, Conflict, Retries, Unreachable, api_keys, auth, bots
from fullon_client.calls import Call
from fullon_client.errors import ClientError, PlatformFailed, Problem, TooManyRequests
from functions.orm.app import create
from tests.api.callers import as_behind_gateway, stored_identity
from tests.identities import candles_database  # noqa: F401 - a fixture

QUICK = Retries(first_pause=0.01, longest_pause=15)
IN_FLIGHT = Conflict(409, "idempotency_in_flight", "It is under way.", retry_after=1)


class LosesAnswers(httpx2.AsyncBaseTransport):
    """The platform's own app; the first `lost` answers are lost after it has done what was asked."""

    def __init__(self, container: Container, caller: Identity, lost: int) -> None:
        self._inner = httpx2.ASGITransport(as_behind_gateway(create(container), caller))
        self._lost = lost
        self.keys: list[str | None] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.keys.append(request.headers.get("idempotency-key"))
        answer = await self._inner.handle_async_request(request)
        if len(self.keys) <= self._lost:
            raise httpx2.ReadTimeout("lost", request=request)
        return answer


def a_client(transport: httpx2.AsyncBaseTransport) -> AsyncClient:
    return AsyncClient("http://fullon.test", transport=transport, retries=QUICK)


async def test_a_change_whose_answer_was_lost_is_sent_again_and_happens_once(container: Container) -> None:
    transport = LosesAnswers(container, await stored_identity(container), lost=2)

    async with a_client(transport) as client:
        made = await client.send(bots.create("made once"))
        found = [bot async for bot in client.each(bots.every())]

    assert found == [made]
    assert transport.keys[0] is not None
    assert transport.keys[:3] == [transport.keys[0]] * 3


async def test_a_secret_whose_answer_was_lost_is_not_made_twice_and_the_caller_is_told(container: Container) -> None:
    transport = LosesAnswers(container, await stored_identity(container), lost=1)

    async with a_client(transport) as client:
        with pytest.raises(Conflict) as refusal:
            await client.send(api_keys.create("once", ["read"]))
        found = [key.name async for key in client.each(api_keys.every())]

    assert refusal.value.code == "idempotency_shown_once"
    assert found == ["once"]


async def test_every_change_has_a_key_of_its_own_and_reads_have_none(container: Container) -> None:
    transport = LosesAnswers(container, await stored_identity(container), lost=0)

    async with a_client(transport) as client:
        for name in ("one", "two"):
            await client.send(bots.create(name))
        await client.send(bots.every())
        await client.request("POST", "/api/v1/orm/bots", body={"name": "three"})

    first, second, read, generic = transport.keys
    assert len({first, second, generic}) == 3
    assert None not in {first, second, generic}
    assert read is None


async def test_it_gives_up_after_the_attempts_it_has(container: Container) -> None:
    transport = LosesAnswers(container, await stored_identity(container), lost=99)

    async with a_client(transport) as client:
        with pytest.raises(Unreachable) as lost:
            await client.send(bots.every())

    assert lost.value.timed_out
    assert len(transport.keys) == QUICK.attempts


READ, CHANGE, ONCE = bots.every(), bots.create("x"), auth.log_in("a@b", "c")


@pytest.mark.parametrize(
    ("call", "error", "is_repeated"),
    [
        (READ, Unreachable("lost"), True),
        (CHANGE, Unreachable("lost", timed_out=True), True),
        (ONCE, Unreachable("lost"), False),
        (READ, PlatformFailed(503, "database_down", "Later."), True),
        (READ, PlatformFailed(500, "internal", "A fault."), False),
        (CHANGE, IN_FLIGHT, True),
        (CHANGE, Conflict(409, "name_taken", "Taken."), False),
        (CHANGE, TooManyRequests(429, "too_many_requests", "Later.", retry_after=2), True),
        (CHANGE, TooManyRequests(429, "too_many_requests", "Later.", retry_after=600), False),
        (READ, Problem(400, "already_running", "It runs."), False),
    ],
)
def test_only_what_may_pass_and_does_no_harm_is_repeated(
    call: Call[object], error: ClientError, is_repeated: bool
) -> None:
    assert (Retries().pause(1, call, error) is not None) == is_repeated


def test_pauses_grow_and_are_never_shorter_than_the_platform_asks_for() -> None:
    retries = Retries(attempts=9, first_pause=1, longest_pause=8)

    plain = [retries.pause(attempt, READ, Unreachable("lost")) for attempt in range(1, 10)]
    asked = retries.pause(1, CHANGE, IN_FLIGHT)

    assert plain[-1] is None
    for attempt, pause in enumerate(plain[:-1]):
        assert pause is not None
        assert min(2**attempt, 8) / 2 <= pause <= min(2**attempt, 8)
    assert asked is not None
    assert asked >= 1


async def test_a_key_of_ones_own_makes_two_processes_do_it_once(container: Container) -> None:
    caller, call = await stored_identity(container), bots.create("shared").keyed(uuid4().hex)

    made = []
    for _ in range(2):
        async with a_client(LosesAnswers(container, caller, lost=0)) as client:
            made.append(await client.send(call))

    assert made[0] == made[1]
