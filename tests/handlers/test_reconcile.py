"""The reconcile function against a real ECS endpoint, real processes and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from fullon.audit import service as audit
from fullon.audit import store as trail
from fullon.fleet import store
from fullon.fleet.upkeep import ACTOR, LEASE
from fullon.identity.model import Role
from fullon.kernel.clock import ManualClock
from fullon.kernel.errors import Unavailable
from fullon.runtime.container import Container
from fullon.runtime.manifest import load
from fullon.runtime.schedules import scheduled_event
from fullon.runtime.settings import Settings
from functions.reconcile.app import create, defaults
from functions.services.app import create as create_services
from local.ports import free_port
from tests.api.callers import client, stored_identity
from tests.api.fleet_platform import AWS_ENVIRONMENT, CRASHING, container_for, services_in, services_of
from tests.local.ecs_endpoint import Endpoint, Fleet, endpoint_in, until

LONG_AGO = datetime.now(UTC) - timedelta(hours=2)
PREFIX = "/api/v1/services"
DEPLOYED: dict[str, Any] = {}
"""The event of a run after a deployment: nothing of EventBridge."""


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with endpoint_in(tmp_path_factory.mktemp("ecs")) as endpoint:
        yield endpoint


@pytest.fixture
def fleet(endpoint: Endpoint) -> Iterator[Fleet]:
    fleet = services_of(endpoint, f"test-{uuid4().hex}")
    yield fleet
    for daemon in load().daemons:
        fleet.client.update_service(cluster=fleet.cluster, service=daemon.name, desiredCount=0)


@pytest.fixture
async def stores(
    settings: Settings, endpoint: Endpoint, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Container]:
    for name, value in AWS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    stores = container_for(settings.model_copy(update={"services_to_auto_start": ()}), endpoint.url, fleet.cluster)
    yield stores
    await stores.close()


async def wanted(stores: Container, name: str, desired: int, at: datetime = LONG_AGO) -> None:
    """What the services function writes when an admin gives an order."""
    async with stores.transaction() as connection:
        await store.want(connection, name, desired, "an admin", at)


def every_minute(stores: Container) -> dict[str, Any]:
    return scheduled_event(load().function("reconcile"), stores.clock, "us-east-1", "000000000000")


def counts(fleet: Fleet) -> dict[str, int]:
    return {daemon.name: fleet.service(daemon.name)["desiredCount"] for daemon in load().daemons}


def none_but(*names: str) -> dict[str, int]:
    """Every daemon of the manifest stopped, except these."""
    return {daemon.name: int(daemon.name in names) for daemon in load().daemons}


async def entries(stores: Container) -> list[Any]:
    """The audit trail, oldest first, after it was verified."""
    async with stores.connection() as connection:
        assert (await audit.verify(connection)).is_intact
        return (await trail.latest(connection, 50))[::-1]


async def test_what_a_deployment_reset_runs_again_and_is_on_the_trail(stores: Container, fleet: Fleet) -> None:
    await wanted(stores, "ticker", 1)
    await wanted(stores, "ohlcv", 0)
    fleet.client.update_service(cluster=fleet.cluster, service="ohlcv", desiredCount=1)

    answer = await create(stores)(DEPLOYED)

    assert answer == {
        "looked": True,
        "steps": [
            {"service": "ticker", "action": "correct", "from": 0, "to": 1},
            {"service": "ohlcv", "action": "correct", "from": 1, "to": 0},
        ],
        "refused": [],
    }
    assert counts(fleet) == none_but("ticker")
    fleet.pid("ticker")
    assert [(entry.actor, entry.action, entry.subject) for entry in await entries(stores)] == [
        (ACTOR, "service.reconcile", "ticker"),
        (ACTOR, "service.reconcile", "ohlcv"),
    ]


async def test_a_second_run_changes_nothing(stores: Container, fleet: Fleet) -> None:
    await wanted(stores, "ticker", 1)
    reconcile = create(stores)
    await reconcile(DEPLOYED)
    deployment = fleet.service("ticker")["deployments"][0]["id"]

    again = await reconcile(DEPLOYED)

    assert again == {"looked": True, "steps": [], "refused": []}
    assert fleet.service("ticker")["deployments"][0]["id"] == deployment
    assert len(await entries(stores)) == 1


async def test_what_nobody_ever_wanted_stays_as_it_is(stores: Container, fleet: Fleet) -> None:
    fleet.client.update_service(cluster=fleet.cluster, service="ohlcv", desiredCount=1)

    await create(stores)(DEPLOYED)

    assert counts(fleet) == none_but("ohlcv")


async def test_a_fresh_installation_starts_what_the_manifest_or_the_settings_say(settings: Settings) -> None:
    listed = {daemon.name: daemon.desired for daemon in load().daemons}
    chosen = Settings.model_validate({**settings.model_dump(), "services_to_auto_start": "ticker, ohlcv"})
    none = Settings.model_validate({**settings.model_dump(), "services_to_auto_start": "none"})
    unset = settings.model_copy()

    assert defaults(unset, listed) == listed
    assert defaults(chosen, listed) == none_but("ticker", "ohlcv")
    assert defaults(none, listed) == none_but()


async def test_an_order_of_an_admin_is_never_undone_by_an_older_decision(
    stores: Container, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    await wanted(stores, "ticker", 1)
    read = store.wants

    async def read_then_stopped_by_an_admin(connection: Any) -> Any:
        found = await read(connection)
        await wanted(stores, "ticker", 0, datetime.now(UTC))
        return found

    monkeypatch.setattr(store, "wants", read_then_stopped_by_an_admin)
    answer = await create(stores)(DEPLOYED)

    assert answer["steps"] == []
    assert counts(fleet)["ticker"] == 0
    assert await entries(stores) == []


async def test_an_admin_waits_for_a_step_that_is_being_taken(stores: Container, fleet: Fleet) -> None:
    await wanted(stores, "ticker", 1)
    async with stores.transaction() as step:
        assert await store.lock_want(step, "ticker") is not None
        order = asyncio.create_task(wanted(stores, "ticker", 0))
        done, _ = await asyncio.wait({order}, timeout=0.3)

        assert not done
    await order

    async with stores.connection() as connection:
        assert (await store.wants(connection))["ticker"].desired == 0


async def test_runs_at_the_same_time_take_each_step_once(stores: Container, fleet: Fleet) -> None:
    await wanted(stores, "ticker", 1)
    await wanted(stores, "ohlcv", 1)
    runs = [create(stores) for _ in range(4)]

    answers = await asyncio.gather(*(run(DEPLOYED) for run in runs))

    steps = [step["service"] for answer in answers for step in answer["steps"]]
    assert sorted(steps) == ["ohlcv", "ticker"]
    assert len(await entries(stores)) == 2


async def test_what_an_earlier_run_has_just_corrected_is_no_drift_any_more(
    stores: Container, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    await wanted(stores, "ticker", 1)
    acquire = store.acquire_lease

    async def after_another_run(*arguments: Any) -> Any:
        monkeypatch.setattr(store, "acquire_lease", acquire)
        await create(stores)(DEPLOYED)
        return await acquire(*arguments)

    monkeypatch.setattr(store, "acquire_lease", after_another_run)
    answer = await create(stores)(DEPLOYED)

    assert answer == {"looked": True, "steps": [], "refused": []}
    assert len(await entries(stores)) == 1


async def test_a_run_that_died_does_not_keep_the_next_one_from_its_work(stores: Container, fleet: Fleet) -> None:
    await wanted(stores, "ticker", 1)
    async with stores.transaction() as connection:
        assert await store.acquire_lease(connection, LEASE, "the dead one", 60)
    held = await create(stores)(DEPLOYED)
    async with stores.transaction() as connection:
        await connection.execute("UPDATE leases SET expires_at = clock_timestamp() WHERE name = $1", LEASE)

    free = await create(stores)(DEPLOYED)

    assert (held["looked"], held["steps"]) == (False, [])
    assert [step["service"] for step in free["steps"]] == ["ticker"]


async def test_a_sleeping_installation_does_not_have_its_database_woken_every_minute(
    stores: Container, fleet: Fleet, settings: Settings, endpoint: Endpoint
) -> None:
    clock = ManualClock(datetime.now(UTC))
    sleeping = container_for(
        settings.model_copy(update={"services_to_auto_start": ()}), endpoint.url, fleet.cluster, clock
    )
    await wanted(stores, "ticker", 0)
    reconcile = create(sleeping)

    looked = [(await reconcile(every_minute(sleeping)))["looked"] for _ in range(3)]
    by_deployment = (await reconcile(DEPLOYED))["looked"]
    fleet.client.update_service(cluster=fleet.cluster, service="ticker", desiredCount=1)
    drift = await reconcile(every_minute(sleeping))
    settled = [(await reconcile(every_minute(sleeping)))["looked"] for _ in range(2)]
    until(lambda: fleet.service("ticker")["runningCount"] == 0)
    clock.advance(6 * 3_600)
    later = (await reconcile(every_minute(sleeping)))["looked"]
    await sleeping.close()

    assert looked == [True, False, False]
    assert by_deployment
    assert [(step["service"], step["to"]) for step in drift["steps"]] == [("ticker", 0)]
    assert settled[0]
    assert later


async def test_while_something_runs_every_run_looks(stores: Container, fleet: Fleet) -> None:
    await wanted(stores, "ticker", 1)
    reconcile = create(stores)
    await reconcile(every_minute(stores))

    looked = [(await reconcile(every_minute(stores)))["looked"] for _ in range(2)]

    assert looked == [True, True]


async def test_a_container_service_that_is_down_fails_the_run(stores: Container, settings: Settings) -> None:
    elsewhere = container_for(settings, f"http://127.0.0.1:{free_port()}")

    with pytest.raises(Unavailable):
        await create(elsewhere)(DEPLOYED)

    await elsewhere.close()


async def test_one_service_that_is_refused_does_not_keep_the_others_back(
    stores: Container, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ticker", "ohlcv"):
        await wanted(stores, name, 1)
    from fullon.fleet.ecs import Ecs
    from fullon.fleet.errors import ControlBusy

    real = Ecs.update

    async def refuses_ticker(self: Ecs, name: str, **change: Any) -> None:
        if name == "ticker":
            raise ControlBusy("ThrottlingException")
        await real(self, name, **change)

    monkeypatch.setattr(Ecs, "update", refuses_ticker)
    answer = await create(stores)(DEPLOYED)

    assert answer["refused"] == ["ticker"]
    assert [step["service"] for step in answer["steps"]] == ["ohlcv"]
    assert counts(fleet)["ohlcv"] == 1
    assert [entry.subject for entry in await entries(stores)] == ["ohlcv"]


async def test_a_crash_loop_is_put_down_shown_as_failed_and_started_again_by_an_admin(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in AWS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with services_in(tmp_path, CRASHING, "--first-delay", "0.01") as (endpoint, _fleet):
        stores = container_for(settings, endpoint.url)
        a_minute_on = container_for(settings, endpoint.url, clock=ManualClock(datetime.now(UTC) + timedelta(minutes=1)))
        reconcile = create(a_minute_on)
        async with client(create_services(stores), await stored_identity(stores, Role.ADMIN)) as caller:
            await caller.post(f"{PREFIX}/ticker/start")
            until(lambda: endpoint.log().count("ALERT") == 1)

            (step,) = [step for step in (await reconcile(DEPLOYED))["steps"] if step["service"] == "ticker"]
            failed = (await caller.get(f"{PREFIX}/ticker/status")).json()
            listed = (await caller.get(PREFIX)).json()["items"]
            again = await reconcile(DEPLOYED)
            started = await caller.post(f"{PREFIX}/ticker/start")
            after = (await caller.get(f"{PREFIX}/ticker/status")).json()
            stopped = await caller.post(f"{PREFIX}/ticker/stop")

        assert (step["action"], step["to"]) == ("put_down", 0)
        assert (failed["status"], failed["desired"]) == ("failed", 0)
        assert failed["last_error"] == (
            "It crashed 6 times within an hour. Essential container in task exited (exit code 3)."
        )
        assert failed["since"] is not None
        assert {item["service"]: item["status"] for item in listed}["ticker"] == "failed"
        assert [step for step in again["steps"] if step["service"] == "ticker"] == []
        assert started.status_code == 200
        assert (after["status"], after["desired"]) != ("failed", 0)
        assert stopped.status_code == 200
        actions = [entry.action for entry in await entries(stores) if entry.subject == "ticker"]
        assert actions == ["service.start", "service.put_down", "service.start", "service.stop"]
        await stores.close()
        await a_minute_on.close()


@pytest.mark.parametrize(("order", "desired"), [("stop", 0), ("restart", 1)])
async def test_a_failed_service_can_be_restarted_or_laid_to_rest(
    stores: Container, fleet: Fleet, order: str, desired: int
) -> None:
    async with stores.transaction() as connection:
        await store.want(connection, "ticker", 1, "an admin", LONG_AGO)
        await store.put_down(connection, "ticker", 1, "It crashed 6 times.", ACTOR, datetime.now(UTC))
    async with client(create_services(stores), await stored_identity(stores, Role.ADMIN)) as caller:
        before = (await caller.get(f"{PREFIX}/ticker/status")).json()

        answer = await caller.post(f"{PREFIX}/ticker/{order}")

        after = (await caller.get(f"{PREFIX}/ticker/status")).json()
    assert (before["status"], before["last_error"]) == ("failed", "It crashed 6 times.")
    assert answer.status_code == 200
    assert (after["desired"], after["status"] == "failed") == (desired, False)
