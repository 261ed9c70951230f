"""Moves the two databases between schema revisions with Alembic."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from fullon.kernel.errors import Conflict

HERE = Path(__file__).parent
_log = logging.getLogger("fullon.migrate")
#: Two migrations at once would race; the second waits for the first on this transaction-level lock.
_LOCK = 0x66756C6C


class SchemaIsNewer(Conflict):
    """The database is at a revision that this code does not know: newer code has been here."""

    default_code = "schema_newer"

    def __init__(self, database: str, revision: str) -> None:
        super().__init__(
            f"The {database} database is at revision {revision}, which is newer than this version.",
            database=database,
            revision=revision,
        )


def configuration(database: str) -> Config:
    """Alembic's settings for ``platform`` or ``candles``."""
    config = Config()
    config.set_main_option("script_location", str(HERE / database))
    return config


def head(database: str) -> str:
    """The newest revision of ``platform`` or ``candles``."""
    revision = ScriptDirectory.from_config(configuration(database)).get_current_head()
    assert revision is not None
    return revision


def revisions(database: str) -> frozenset[str]:
    """Every revision of ``platform`` or ``candles`` that this code knows."""
    return frozenset(step.revision for step in ScriptDirectory.from_config(configuration(database)).walk_revisions())


async def migrate(database: str, dsn: str, target: str = "head", *, ssl: str | None = None) -> str | None:
    """Bring the database at ``dsn`` to ``target`` and return the revision it is at.

    Args:
        database: ``platform`` or ``candles``.
        dsn: ``postgresql://…``.
        target: a revision, ``head``, or ``base`` to take everything down.
        ssl: as ``sslmode`` of libpq; None tries TLS first.

    Raises:
        SchemaIsNewer: newer code has migrated it; nothing was changed.
    """
    config = configuration(database)
    engine = create_async_engine(
        dsn.replace("postgresql://", "postgresql+asyncpg://", 1),
        poolclass=NullPool,
        connect_args={"ssl": ssl} if ssl else {},
    )

    def run(connection: Connection) -> str | None:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        try:
            present = MigrationContext.configure(connection).get_current_revision()
            connection.commit()
            if present is not None and present not in revisions(database):
                raise SchemaIsNewer(database, present)
            config.attributes["connection"] = connection
            (command.downgrade if target == "base" else command.upgrade)(config, target)
            connection.commit()
            if target == "base":
                return None
            return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            connection.commit()

    try:
        async with engine.connect() as connection:
            return await connection.run_sync(run)
    finally:
        await engine.dispose()


async def upgrade(platform_dsn: str, candles_dsn: str, *, ssl: str | None = None) -> dict[str, str | None]:
    """Bring both databases to their newest revision; returns the revisions.

    Raises:
        SchemaIsNewer: newer code has migrated one of them.
    """
    found = {
        "platform": await migrate("platform", platform_dsn, ssl=ssl),
        "candles": await migrate("candles", candles_dsn, ssl=ssl),
    }
    _log.info("migrated", extra=found)
    return found
