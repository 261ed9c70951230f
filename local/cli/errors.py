"""How a command ends when it does not succeed.

Exit codes: 0 done, 1 failed, 2 wrong usage (by the argument parser), 3 the platform does not run or cannot be reached,
4 refused (not logged in, not allowed).
"""

from __future__ import annotations

from local.errors import MachineProblem

FAILED = 1
NOT_RUNNING = 3
REFUSED = 4


class CommandFailed(MachineProblem):
    """One sentence, the next step, the exit code, and the request id where an answer carried one."""

    def __init__(
        self, detail: str, next_step: str = "", *, exit_code: int = FAILED, request_id: str | None = None
    ) -> None:
        super().__init__(detail, next_step)
        self.exit_code = exit_code
        self.request_id = request_id


def not_running(place: object) -> CommandFailed:
    """Nobody runs or answers there."""
    return CommandFailed(f"Fullon does not run on {place}.", "Start it with `fullon up`.", exit_code=NOT_RUNNING)
