"""Moves the two databases between schema revisions with Alembic."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

HERE = Path(__file__).parent
_log = logging.getLogger("fullon.migrate")
#: Two migrations at once would race; the second waits for the first on this transaction-level lock.
_LOCK = 0x66756C6C


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


async def migrate(database: str, dsn: str, target: str = "head") -> str | None:
    """Bring the database at ``dsn`` to ``target`` and return the revision it is at.

    Args:
        database: ``platform`` or ``candles``.
        dsn: ``postgresql://…``.
        target: a revision, ``head``, or ``base`` to take everything down.
    """
    config = configuration(database)
    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)

    def run(connection: Connection) -> str | None:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        try:
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


async def upgrade(platform_dsn: str, candles_dsn: str) -> dict[str, str | None]:
    """Bring both databases to their newest revision; returns the revisions."""
    revisions = {
        "platform": await migrate("platform", platform_dsn),
        "candles": await migrate("candles", candles_dsn),
    }
    _log.info("migrated", extra=revisions)
    return revisions
