"""Functions in the cloud ask the account daemon, a process of its own, and get what they would have got themselves."""

from __future__ import annotations

import asyncio
import io
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx2
import orjson
import pytest
from redis.asyncio import Redis

from fullon.fleet import cache as fleet
from fullon.identity.model import Identity, Role
from fullon.runtime import logging
from fullon.runtime.container import Container
from fullon.venues import rpc_client, store
from fullon.venues import rpc_messages as messages
from fullon.venues.errors import AccountNotFound, UnknownVenue
from fullon.venues.rpc_client import RpcClient
from functions.orm import exchange_answers
from functions.orm.app import create
from tests.accounts import ACCOUNTS, an_account, call, done
from tests.api.callers import client, stored_identity
from tests.daemons.collecting import Daemon, Stage, sow, stage
from tests.daemons.waiting import until
from tests.local.paper_trading import KEY, SECRET, open_account, switch
from tests.paper_venue import RunningVenue, paper_venue

RESTRICTIONS = "/sapi/v1/account/apiRestrictions"
WRONG_SECRET = "PaperSecretOfNobody1"


@pytest.fixture(scope="module")
def running() -> Iterator[RunningVenue]:
    with paper_venue("--control") as venue:
        yield venue


@pytest.fixture
async def made(
    running: RunningVenue,
    container: Container,
    platform_database: str,
    candles_database: str,
    valkey_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Stage]:
    """The container comes first, so that daemons have its settings, the sealing key among them."""
    monkeypatch.setenv("EXCHANGE_URL_PAPER", running.url)
    await open_account(running, permissions=["read", "trade"], enabled=True)
    with stage(running, platform_database, candles_database, valkey_url) as ready:
        await sow(ready, symbols=["BTC/USDT"], backtest=0)
        yield ready
        await switch(running, requests=[], clock_offset_ms=0)


@pytest.fixture
async def trader(container: Container, made: Stage) -> Identity:
    return await stored_identity(container)


async def started(made: Stage, container: Container) -> Daemon:
    """The account daemon, when it leads."""
    daemon = made.start("account")
    await until(lambda: daemon.said("leading"), what="the lead")
    await until(lambda: fleet.is_alive(container.valkey, "account", container.clock.now()), what="its record")
    return daemon


@contextmanager
def as_in_the_cloud() -> Iterator[None]:
    """This process as a function in the cloud is: its layer holds neither ccxt nor connections to venues."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [*sys.modules, "ccxt", "fullon.venues.connect"]:
            if name.split(".")[0] == "ccxt" or name == "fullon.venues.connect":
                patch.setitem(sys.modules, name, None)
        patch.delattr("fullon.venues.connect", raising=False)
        with pytest.raises(ImportError):
            from fullon.venues import connect  # noqa: F401
        yield


async def theirs(container: Container, owner: Identity, **values: Any) -> str:
    """The address of an account with the right keys, which the daemon does not look after by itself."""
    account = await an_account(container, owner, **{"api_key": KEY, "api_secret": SECRET, "active": False, **values})
    return f"{ACCOUNTS}/{account['ex_id']}"


async def sync(container: Container, admin: Identity) -> httpx2.Response:
    async with container.connection() as connection:
        number = await connection.fetchval("SELECT cat_ex_id FROM cat_exchanges WHERE name = 'paper'")
    async with client(create(container), admin) as http:
        return await http.post("/api/v1/orm/symbols/sync", params={"cat_ex_id": number})


@asynccontextmanager
async def overheard(made: Stage) -> AsyncIterator[list[str]]:
    """Everything that is sent to Valkey and mentions our lists, while the block runs."""
    heard: list[str] = []

    async def listen(monitor: Any) -> None:
        while True:
            heard.append((await monitor.next_command())["command"])

    async with Redis.from_url(made.valkey_url) as valkey, valkey.monitor() as monitor:
        task = asyncio.create_task(listen(monitor))
        yield heard
        async with Redis.from_url(made.valkey_url) as other:
            await other.get("the end")
        await until(lambda: any("the end" in each for each in heard), what="the end")
        task.cancel()
        await asyncio.wait({task})


def stable(problem: dict[str, Any]) -> dict[str, Any]:
    """A problem or an answer without what differs from one call to the next."""
    varying = {"detail", "request_id", "validated_at", "clock_offset_ms", "offset_ms"}
    return {name: value for name, value in problem.items() if name not in varying}


def test_the_function_starts_without_importing_ccxt() -> None:
    program = "import sys, functions.orm.app; sys.exit('ccxt' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], timeout=90, check=False).returncode == 0


async def test_keys_are_validated_by_the_daemon_as_directly_and_travel_nowhere(
    container: Container, made: Stage, trader: Identity
) -> None:
    written = io.StringIO()
    logging.configure("test", "DEBUG", stream=written)
    path = await theirs(container, trader)
    ex_id = path.rsplit("/", 1)[1]
    directly = await done(container, trader, "POST", f"{path}/validate")
    daemon = await started(made, container)
    assert not daemon.said("question answered")

    async with overheard(made) as heard:
        with as_in_the_cloud():
            asked = await done(container, trader, "POST", f"{path}/validate")
        await until(lambda: daemon.said("question answered", result="found"), what="the daemon's line")

    assert stable(asked) == stable(directly)
    assert abs(asked["clock_offset_ms"]) < 5_000
    assert (await done(container, trader, "GET", path))["validated_at"] == asked["validated_at"]
    sent = [each for each in heard if "rpc:venues" in each]
    assert any(f'"ex_id\\":\\"{ex_id}' in each or f'"ex_id":"{ex_id}' in each for each in sent), sent
    assert any("permissions" in each for each in sent)
    everything = "".join(heard) + repr(daemon.lines()) + written.getvalue()
    for secret in (KEY, SECRET, "signature="):
        assert secret not in everything
    async with container.connection() as connection:
        audit = await connection.fetch("SELECT details::text FROM audit WHERE action = 'validate_account'")
    assert [orjson.loads(row[0])["result"] for row in audit] == ["accepted", "accepted"]


@pytest.mark.parametrize(
    ("code", "keys", "faults", "at_venue"),
    [
        ("wrong_api_key", {"api_key": "PaperKeyOfNobody0001"}, {}, {}),
        ("wrong_api_secret", {"api_secret": WRONG_SECRET}, {}, {}),
        ("key_can_withdraw", {}, {}, {"permissions": ["read", "trade", "withdraw"]}),
        ("venue_clock", {}, {"clock_offset_ms": -60_000}, {}),
        (
            "venue_down",
            {},
            {"requests": [{"effect": "fail_before", "path": RESTRICTIONS, "status": 503, "code": -1008}] * 2},
            {},
        ),
    ],
)
async def test_what_goes_wrong_at_the_venue_is_the_same_problem_either_way(
    container: Container,
    made: Stage,
    trader: Identity,
    code: str,
    keys: dict[str, str],
    faults: dict[str, Any],
    at_venue: dict[str, Any],
) -> None:
    daemon = await started(made, container)
    await open_account(made.venue, **at_venue)
    path = await theirs(container, trader, **keys)

    async def refused() -> tuple[httpx2.Response, dict[str, Any]]:
        await switch(made.venue, **{"requests": [], **faults})
        answer = await call(container, trader, "POST", f"{path}/validate")
        kept = await done(container, trader, "GET", path)
        return answer, kept

    directly, kept_directly = await refused()
    with as_in_the_cloud():
        asked, kept_asked = await refused()

    assert directly.json()["code"] == code
    assert asked.status_code == directly.status_code
    assert asked.headers.get("Retry-After") == directly.headers.get("Retry-After")
    assert re.sub(r"\d+ ms", "N ms", asked.json()["detail"]) == re.sub(r"\d+ ms", "N ms", directly.json()["detail"])
    assert stable(asked.json()) == stable(directly.json())
    assert ("offset_ms" in asked.json()) == (code == "venue_clock")
    assert stable(kept_asked) == stable(kept_directly)
    found = "found" if code == "key_can_withdraw" else code  # the rule about such keys is the function's
    await until(lambda: daemon.said("question answered", result=found), what="the daemon's line")
    for secret in (KEY, SECRET, WRONG_SECRET, "PaperKeyOfNobody0001"):
        assert secret not in repr(daemon.lines())


async def test_symbols_are_synced_through_the_daemon_as_directly(container: Container, made: Stage) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    daemon = await started(made, container)
    async with container.connection() as connection:
        venue = next(each for each in await store.venues(connection) if each.name == "paper")

    async def synced() -> tuple[dict[str, Any], list[Any]]:
        spoil = "UPDATE symbols SET tick_size = 7, min_notional = NULL, price_decimals = 0 WHERE symbol = 'BTC/USDT'"
        async with container.transaction() as connection:
            await connection.execute(spoil)
            await connection.execute("DELETE FROM symbols WHERE symbol = 'SOL/USDT'")
        answer = await sync(container, admin)
        assert answer.status_code == 200, answer.text
        async with container.connection() as connection:
            rows = await connection.fetch(
                "SELECT symbol, base, quote, active, price_decimals, quantity_decimals, tick_size::text,"
                " step_size::text, min_quantity::text, min_notional::text FROM symbols"
                " WHERE cat_ex_id = $1 ORDER BY symbol",
                venue.cat_ex_id,
            )
        return answer.json(), [tuple(row) for row in rows]

    directly = await synced()
    listed_directly = await exchange_answers.markets(container, venue)
    with as_in_the_cloud():
        asked = await synced()
        listed_asked = await exchange_answers.markets(container, venue)

    assert (asked, listed_asked) == (directly, listed_directly)
    assert [repr(each) for each in listed_asked] == [repr(each) for each in listed_directly]
    assert (asked[0]["added"], asked[0]["changed"], asked[0]["listed"]) == (1, 1, 3)
    assert daemon.said("question answered", question="ListMarkets", result="found")


async def test_without_the_daemon_one_hears_at_once_that_it_does_not_run(
    container: Container, made: Stage, trader: Identity
) -> None:
    admin = await stored_identity(container, Role.ADMIN)
    path = await theirs(container, trader)

    async def refusals() -> list[tuple[int, str]]:
        with as_in_the_cloud():
            answers = [await call(container, trader, "POST", f"{path}/validate"), await sync(container, admin)]
        assert await container.valkey.exists(messages.REQUESTS) == 0, "nobody was asked, so nothing was waited for"
        assert all("account daemon, which is not running" in each.json()["detail"] for each in answers)
        return [(each.status_code, each.json()["code"]) for each in answers]

    never_ran = await refusals()
    daemon = await started(made, container)
    assert daemon.stop() == 0
    ended = await refusals()

    assert never_ran == ended == [(503, "account_daemon_down")] * 2
    assert (await done(container, trader, "GET", path))["validated_at"] is None


async def test_a_daemon_that_is_paused_is_waited_for_only_so_long_and_does_nothing_for_it_later(
    container: Container, made: Stage, trader: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await theirs(container, trader)
    daemon = await started(made, container)
    with as_in_the_cloud():
        daemon.process.send_signal(signal.SIGSTOP)
        with monkeypatch.context() as shortly:
            shortly.setattr(rpc_client, "REPLY_SECONDS", 2.0)
            answer = await call(container, trader, "POST", f"{path}/validate")
        unanswered = await done(container, trader, "GET", path)
        daemon.process.send_signal(signal.SIGCONT)

        await done(container, trader, "POST", f"{path}/validate")

    assert (answer.status_code, answer.json()["code"]) == (504, "account_daemon_silent")
    assert unanswered["validated_at"] is None
    await until(lambda: daemon.said("question answered"), what="the daemon's line")
    results = [line["result"] for line in daemon.lines() if line["event"].startswith("question ")]
    assert results in (["late", "found"], ["found"]), "it was dropped, or had expired in the list"


async def test_the_account_of_another_is_not_found_by_the_function_nor_by_the_daemon(
    container: Container, made: Stage, trader: Identity
) -> None:
    path = await theirs(container, trader)
    ex_id = UUID(path.rsplit("/", 1)[1])
    foreigner = await stored_identity(container)
    daemon = await started(made, container)

    with as_in_the_cloud():
        answer = await call(container, foreigner, "POST", f"{path}/validate")
        missing = await call(container, foreigner, "POST", f"{ACCOUNTS}/{uuid4()}/validate")
    assert [(each.status_code, each.json()["code"]) for each in (answer, missing)] == [(404, "account_not_found")] * 2
    assert not any(line["event"].startswith("question ") for line in daemon.lines())

    asking = RpcClient(container.valkey, container.clock)
    with pytest.raises(AccountNotFound):
        await asking.examine_account(foreigner.user_id, ex_id)
    with pytest.raises(UnknownVenue):
        await asking.list_markets(12_345)
    assert (await asking.examine_account(trader.user_id, ex_id)).balances == 4


async def test_the_daemon_lives_on_after_what_it_cannot_understand_or_do(
    container: Container, made: Stage, trader: Identity
) -> None:
    path = await theirs(container, trader)
    daemon = await started(made, container)
    asking = RpcClient(container.valkey, container.clock)

    await container.valkey.rpush(messages.REQUESTS, b"\xff", b"{}", b'{"question": "list_markets"}')
    with pytest.raises(messages.UnexpectedAnswer):
        await asking.list_markets(2**40)  # the database has no such numbers
    with pytest.raises(AccountNotFound):
        await asking.examine_account(uuid4(), uuid4())
    with as_in_the_cloud():
        await done(container, trader, "POST", f"{path}/validate")

    assert sum(line["event"] == "request malformed" for line in daemon.lines()) == 3
    assert daemon.stop() == 0
