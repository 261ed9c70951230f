"""What can be wrong with the machine, as one sentence and the next step.

Nothing here is a programming error: each of these is shown to the person at the terminal as it is, without a
stack, and ends the command with a non-zero exit code.
"""

from __future__ import annotations

from fullon.kernel.errors import FullonError


class MachineProblem(FullonError):
    """This machine cannot do what was asked.

    Args:
        detail: the sentence that says what is wrong.
        next_step: what the reader can do about it; may be empty.
    """

    default_code = "machine"

    def __init__(self, detail: str, next_step: str = "") -> None:
        super().__init__(detail)
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.detail} {self.next_step}".strip()


class StoreProblem(MachineProblem):
    """A store's program is missing, its data cannot be used, or it does not answer."""
