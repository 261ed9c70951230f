"""/api/v1/services: anonymous, trader, admin; then what start, stop and restart do to real processes."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from fullon.audit import service as audit
from fullon.audit import store as trail
from fullon.fleet import cache, store
from fullon.fleet.model import ProcessRecord, ProcessStatus
from fullon.identity import api_keys
from fullon.identity.model import Identity, Kind, Role, Scope
from fullon.kernel.clock import ManualClock
from fullon.runtime import manifest
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from functions.services.app import create
from local.ports import free_port
from tests.api.callers import client, stored_identity
from tests.api.fleet_platform import AWS_ENVIRONMENT, CRASHING, container_for, services_in, services_of
from tests.local.ecs_endpoint import Endpoint, Fleet, alive, endpoint_in, until

PREFIX = "/api/v1/services"
NAMES = [daemon.name for daemon in manifest.load().daemons]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with endpoint_in(tmp_path_factory.mktemp("ecs")) as endpoint:
        yield endpoint


@pytest.fixture
def fleet(endpoint: Endpoint) -> Iterator[Fleet]:
    fleet = services_of(endpoint, f"test-{uuid4().hex}")
    yield fleet
    for name in NAMES:
        fleet.client.update_service(cluster=fleet.cluster, service=name, desiredCount=0)


@pytest.fixture
async def stores(
    settings: Settings, endpoint: Endpoint, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Container]:
    for name, value in AWS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    stores = container_for(settings, endpoint.url, fleet.cluster)
    yield stores
    await stores.close()


@pytest.fixture
def app(stores: Container) -> FastAPI:
    return create(stores)


@pytest.fixture
async def admin(stores: Container) -> Identity:
    return await stored_identity(stores, Role.ADMIN)


@pytest.fixture
async def as_admin(app: FastAPI, admin: Identity) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(app, admin) as caller:
        yield caller


async def beat(stores: Container, name: str, age: float = 0.0, status: ProcessStatus = ProcessStatus.RUNNING) -> None:
    """What the daemon itself would write."""
    now = datetime.now(UTC)
    moment = now - timedelta(seconds=age)
    await cache.put(stores.valkey, ProcessRecord(name, "i-1", status, moment, moment, "0.1.0", "here"))


async def test_the_anonymous_caller_is_refused_everywhere(app: FastAPI) -> None:
    async with client(app) as anonymous:
        for method, path in (("GET", ""), ("GET", "/ticker/status"), ("POST", "/ticker/start"), ("POST", "/x/stop")):
            answer = await anonymous.request(method, PREFIX + path)

            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("role", "scopes"),
    [
        (Role.TRADER, None),
        (Role.VIEWER, None),
        (Role.TRADER, frozenset({Scope.READ, Scope.ADMIN})),
    ],
)
async def test_without_the_role_admin_nothing_is_shown_or_done(
    app: FastAPI, stores: Container, fleet: Fleet, role: Role, scopes: frozenset[Scope] | None
) -> None:
    await refused(app, await stored_identity(stores, role, scopes=scopes), fleet)


async def test_without_the_scope_admin_an_admins_key_shows_and_does_nothing(
    app: FastAPI, stores: Container, fleet: Fleet, admin: Identity
) -> None:
    scopes = frozenset({Scope.READ, Scope.TRADE})
    async with stores.transaction() as connection:
        made = await api_keys.create(connection, stores.clock, uid=admin.user_id, name="for trading", scopes=scopes)
    caller = replace(admin, kind=Kind.API_KEY, session=made.record.id, scopes=scopes)

    await refused(app, caller, fleet)


async def refused(app: FastAPI, identity: Identity, fleet: Fleet) -> None:
    async with client(app, identity) as caller:
        for method, path in (("GET", ""), ("GET", "/ticker/status"), ("POST", "/ticker/start")):
            assert (await caller.request(method, PREFIX + path)).status_code == 403

    assert fleet.service("ticker")["desiredCount"] == 0


async def test_an_unknown_name_is_404_and_lists_the_known_ones(as_admin: httpx2.AsyncClient) -> None:
    for method, path in (("GET", "/nobody/status"), ("POST", "/nobody/start"), ("POST", "/nobody/stop")):
        answer = await as_admin.request(method, PREFIX + path)

        assert answer.status_code == 404
        assert (answer.json()["code"], answer.json()["known"]) == ("unknown_service", sorted(NAMES))
        assert all(name in answer.json()["detail"] for name in NAMES)


async def test_a_service_is_started_reported_and_stopped(
    as_admin: httpx2.AsyncClient, stores: Container, fleet: Fleet
) -> None:
    before = (await as_admin.get(f"{PREFIX}/ticker/status")).json()
    assert before == {
        "service": "ticker",
        "status": "stopped",
        "desired": 0,
        "running": 0,
        "since": None,
        "heartbeat_age_ms": None,
        "instance": None,
        "version": None,
        "restarts_last_hour": 0,
        "last_error": None,
    }

    started = await as_admin.post(f"{PREFIX}/ticker/start")
    assert started.status_code == 200
    assert started.json().keys() == before.keys()
    assert (started.json()["status"], started.json()["desired"]) == ("started", 1)
    pid = fleet.pid("ticker")
    assert (await as_admin.get(f"{PREFIX}/ticker/status")).json()["status"] == "starting"
    await beat(stores, "ticker")
    running = (await as_admin.get(f"{PREFIX}/ticker/status")).json()
    assert (running["status"], running["running"], running["instance"]) == ("running", 1, "i-1")
    assert 0 <= running["heartbeat_age_ms"] < 60_000
    assert running["since"].endswith("Z")

    stopped = await as_admin.post(f"{PREFIX}/ticker/stop")
    assert (stopped.json()["status"], stopped.json()["desired"]) == ("stopped", 0)
    until(lambda: not alive(pid))
    until(lambda: fleet.service("ticker")["runningCount"] == 0 and not fleet.tasks("ticker"))
    after = (await as_admin.get(f"{PREFIX}/ticker/status")).json()
    assert (after["status"], after["last_error"], after["restarts_last_hour"]) == ("stopped", None, 0)


async def test_starting_a_running_one_and_stopping_a_stopped_one_is_400_with_a_sentence(
    as_admin: httpx2.AsyncClient, stores: Container, fleet: Fleet
) -> None:
    stop = await as_admin.post(f"{PREFIX}/ohlcv/stop")
    restart = await as_admin.post(f"{PREFIX}/ohlcv/restart")
    await as_admin.post(f"{PREFIX}/ohlcv/start")
    fleet.pid("ohlcv")
    await beat(stores, "ohlcv")
    start = await as_admin.post(f"{PREFIX}/ohlcv/start")

    assert [answer.status_code for answer in (stop, restart, start)] == [400, 400, 400]
    assert [answer.json()["detail"] for answer in (stop, restart, start)] == [
        "The service ohlcv is already stopped.",
        "The service ohlcv is stopped; start it instead.",
        "The service ohlcv is already running; restart gives it a new process.",
    ]
    assert [answer.json()["code"] for answer in (stop, restart, start)] == [
        "already_stopped",
        "not_running",
        "already_running",
    ]


async def test_a_restart_replaces_the_process(as_admin: httpx2.AsyncClient, fleet: Fleet) -> None:
    await as_admin.post(f"{PREFIX}/ticker/start")
    old = fleet.pid("ticker")

    answer = await as_admin.post(f"{PREFIX}/ticker/restart")

    assert (answer.json()["status"], answer.json()["desired"]) == ("restarted", 1)
    until(lambda: not alive(old) and fleet.tasks("ticker"))
    assert fleet.pid("ticker") != old
    assert (await as_admin.get(f"{PREFIX}/ticker/status")).json()["restarts_last_hour"] == 0


async def test_a_killed_process_is_replaced_and_counted_and_its_end_is_told(
    as_admin: httpx2.AsyncClient, fleet: Fleet
) -> None:
    await as_admin.post(f"{PREFIX}/ticker/start")
    old = fleet.pid("ticker")

    os.kill(old, signal.SIGKILL)
    until(lambda: not alive(old) and fleet.tasks("ticker"))
    fleet.pid("ticker")

    status = (await as_admin.get(f"{PREFIX}/ticker/status")).json()
    assert (status["status"], status["restarts_last_hour"]) == ("starting", 1)
    assert status["last_error"] == "Essential container in task exited (exit code 137)."


async def test_a_silent_daemon_is_stale(
    as_admin: httpx2.AsyncClient,
    admin: Identity,
    stores: Container,
    fleet: Fleet,
    settings: Settings,
    endpoint: Endpoint,
) -> None:
    await as_admin.post(f"{PREFIX}/ticker/start")
    fleet.pid("ticker")
    await beat(stores, "ticker", age=-1)
    assert (await as_admin.get(f"{PREFIX}/ticker/status")).json()["status"] == "running"

    clock = ManualClock(datetime.now(UTC) + timedelta(minutes=5))
    later = container_for(settings, endpoint.url, fleet.cluster, clock)
    async with client(create(later), admin) as as_admin_later:
        assert (await as_admin_later.get(f"{PREFIX}/ticker/status")).json()["status"] == "stale"
        assert (await as_admin_later.post(f"{PREFIX}/ticker/start")).status_code == 400
        assert (await as_admin_later.post(f"{PREFIX}/ticker/restart")).status_code == 200
    await later.close()


async def test_the_list_shows_every_daemon_of_the_manifest(as_admin: httpx2.AsyncClient) -> None:
    await as_admin.post(f"{PREFIX}/streamer/start")

    answer = (await as_admin.get(PREFIX)).json()

    assert answer["next_cursor"] is None
    assert [(item["service"], item["desired"]) for item in answer["items"]] == [
        (name, int(name == "streamer")) for name in NAMES
    ]


async def test_every_order_is_on_the_trail_with_who_and_when(
    as_admin: httpx2.AsyncClient, admin: Identity, stores: Container
) -> None:
    began = datetime.now(UTC)
    for action in ("start", "restart", "stop", "stop"):
        await as_admin.post(f"{PREFIX}/ticker/{action}")

    async with stores.connection() as connection:
        entries = (await trail.latest(connection, 10))[::-1]
        assert (await audit.verify(connection)).is_intact
        wanted = await store.wanted(connection)
        row = await connection.fetchrow("SELECT changed_by FROM service_wants WHERE name = 'ticker'")
    assert [entry.action for entry in entries] == ["service.start", "service.restart", "service.stop"]
    for entry in entries:
        assert (entry.actor, entry.subject) == (str(admin.user_id), "ticker")
        assert began <= entry.at <= datetime.now(UTC)
        assert entry.details["credential"] == Kind.JWT.value
    assert wanted == {"ticker": 0}
    assert row is not None
    assert row["changed_by"] == str(admin.user_id)


async def test_a_container_service_that_is_down_is_503_and_what_was_asked_is_taken_back(
    settings: Settings, stores: Container, admin: Identity
) -> None:
    elsewhere = container_for(settings, f"http://127.0.0.1:{free_port()}")
    async with client(create(elsewhere), admin) as caller:
        for method, path in (("GET", ""), ("GET", "/ticker/status"), ("POST", "/ticker/start")):
            answer = await caller.request(method, PREFIX + path)

            assert (answer.status_code, answer.json()["code"]) == (503, "control_unavailable")
            assert "retry-after" in answer.headers
    await elsewhere.close()


async def test_what_only_a_deployment_can_mend_is_said_and_not_sent_on_a_retry(
    settings: Settings, endpoint: Endpoint, stores: Container, admin: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_cluster = container_for(settings, endpoint.url, "nobody-made-it")
    async with client(create(no_cluster), admin) as caller:
        missing = await caller.get(PREFIX)
    await no_cluster.close()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SOMEBODYELSE")
    stranger = container_for(settings, endpoint.url)
    async with client(create(stranger), admin) as caller:
        refused = await caller.post(f"{PREFIX}/ticker/start")
    await stranger.close()

    found = [(answer.status_code, answer.json()["code"]) for answer in (missing, refused)]
    assert found == [(503, "control_not_set_up"), (503, "control_not_allowed")]
    assert all(answer.headers["retry-after"] == "60" for answer in (missing, refused))
    assert "SOMEBODYELSE" not in refused.text


async def test_an_order_that_fails_is_on_the_trail_as_failed_and_no_longer_wanted(
    as_admin: httpx2.AsyncClient, stores: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    ecs = stores.services._ecs
    real = ecs.update

    async def is_away(name: str, *, desired: int | None = None, new_deployment: bool = False) -> None:
        ecs._endpoint, ecs._client = f"http://127.0.0.1:{free_port()}", None
        await real(name, desired=desired, new_deployment=new_deployment)

    monkeypatch.setattr(ecs, "update", is_away)
    answer = await as_admin.post(f"{PREFIX}/ticker/start")

    assert answer.status_code == 503
    async with stores.connection() as connection:
        entries = (await trail.latest(connection, 10))[::-1]
        wanted = await store.wanted(connection)
    assert [entry.action for entry in entries] == ["service.start", "service.start_failed"]
    assert wanted == {"ticker": 0}


async def test_without_the_registry_a_service_can_still_be_stopped(
    as_admin: httpx2.AsyncClient, stores: Container, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    await as_admin.post(f"{PREFIX}/ticker/start")
    pid = fleet.pid("ticker")

    async def down(*_: object) -> None:
        raise ConnectionError("no registry")

    monkeypatch.setattr(cache, "records", down)

    assert (await as_admin.get(f"{PREFIX}/ticker/status")).json()["status"] == "running"
    assert (await as_admin.post(f"{PREFIX}/ticker/stop")).status_code == 200
    until(lambda: not alive(pid))


async def test_a_crash_loop_shows_as_crashed_and_can_be_started_stopped_and_restarted(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in AWS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with services_in(tmp_path, CRASHING, "--first-delay", "0.01") as (endpoint, fleet):
        stores = container_for(settings, endpoint.url)
        async with client(create(stores), await stored_identity(stores, Role.ADMIN)) as caller:
            await caller.post(f"{PREFIX}/ticker/start")
            until(lambda: endpoint.log().count("ALERT") == 1)

            crashed = (await caller.get(f"{PREFIX}/ticker/status")).json()
            assert (crashed["status"], crashed["desired"], crashed["running"]) == ("crashed", 1, 0)
            assert crashed["restarts_last_hour"] == 5
            assert crashed["last_error"] == "Essential container in task exited (exit code 3)."

            assert (await caller.post(f"{PREFIX}/ticker/start")).status_code == 200
            until(lambda: endpoint.log().count("ALERT") == 2)
            assert (await caller.post(f"{PREFIX}/ticker/restart")).status_code == 200
            until(lambda: endpoint.log().count("ALERT") == 3)
            assert (await caller.post(f"{PREFIX}/ticker/stop")).status_code == 200
            assert (await caller.get(f"{PREFIX}/ticker/status")).json()["status"] == "stopped"
            assert fleet.service("ticker")["desiredCount"] == 0
        await stores.close()
