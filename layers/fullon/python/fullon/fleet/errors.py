"""What can go wrong with daemons and their leases."""

from __future__ import annotations

from fullon.kernel.errors import Conflict, Invalid, NotFound


class LeaseLost(Conflict):
    """Somebody else leads now, or the lease ran out: stop writing at once."""

    default_code = "lease_lost"

    def __init__(self, name: str) -> None:
        super().__init__(f"The lease {name} is held by another process now.", lease=name)


class UnknownService(NotFound):
    """No daemon has this name."""

    default_code = "unknown_service"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"There is no service {name[:40]}; there are {', '.join(known)}.", known=list(known))


class AlreadyRunning(Invalid):
    """A start of what runs."""

    default_code = "already_running"

    def __init__(self, name: str) -> None:
        super().__init__(f"The service {name} is already running.", service=name)


class NotRunning(Invalid):
    """A stop of what does not run."""

    default_code = "not_running"

    def __init__(self, name: str) -> None:
        super().__init__(f"The service {name} is not running.", service=name)
