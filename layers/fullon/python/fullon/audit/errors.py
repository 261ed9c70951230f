"""What can be wrong with the trail."""

from __future__ import annotations

from fullon.kernel.errors import Corrupt


class TrailBroken(Corrupt):
    """An entry is not what was written, or one is missing before it."""

    default_code = "audit_trail_broken"

    def __init__(self, sequence: int, reason: str) -> None:
        super().__init__(f"The audit trail is broken at entry {sequence}: {reason}.", sequence=sequence)
        self.sequence = sequence
