"""Rows that set a daemon to work say which trace they come from.

Revision ID: p0003
"""

from functions.migrate.migrations import script

revision = "p0003"
down_revision: str | None = "p0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    script.run("""
ALTER TABLE service_wants ADD COLUMN trace text CHECK (length(trace) <= 200);
COMMENT ON COLUMN service_wants.trace IS 'W3C traceparent of the request that asked; joins the logs and spans of the start.';
ALTER TABLE ws_subscriptions ADD COLUMN trace text CHECK (length(trace) <= 200);
COMMENT ON COLUMN ws_subscriptions.trace IS 'W3C traceparent of the request that asked last.';
""")


def downgrade() -> None:
    script.run("ALTER TABLE service_wants DROP COLUMN trace; ALTER TABLE ws_subscriptions DROP COLUMN trace")
