"""Applies the Alembic migrations of both databases; run on every deploy and at each local start."""
