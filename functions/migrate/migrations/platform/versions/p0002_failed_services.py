"""Services that were put down after too many crashes say so, until an admin acts.

Revision ID: p0002
"""

from functions.migrate.migrations import script

revision = "p0002"
down_revision: str | None = "p0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script.run("""
ALTER TABLE service_wants
    ADD COLUMN failed_at timestamptz,
    ADD COLUMN failure text CHECK (length(failure) BETWEEN 1 AND 1000),
    ADD CONSTRAINT service_wants_failure_has_a_time CHECK ((failed_at IS NULL) = (failure IS NULL));
COMMENT ON COLUMN service_wants.failure IS 'Why the service was put down; none runs until an admin acts.';
""")


def downgrade() -> None:
    script.run("ALTER TABLE service_wants DROP COLUMN failed_at, DROP COLUMN failure")
