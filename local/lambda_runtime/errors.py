"""What can go wrong with an invocation, named after what Lambda reports.

InvokeFailure
├── FunctionNotFound    no function of that name
├── FunctionThrottled   every execution environment was busy for longer than a caller may wait
├── TooLarge            over 6 MB: RequestTooLarge, ResponseTooLarge
├── FunctionTimedOut    the environment was killed at the function's timeout
├── FunctionCrashed     the process ended while it worked on the event
│   └── FunctionInitFailed  the process could not load its handler
└── FunctionError       the handler raised, or answered what is not JSON; the environment lives on
"""

from typing import ClassVar


class InvokeFailure(Exception):
    """An invocation that has no result. ``error_type`` and ``error_message`` are as Lambda reports them."""

    error_type: ClassVar[str] = "Unknown"

    def __init__(self, function: str, message: str, *, error_type: str | None = None) -> None:
        super().__init__(f"{function}: {message}")
        self.function = function
        self.error_message = message
        self.reported_type = error_type or self.error_type


class FunctionNotFound(InvokeFailure):
    """No function of that name is in the manifest."""

    error_type = "ResourceNotFoundException"


class FunctionThrottled(InvokeFailure):
    """The function runs at its highest concurrency and no environment became free in time."""

    error_type = "TooManyRequestsException"


class TooLarge(InvokeFailure):
    """The event or the answer is over the 6 MB of a synchronous invocation."""


class RequestTooLarge(TooLarge):
    """The event is too large; the function was not invoked."""

    error_type = "RequestEntityTooLargeException"


class ResponseTooLarge(TooLarge):
    """The function answered more than an invocation may carry."""

    error_type = "Function.ResponseSizeTooLarge"


class FunctionTimedOut(InvokeFailure):
    """The function did not answer within its timeout; its environment was killed."""

    error_type = "Sandbox.Timedout"


class FunctionCrashed(InvokeFailure):
    """The process of the environment ended before it answered."""

    error_type = "Runtime.ExitError"


class FunctionInitFailed(FunctionCrashed):
    """The environment could not be initialised: import error, missing handler, exit or too slow."""

    error_type = "Runtime.InitError"


class FunctionError(InvokeFailure):
    """The handler raised an exception; the environment stays warm."""

    error_type = "Unhandled"
