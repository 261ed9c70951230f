"""Keys of exchange accounts as a venue sees them: the paper venue, a process of its own, asked through ccxt."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from fullon.identity.model import Identity
from fullon.runtime import logging
from fullon.runtime.container import Container
from fullon.venues import accounts, ccxt_account
from local import seed_venues
from local.ports import free_port
from tests.accounts import ACCOUNTS, an_account, call, done
from tests.api.callers import stored_identity
from tests.identities import candles_database  # noqa: F401 - a fixture
from tests.local.paper_trading import KEY, SECRET, open_account, switch
from tests.paper_venue import RunningVenue, paper_venue

RESTRICTIONS = "/sapi/v1/account/apiRestrictions"


@pytest.fixture(scope="module")
def running() -> Iterator[RunningVenue]:
    """A venue whose faults can be switched."""
    with paper_venue("--control") as venue:
        yield venue


@pytest.fixture
async def venue(running: RunningVenue, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningVenue]:
    """The venue, well, with an account whose key may read and trade."""
    monkeypatch.setenv("EXCHANGE_URL_PAPER", running.url)
    await open_account(running, permissions=["read", "trade"], enabled=True)
    yield running
    await switch(running, requests=[], clock_offset_ms=0)


@pytest.fixture
async def trader(container: Container, venue: RunningVenue) -> Identity:
    """Somebody, on a platform that knows the venue."""
    async with container.transaction() as connection:
        await seed_venues.seed(connection)
    return await stored_identity(container)


async def theirs(container: Container, owner: Identity, **values: Any) -> str:
    """The address of an account with the right keys."""
    account = await an_account(container, owner, **{"api_key": KEY, "api_secret": SECRET, **values})
    return f"{ACCOUNTS}/{account['ex_id']}"


async def refusal(container: Container, caller: Identity, path: str) -> tuple[int, str]:
    answer = await call(container, caller, "POST", f"{path}/validate")
    assert KEY not in answer.text
    assert SECRET not in answer.text
    return answer.status_code, answer.json()["code"]


async def test_good_keys_are_reported_and_kept_as_such(container: Container, trader: Identity) -> None:
    path = await theirs(container, trader)

    found = await done(container, trader, "POST", f"{path}/validate")

    assert found["permissions"] == {"read": True, "trade": True, "withdraw": False}
    assert (found["balances"], found["warnings"], found["exchange"]) == (4, [], "paper")
    assert abs(found["clock_offset_ms"]) < 5_000
    kept = await done(container, trader, "GET", path)
    assert (kept["validated_at"], kept["permissions"], kept["problem"]) == (
        found["validated_at"],
        found["permissions"],
        None,
    )


async def test_an_account_that_is_marked_as_test_goes_where_the_settings_say(
    container: Container, trader: Identity
) -> None:
    path = await theirs(container, trader, test=True)

    assert (await done(container, trader, "POST", f"{path}/validate"))["balances"] == 4


async def test_keys_that_can_withdraw_are_refused_unless_the_account_allows_them(
    container: Container, trader: Identity, venue: RunningVenue
) -> None:
    await open_account(venue, permissions=["read", "trade", "withdraw"])
    path = await theirs(container, trader)

    assert await refusal(container, trader, path) == (409, "key_can_withdraw")
    refused = await done(container, trader, "GET", path)
    assert refused["permissions"] == {"read": True, "trade": True, "withdraw": True}
    assert "can withdraw" in refused["problem"]
    async with container.connection() as connection:
        assert await accounts.in_use(connection) == []

    await done(container, trader, "PATCH", path, {"allow_withdraw_keys": True})
    allowed = await done(container, trader, "POST", f"{path}/validate")
    assert allowed["warnings"] == ["This key can withdraw; no bot needs that."]
    assert (await done(container, trader, "GET", path))["problem"] is None
    async with container.connection() as connection:
        assert [found.account.key_hint for found in await accounts.in_use(connection)] == [KEY[-4:]]


async def test_a_key_that_may_not_trade_is_reported(
    container: Container, trader: Identity, venue: RunningVenue
) -> None:
    await open_account(venue, permissions=["read"])
    path = await theirs(container, trader)

    found = await done(container, trader, "POST", f"{path}/validate")

    assert found["permissions"]["trade"] is False
    assert found["warnings"] == ["This key may not trade; orders of this account will be refused."]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"api_key": "PaperKeyOfNobody0001"}, "wrong_api_key"),
        ({"api_key": "of no known form"[:8].replace(" ", "-")}, "wrong_api_key"),
        ({"api_secret": "PaperSecretOfNobody1"}, "wrong_api_secret"),
    ],
)
async def test_a_wrong_key_and_a_wrong_secret_are_told_apart_and_kept(
    container: Container, trader: Identity, wrong: dict[str, str], code: str
) -> None:
    path = await theirs(container, trader, **wrong)

    assert await refusal(container, trader, path) == (422, code)

    kept = await done(container, trader, "GET", path)
    assert kept["validated_at"] is not None
    assert kept["permissions"] is None
    assert ("secret" in kept["problem"]) == (code == "wrong_api_secret")


async def test_right_keys_after_wrong_ones_clear_the_problem(container: Container, trader: Identity) -> None:
    path = await theirs(container, trader, api_secret="PaperSecretOfNobody1")
    assert await refusal(container, trader, path) == (422, "wrong_api_secret")

    await done(container, trader, "PATCH", path, {"api_key": KEY, "api_secret": SECRET})
    await done(container, trader, "POST", f"{path}/validate")

    assert (await done(container, trader, "GET", path))["problem"] is None


async def test_a_key_that_was_switched_off_is_a_wrong_key(
    container: Container, trader: Identity, venue: RunningVenue
) -> None:
    await open_account(venue, enabled=False)

    assert await refusal(container, trader, await theirs(container, trader)) == (422, "wrong_api_key")


async def test_what_says_nothing_about_the_keys_is_told_apart_and_changes_nothing(
    container: Container, trader: Identity, venue: RunningVenue
) -> None:
    path = await theirs(container, trader)
    before = await done(container, trader, "POST", f"{path}/validate") and await done(container, trader, "GET", path)
    failed = {"effect": "fail_before", "path": RESTRICTIONS}

    for rule, expected in (
        ({**failed, "status": 500, "code": -1000}, (503, "venue_down")),
        ({**failed, "status": 503, "code": -1008}, (503, "venue_down")),
        ({"effect": "lose_request", "path": RESTRICTIONS}, (503, "venue_down")),
        ({"effect": "lose_reply", "path": "/api/v3/account"}, (503, "venue_down")),
    ):
        await switch(venue, requests=[rule])
        assert await refusal(container, trader, path) == expected, rule
        await switch(venue, requests=[])

    assert await done(container, trader, "GET", path) == before


async def test_a_limit_is_told_with_when_to_come_again(
    container: Container, trader: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await theirs(container, trader)
    with paper_venue("--control", "--weight-limit", "3") as busy:
        monkeypatch.setenv("EXCHANGE_URL_PAPER", busy.url)
        await open_account(busy)

        answer = await call(container, trader, "POST", f"{path}/validate")

    assert (answer.status_code, answer.json()["code"]) == (429, "venue_limit")
    assert int(answer.headers["Retry-After"]) >= 1
    assert (await done(container, trader, "GET", path))["validated_at"] is None


async def test_a_venue_that_is_slow_is_waited_for_only_so_long(
    container: Container, trader: Identity, venue: RunningVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ccxt_account, "EXAMINATION_SECONDS", 0.5)
    path = await theirs(container, trader)
    await switch(venue, requests=[{"effect": "delay_before", "path": RESTRICTIONS, "milliseconds": 20_000}])

    assert await refusal(container, trader, path) == (504, "venue_timed_out")


async def test_clocks_that_differ_are_told_with_how_far(
    container: Container, trader: Identity, venue: RunningVenue
) -> None:
    path = await theirs(container, trader)
    await switch(venue, clock_offset_ms=-60_000)

    answer = await call(container, trader, "POST", f"{path}/validate")

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (503, "venue_clock")
    assert problem["offset_ms"] == pytest.approx(-60_000, abs=5_000)


async def test_a_venue_that_is_not_there_is_down(
    container: Container, trader: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await theirs(container, trader)
    monkeypatch.setenv("EXCHANGE_URL_PAPER", f"http://127.0.0.1:{free_port()}")

    assert await refusal(container, trader, path) == (503, "venue_down")


async def test_what_the_venue_said_of_keys_that_were_replaced_meanwhile_is_not_kept(
    container: Container, trader: Identity, venue: RunningVenue
) -> None:
    path = await theirs(container, trader)
    await switch(venue, requests=[{"effect": "delay_before", "path": RESTRICTIONS, "milliseconds": 1_500}])

    asking = asyncio.create_task(refusal(container, trader, path))
    await asyncio.sleep(0.3)
    await done(container, trader, "PATCH", path, {"api_key": "PaperKeyOfNobody0001", "api_secret": SECRET})

    assert await asking == (409, "account_changed")
    assert (await done(container, trader, "GET", path))["validated_at"] is None


async def test_keys_and_signatures_are_in_no_log_and_no_audit_whatever_happens(
    container: Container, trader: Identity, venue: RunningVenue
) -> None:
    written = io.StringIO()
    logging.configure("test", "DEBUG", stream=written)
    path = await theirs(container, trader)
    wrong = await theirs(container, trader, name="wrong", api_secret="PaperSecretOfNobody1")

    await done(container, trader, "POST", f"{path}/validate")
    await refusal(container, trader, wrong)
    for rule in ({"effect": "lose_request"}, {"effect": "fail_before", "status": 500, "code": -1000}):
        await switch(venue, requests=[{**rule, "path": RESTRICTIONS}])
        await refusal(container, trader, path)

    async with container.connection() as connection:
        audit = str(await connection.fetch("SELECT action, subject, details::text FROM audit"))
    for secret in (KEY, SECRET, "PaperSecretOfNobody1", "signature="):
        assert secret not in written.getvalue() + audit
    assert "wrong_api_secret" in audit
    assert "accepted" in audit
    assert '"event":"refused"' in written.getvalue()
