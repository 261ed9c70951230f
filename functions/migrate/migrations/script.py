"""Lets a revision run several statements at once, as a migration is best read."""

from __future__ import annotations

from typing import Any

from alembic import op


def run(statements: str) -> None:
    """Execute ``statements``, separated by semicolons, in the revision's transaction."""
    op.execute("SELECT 1")  # the driver's adapter opens its transaction with the first statement it sees itself
    adapted: Any = op.get_bind().connection.dbapi_connection
    adapted.run_async(lambda connection: connection.execute(statements))
