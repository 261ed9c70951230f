"""What can go wrong with daemons, by remedy."""

from __future__ import annotations

from collections.abc import Iterable

from fullon.kernel.errors import Conflict, NotFound, Unavailable


class UnknownService(NotFound):
    """No daemon has that name; the sentence lists the ones there are."""

    default_code = "unknown_service"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        super().__init__(f"There is no service of that name; there are {', '.join(names)}.", service=name, known=names)


class WrongState(Conflict):
    """The service is not in a state for this; answered with 400, as clients of this operation expect."""

    default_code = "wrong_state"


class AlreadyRunning(WrongState):
    """The service was asked to start and runs."""

    default_code = "already_running"

    def __init__(self, name: str, status: str) -> None:
        state = "already running" if status == "running" else f"already started, and {status}"
        super().__init__(f"The service {name} is {state}; restart gives it a new process.", service=name)


class AlreadyStopped(WrongState):
    """The service was asked to stop, and does not run or is ending."""

    default_code = "already_stopped"

    def __init__(self, name: str, status: str) -> None:
        super().__init__(f"The service {name} is already {status}.", service=name)


class NotRunning(WrongState):
    """The service was asked to restart, and nobody wants it to run."""

    default_code = "not_running"

    def __init__(self, name: str, status: str) -> None:
        super().__init__(f"The service {name} is {status}; start it instead.", service=name)


class ControlUnavailable(Unavailable):
    """The container service gave no usable answer; nothing is known to have changed."""

    default_code = "control_unavailable"


class ControlBusy(ControlUnavailable):
    """The container service takes no more calls at present, after several tries; nothing has changed."""

    default_code = "control_busy"

    def __init__(self, aws_code: str) -> None:
        super().__init__(
            "The container service is asked too often at present; try again shortly.", retry_after=10, aws_code=aws_code
        )


class ControlNotAllowed(ControlUnavailable):
    """The platform's own role lacks a permission: nobody's request mends that, a deployment does."""

    default_code = "control_not_allowed"

    def __init__(self, aws_code: str) -> None:
        super().__init__(
            "The platform is not allowed to ask this of the container service: its role lacks a permission.",
            retry_after=60,
            aws_code=aws_code,
        )


class ControlNotSetUp(ControlUnavailable):
    """There is no such cluster: the platform was not deployed there, or ECS_CLUSTER names another."""

    default_code = "control_not_set_up"

    def __init__(self, aws_code: str) -> None:
        super().__init__(
            "The container service has no cluster for this platform; the daemons are not deployed here.",
            retry_after=60,
            aws_code=aws_code,
        )


class LeaseLost(Conflict):
    """Another holder has taken the lease, or it was released: stop working, write nothing more."""

    default_code = "lease_lost"

    def __init__(self, name: str, holder: str, fence: int) -> None:
        super().__init__(
            f"The lease {name} is no longer held with fence {fence}.", lease=name, holder=holder, fence=fence
        )
