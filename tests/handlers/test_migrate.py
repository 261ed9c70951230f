"""The migrate function: run by hand, and by CloudFormation as part of a deployment."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from fullon.kernel.errors import Unavailable
from fullon.runtime.schema import CANDLES_HEAD, PLATFORM_HEAD
from fullon.runtime.settings import Settings
from fullon.venues.known import KNOWN
from functions.migrate import deployment
from functions.migrate.handler import create
from functions.migrate.installation import prepare
from local.stores.postgres import Postgres

HEADS = {"platform": PLATFORM_HEAD, "candles": CANDLES_HEAD}


class Answers:
    """Stands where S3 takes the answers of custom resources."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []
        answers = self

        class Taker(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answers.documents.append(json.loads(body))
                answers.content_types.append(self.headers["Content-Type"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Nothing on the test's output."""

        self._server = HTTPServer(("127.0.0.1", 0), Taker)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/answer?signature=x"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def answers() -> Iterator[Answers]:
    taking = Answers()
    yield taking
    taking.close()


@pytest.fixture
async def fresh(postgres_server: Postgres) -> Settings:
    """A server as Aurora is after its creation: one empty database, and not the other."""
    name = f"fresh_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(postgres_server.dsn("postgres"))
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    return settings(postgres_server.dsn(name), f"{name}_ohlcv")


def settings(dsn: str, candles: str, **others: str) -> Settings:
    given = {"environment": "local", "database_url": dsn, "db_ohlcv_name": candles, **others}
    return Settings.model_validate(given)


def event(kind: str, answers: Answers) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "RequestId": "r-1",
        "ResponseURL": answers.url,
        "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/fullon-small-schema/x",
        "LogicalResourceId": "Migration",
        "ResourceType": "Custom::DatabaseSchema",
        "ResourceProperties": {"Revision": "1"},
    }


async def test_the_second_database_is_made_and_both_are_at_the_newest_schema(fresh: Settings) -> None:
    migrate = create(fresh)

    first = await migrate({})
    second = await migrate({})

    assert first == second == HEADS
    assert await value(fresh.candles_dsn(), "SELECT version_num FROM alembic_version") == CANDLES_HEAD


async def test_the_first_administrator_gets_the_generated_password_once(fresh: Settings) -> None:
    given = fresh.model_copy(update={"admin_mail": "chief@fullon.example"})
    await prepare(with_password(given, "a-generated-password-of-32-letters"))
    before = await value(given.platform_dsn(), "SELECT password_hash FROM users WHERE role = 'admin'")

    await prepare(with_password(given, "another-generated-password-later"))

    assert await value(given.platform_dsn(), "SELECT mail FROM users") == "chief@fullon.example"
    assert await value(given.platform_dsn(), "SELECT password_hash FROM users") == before


async def test_a_new_installation_knows_venues_and_strategies_and_later_runs_change_neither(fresh: Settings) -> None:
    await prepare(fresh)
    connection = await asyncpg.connect(fresh.platform_dsn())
    await connection.execute("UPDATE cat_exchanges SET active = true, title = 'Mine' WHERE name = 'kraken'")
    await prepare(fresh)
    venues = {
        row[0]: (row[1], row[2]) for row in await connection.fetch("SELECT name, active, title FROM cat_exchanges")
    }
    strategies = await connection.fetchval("SELECT array_agg(name ORDER BY name) FROM cat_strategies WHERE builtin")
    await connection.close()

    assert set(venues) == set(KNOWN)
    assert venues["kraken"] == (True, "Mine")
    assert [name for name, (active, _) in venues.items() if active] == ["kraken"]
    assert strategies == ["crossover", "rsi_long", "rsi_short"]


async def test_without_a_password_nobody_is_made(fresh: Settings) -> None:
    await prepare(fresh)

    assert await value(fresh.platform_dsn(), "SELECT count(*) FROM users") == 0


async def test_cloudformation_is_told_of_success(fresh: Settings, answers: Answers) -> None:
    await create(fresh)(event("Create", answers))

    [document] = answers.documents
    assert document["Status"] == "SUCCESS"
    assert document["Data"] == HEADS
    assert (document["StackId"], document["RequestId"], document["LogicalResourceId"]) == (
        event("Create", answers)["StackId"],
        "r-1",
        "Migration",
    )
    assert answers.content_types == [""]


async def test_every_answer_names_the_same_resource(fresh: Settings, answers: Answers) -> None:
    migrate = create(fresh)

    for kind in ("Create", "Update", "Delete"):
        await migrate(event(kind, answers))

    assert [document["PhysicalResourceId"] for document in answers.documents] == [deployment.SCHEMA] * 3


async def test_a_failing_migration_fails_the_deployment_with_its_reason(fresh: Settings, answers: Answers) -> None:
    connection = await asyncpg.connect(fresh.platform_dsn())
    await connection.execute("CREATE TABLE users (something integer)")
    await connection.close()

    await create(fresh)(event("Update", answers))

    [document] = answers.documents
    assert document["Status"] == "FAILED"
    assert "users" in document["Reason"]
    assert fresh.platform_dsn() not in json.dumps(document)


async def test_a_server_that_does_not_wake_fails_the_deployment(fresh: Settings, answers: Answers) -> None:
    nowhere = settings("postgresql://fullon:pw@127.0.0.1:9/fullon", "fullon_ohlcv", db_connect_timeout="0.2")

    with pytest.raises(Unavailable):
        await prepare(nowhere, waiting=0)


async def test_a_database_of_newer_code_stays_and_the_older_release_is_put_in_place(
    fresh: Settings, answers: Answers
) -> None:
    await prepare(fresh)
    connection = await asyncpg.connect(fresh.platform_dsn())
    await connection.execute("UPDATE alembic_version SET version_num = 'p9999'")
    await connection.close()

    await create(fresh)(event("Update", answers))

    [document] = answers.documents
    assert document["Status"] == "SUCCESS"
    assert document["Data"] == {"platform": "p9999", "candles": CANDLES_HEAD}
    assert await value(fresh.platform_dsn(), "SELECT version_num FROM alembic_version") == "p9999"


async def test_deleting_the_stack_leaves_the_databases(fresh: Settings, answers: Answers) -> None:
    await prepare(fresh)

    await create(fresh)(event("Delete", answers))

    assert answers.documents[0]["Status"] == "SUCCESS"
    assert await value(fresh.platform_dsn(), "SELECT version_num FROM alembic_version") == PLATFORM_HEAD


def with_password(given: Settings, password: str) -> Settings:
    return Settings.model_validate({**given.model_dump(), "admin_password": password})


async def value(dsn: str, query: str) -> Any:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()
