"""${message}

Revision ID: ${up_revision}
"""

from functions.migrate.migrations import script

revision = ${repr(up_revision)}
down_revision: str | None = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "script.run("")"}


def downgrade() -> None:
    ${downgrades if downgrades else "script.run("")"}
