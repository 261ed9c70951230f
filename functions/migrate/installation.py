"""From a server that may still be waking to two databases at the newest schema, and somebody who may log in."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import asyncpg

from fullon.identity import passwords, users
from fullon.identity.errors import MailTaken
from fullon.identity.model import Role
from fullon.kernel.errors import Unavailable
from fullon.runtime.container import DATABASE_DOWN, Container
from fullon.runtime.schema import PLATFORM_HEAD
from fullon.runtime.settings import Settings
from fullon.strategies import catalogue
from fullon.venues.known import put_known
from functions.migrate.migrations import SchemaIsNewer, migrate

WAKING_SECONDS = 90.0
"""A paused Aurora answers after 15 s, one that slept for days after 30 or more."""
PAUSE_SECONDS = 2.0

_log = logging.getLogger("fullon.migrate")


async def prepare(settings: Settings, *, waiting: float = WAKING_SECONDS) -> dict[str, str | None]:
    """Make the second database, bring both to the newest schema, and enter what every installation begins with.

    That is the first administrator, the known venues (switched off) and the strategies that come with the platform.

    A database that newer code has migrated stays as it is: an older release is being put back, and migrations are
    written so that the release before works with them.

    Returns:
        The revision of each database.

    Raises:
        Unavailable: the server did not answer within ``waiting`` seconds.
    """
    await _make_candles(settings, waiting)
    ssl = None if settings.db_ssl == "disable" else settings.db_ssl
    found: dict[str, str | None] = {}
    for database, dsn in (("platform", settings.platform_dsn()), ("candles", settings.candles_dsn())):
        try:
            found[database] = await migrate(database, dsn, ssl=ssl)
        except SchemaIsNewer as newer:
            _log.warning("left as it is", extra=newer.facts)
            found[database] = str(newer.facts["revision"])
    _log.info("migrated", extra=found)
    if found["platform"] == PLATFORM_HEAD:
        await _fill_catalogues(settings)
    await _make_admin(settings)
    return found


async def _make_candles(settings: Settings, waiting: float) -> None:
    """Aurora makes one database with the cluster; the other one is made here."""
    connection = await _awake(settings, waiting)
    name = settings.candles_dsn().partition("?")[0].rsplit("/", 1)[1]
    try:
        if await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            return
        quoted: str = await connection.fetchval("SELECT quote_ident($1)", name)
        await connection.execute(f"CREATE DATABASE {quoted}")
        _log.info("database made", extra={"database": name})
    except asyncpg.DuplicateDatabaseError:
        _log.info("database made by another", extra={"database": name})
    finally:
        await connection.close()


async def _awake(settings: Settings, waiting: float) -> asyncpg.Connection[Any]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + waiting
    while True:
        try:
            return await asyncpg.connect(
                settings.platform_dsn(),
                ssl=False if settings.db_ssl == "disable" else settings.db_ssl,
                timeout=settings.db_connect_timeout,
            )
        except DATABASE_DOWN as error:
            if loop.time() > deadline:
                raise Unavailable(f"The database did not answer within {waiting:g} s.", code="database_down") from error
            _log.info("waiting for the database", extra={"cause": type(error).__name__})
        await asyncio.sleep(PAUSE_SECONDS)


async def _fill_catalogues(settings: Settings) -> None:
    container = Container(settings)
    try:
        async with container.transaction() as connection:
            # Two deployments at once would enter the same.
            await connection.execute("SELECT pg_advisory_xact_lock(7106420, 1)")
            added = {"venues": await put_known(connection), "strategies": await catalogue.put_builtin(connection)}
    finally:
        await container.close()
    _log.info("catalogues filled", extra=added)


async def _make_admin(settings: Settings) -> None:
    """Where a first password is given and nobody has the administrator's address; who is there keeps everything."""
    if settings.admin_password is None:
        return
    container = Container(settings)
    mail = users.canonical_mail(settings.admin_mail, "ADMIN_MAIL")
    try:
        async with container.connection() as connection:
            if await users.find(connection, mail) is not None:
                return
        secret = await passwords.hash_password(settings.admin_password.get_secret_value(), "ADMIN_PASSWORD")
        async with container.transaction() as connection:
            await users.create(
                connection, container.clock, mail=mail, password_hash=secret, role=Role.ADMIN, name="Admin"
            )
        _log.info("administrator made", extra={"mail": mail})
    except MailTaken:
        _log.info("administrator made by another")
    finally:
        await container.close()
