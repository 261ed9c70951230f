"""Every operation of the document, as every kind of caller, against the table in :mod:`tests.api.access`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from fullon.runtime import manifest
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from local.ports import free_port
from tests.api import access
from tests.api.access_world import World, a_world, app_of, body_schema, of_functions, operations
from tests.api.callers import client
from tests.api.fleet_platform import AWS_ENVIRONMENT, container_for, services_of
from tests.conftest import CANDLES_TEMPLATE, PLATFORM_TEMPLATE, Databases
from tests.local.ecs_endpoint import Endpoint, endpoint_in


@pytest.fixture(scope="module")
def platform_database(databases: Databases) -> Iterator[str]:
    """One for all of them: each makes people of its own."""
    address = databases.clone(PLATFORM_TEMPLATE)
    yield address
    databases.drop(address)


@pytest.fixture(scope="module")
def candles_database(databases: Databases) -> Iterator[str]:
    address = databases.clone(CANDLES_TEMPLATE)
    yield address
    databases.drop(address)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with endpoint_in(tmp_path_factory.mktemp("ecs")) as endpoint:
        yield endpoint


class Functions:
    """The functions in process, each as one app over the same stores."""

    def __init__(self, stores: Container) -> None:
        self.stores = stores
        self._apps: dict[str, FastAPI] = {}

    async def ask(
        self, world: World, operation: str, caller: str, address: str = "", body: Any = None
    ) -> httpx2.Response:
        """One request as ``caller``; without an address and a body the valid one about what is the owner's."""
        function = operations()[operation]["tags"][0]
        if function not in self._apps:
            self._apps[function] = app_of(function, self.stores)
        app = self._apps[function]
        given = body if body is not None else world.body(operation)
        async with client(app, world.callers[caller]) as http:
            return await http.request(operation.split(" ", 1)[0], address or world.address(operation), json=given)

    async def entries(self) -> int:
        """How many entries the audit trail has."""
        async with self.stores.connection() as connection:
            return int(await connection.fetchval("SELECT count(*) FROM audit"))


@pytest.fixture
async def functions(
    settings: Settings, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Functions]:
    for name, value in AWS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("EXCHANGE_URL_PAPER", f"http://127.0.0.1:{free_port()}")
    fleet = services_of(endpoint, f"test-{uuid4().hex}")
    stores = container_for(settings, endpoint.url, fleet.cluster)
    yield Functions(stores)
    await stores.close()
    for daemon in manifest.load().daemons:
        fleet.client.update_service(cluster=fleet.cluster, service=daemon.name, desiredCount=0)


def success(operation: str) -> int:
    """The status of an operation that went well in the world of these tests."""
    if operation in access.ELSEWHERE:
        return access.ELSEWHERE[operation][0]
    return min(int(status) for status in operations()[operation]["responses"] if status.startswith("2"))


def is_mutating(operation: str) -> bool:
    return not operation.startswith("GET ")


def rule_of(operation: str) -> access.Rule:
    return access.RULES[access.ACCESS[operation]]


def test_the_table_has_a_row_for_every_operation_and_no_other() -> None:
    assert set(operations()) - set(access.ACCESS) == set(), "add a row to tests/api/access.py"
    assert set(access.ACCESS) - set(operations()) == set()
    for exception in (access.ELSEWHERE, access.NOT_ON_THE_TRAIL, access.IGNORES_FIELDS):
        assert set(exception) - set(operations()) == set()


@pytest.mark.parametrize("function", of_functions())
async def test_each_caller_gets_what_the_table_says(functions: Functions, function: str) -> None:
    surprises: list[object] = []
    for operation in of_functions()[function]:
        world, rule, before = await a_world(functions.stores), rule_of(operation), await functions.entries()

        for caller in sorted(access.CALLERS, key=lambda caller: rule.of(caller) is access.OK):  # refused ones first
            outcome = rule.of(caller)
            answer = await functions.ask(world, operation, caller)
            expected = success(operation) if outcome is access.OK else outcome
            if answer.status_code != expected:
                surprises.append((operation, caller, expected, answer.status_code, answer.text))
            if outcome is not access.OK and await functions.entries() != before:
                surprises.append((operation, caller, "changed something"))

    assert surprises == []


@pytest.mark.parametrize("function", of_functions())
async def test_each_change_leaves_one_entry_on_the_trail(functions: Functions, function: str) -> None:
    surprises: list[object] = []
    for operation in filter(is_mutating, of_functions()[function]):
        world, before = await a_world(functions.stores), await functions.entries()

        answer = await functions.ask(world, operation, entitled(operation))

        expected = 0 if operation in access.NOT_ON_THE_TRAIL or answer.status_code >= 400 else 1
        if (left := await functions.entries() - before) != expected:
            surprises.append((operation, expected, left, answer.text))

    assert surprises == []


@pytest.mark.parametrize("function", of_functions())
async def test_a_change_with_a_key_happens_once(functions: Functions, function: str) -> None:
    surprises: list[object] = []
    for operation in filter(is_mutating, of_functions()[function]):
        if rule_of(operation).anonymous is access.OK:
            continue  # nobody is logged in, so the key is ignored
        world = await a_world(functions.stores)
        headers = {"Idempotency-Key": "once"}
        app = app_of(function, functions.stores)
        async with client(app, world.callers[entitled(operation)], headers=headers) as http:
            request = operation.split(" ", 1)[0], world.address(operation)
            first = await http.request(*request, json=world.body(operation))
            before = await functions.entries()

            second = await http.request(*request, json=world.body(operation))

        if operation.endswith("/auth/logout"):
            assert second.status_code == 401
            continue
        is_replay = second.headers.get("idempotency-replayed") == "true" and second.content == first.content
        is_shown_once = second.status_code == 409 and second.json()["code"] == "idempotency_shown_once"
        is_freed = first.status_code >= 500
        if not (is_replay or is_shown_once or is_freed) or await functions.entries() != before:
            surprises.append((operation, first.text, second.text))

    assert surprises == []


@pytest.mark.parametrize("function", of_functions())
async def test_no_body_sets_what_belongs_to_others(functions: Functions, function: str) -> None:
    surprises: list[object] = []
    for operation in of_functions()[function]:
        schema = body_schema(operation)
        if schema is None:
            continue
        world, before = await a_world(functions.stores), await functions.entries()
        for name, value in of_somebody_else(world).items():
            body = {**world.body(operation), name: value}
            for caller, expected in expected_for(operation, name, schema["properties"]).items():
                answer = await functions.ask(world, operation, caller, body=body)
                if answer.status_code != expected:
                    surprises.append((operation, caller, name, expected, answer.status_code, answer.text))
        if await functions.entries() != before:
            surprises.append((operation, "changed something"))

    assert surprises == []


def entitled(operation: str) -> str:
    """Who may do it: the owner, or if they may not an admin."""
    return "owner" if rule_of(operation).owner is access.OK else "admin"


def of_somebody_else(world: World) -> dict[str, str]:
    """Fields that say whose something is, who somebody is and how much there is, as nobody may set them."""
    foreign = world.callers["foreign"]
    assert foreign is not None
    uid = str(foreign.user_id)
    return {"uid": uid, "user_id": uid, "role": "admin", "owner": foreign.mail, "balance": "1000000"}


def expected_for(operation: str, name: str, properties: Collection[str]) -> dict[str, int]:
    """What a body with such a field comes to, by caller."""
    if operation in access.IGNORES_FIELDS:
        return {"owner": success(operation)}
    if rule_of(operation).owner is access.OK:
        return {"owner": 422}
    names_users = name in properties or (name == "user_id" and "uid" in properties)
    return {"owner": 403} if names_users else {"owner": 403, "admin": 422}


def lists() -> dict[str, list[str]]:
    """Operations that read, and not for admins alone, by function."""
    open_to_all = {"read", "own", "own or admin"}
    return {
        function: [each for each in all_of_it if each.startswith("GET ") and access.ACCESS.get(each) in open_to_all]
        for function, all_of_it in of_functions().items()
    }


@pytest.mark.parametrize("function", [name for name, some in lists().items() if some])
async def test_nothing_of_the_owner_shows_by_id_filter_or_cursor(functions: Functions, function: str) -> None:
    surprises: list[object] = []
    world = await a_world(functions.stores)
    marks = await marks_of(functions.stores, world, "owner")
    for operation in lists()[function]:
        for address in await addresses(functions, world, operation):
            for caller in ("foreign", "viewer"):
                answer = await functions.ask(world, operation, caller, address)

                shown = {mark for mark in marks if mark in answer.text and mark not in address}
                if shown or answer.status_code >= 500:
                    surprises.append((address, caller, shown, answer.status_code, answer.text))

    assert surprises == []


async def addresses(functions: Functions, world: World, operation: str) -> list[str]:
    """Reads with the owner's ids in the path and in every filter, and with the owner's cursors, also on own things."""
    names = [each["name"] for each in operations()[operation].get("parameters", ()) if each.get("in") == "query"]
    own = world.address(operation)
    joint = "&" if "?" in own else "?"
    found = [own]
    if "cursor" in names:
        page = await functions.ask(world, operation, "owner", f"{own}{joint}limit=1")
        cursor = page.json().get("next_cursor")
        found += [f"{own}{joint}cursor={cursor}", f"{own}{joint}cursor={cursor}&limit=1000"] if cursor else []
    found += [
        f"{own}{joint}{name}={quote(str(world.values[name]))}"
        for name in names
        if name in world.values and f"{name}=" not in own
    ]
    for mark, theirs in zip(world.ids("owner"), world.ids("foreign"), strict=True):
        found += [address.replace(mark, theirs) for address in list(found) if mark in address and "cursor" in address]
    return found


async def test_the_owner_does_see_what_is_looked_for(functions: Functions) -> None:
    world = await a_world(functions.stores)
    marks = await marks_of(functions.stores, world, "owner")

    for operation in ("GET /api/v1/orm/bots", "GET /api/v1/orm/api_keys/me", "GET /api/v1/orm/bots/{bot_id}/actions"):
        answer = await functions.ask(world, operation, "owner")
        assert {mark for mark in marks if mark in answer.text}


async def marks_of(stores: Container, world: World, caller: str) -> set[str]:
    """Every id, and every name that only this caller's things have."""
    person = world.callers[caller]
    assert person is not None
    found = {str(person.user_id), person.mail}
    async with stores.connection() as connection:
        for statement in (
            "SELECT bot_id::text FROM bots WHERE uid = $1",
            "SELECT name FROM bots WHERE uid = $1",
            "SELECT ex_id::text FROM exchanges WHERE uid = $1",
            "SELECT str_id::text FROM strategies WHERE uid = $1",
            "SELECT feed_id::text FROM feeds WHERE uid = $1",
            "SELECT fill_id::text FROM fills WHERE uid = $1",
            "SELECT order_id::text FROM orders WHERE uid = $1",
            "SELECT sim_id::text FROM simulations WHERE uid = $1",
            "SELECT id::text FROM api_keys WHERE uid = $1",
            "SELECT message FROM bot_log WHERE uid = $1",
        ):
            found |= {row[0] for row in await connection.fetch(statement, person.user_id)}
    return found
