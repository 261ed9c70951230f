"""What can go wrong with market data."""

from __future__ import annotations

from fullon.kernel.errors import Conflict


class Superseded(Conflict):
    """A newer leader has begun to write; this process must stop writing at once."""

    default_code = "superseded"

    def __init__(self, name: str, fence: int) -> None:
        super().__init__(f"A newer leader writes for {name}.", name=name, fence=fence)
