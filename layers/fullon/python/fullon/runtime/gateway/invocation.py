"""Who runs functions, and what can go wrong with an invocation, named after what Lambda reports.

InvokeFailure
├── FunctionNotFound        no function of that name
├── FunctionThrottled       every execution environment was busy for longer than a caller may wait
├── TooLarge                over 6 MB: RequestTooLarge, ResponseTooLarge
├── FunctionTimedOut        the environment was killed at the function's timeout
├── FunctionCrashed         the process ended while it worked on the event
│   └── FunctionInitFailed  the process could not load its handler
└── FunctionError           the handler raised, or its answer is not JSON; the environment lives on
"""

from typing import Any, ClassVar, Protocol

from fullon.kernel.errors import FullonError

UNAUTHORIZED = "Unauthorized"
"""By an error of this text an authorizer refuses a WebSocket; it is an answer and no fault."""
PAYLOAD_LIMIT = 6 * 1024 * 1024
"""Bytes of an event or an answer (AWS Lambda quota, synchronous invocation)."""


class Invoker(Protocol):
    """Runs a function with an event and gives its answer; the pool of execution environments is one."""

    async def invoke(self, name: str, event: dict[str, Any], *, request_id: str | None = None) -> Any:
        """Raises a subclass of :class:`InvokeFailure`."""
        ...


class InvokeFailure(FullonError):
    """An invocation without a result.

    ``message`` and ``error_type`` are what Lambda would report; the message may quote the function's exception,
    so it belongs into logs and never into an answer.
    """

    default_code = "invoke_failure"
    default_type: ClassVar[str] = "Unknown"

    def __init__(self, function: str, message: str, *, error_type: str | None = None) -> None:
        super().__init__(f"The function {function} gave no answer.", function=function)
        self.function = function
        self.message = message
        self.error_type = error_type or self.default_type

    def __str__(self) -> str:
        return f"{self.function}: {self.error_type}: {self.message}"


class FunctionNotFound(InvokeFailure):
    """No function of that name is in the manifest."""

    default_code = "function_not_found"
    default_type = "ResourceNotFoundException"


class FunctionThrottled(InvokeFailure):
    """The function runs at its highest concurrency and no environment became free in time."""

    default_code = "function_throttled"
    default_type = "TooManyRequestsException"


class TooLarge(InvokeFailure):
    """The event or the answer is over the 6 MB of a synchronous invocation."""

    default_code = "too_large"


class RequestTooLarge(TooLarge):
    """The event is too large; the function was not invoked."""

    default_type = "RequestEntityTooLargeException"


class ResponseTooLarge(TooLarge):
    """The function answered more than an invocation may carry."""

    default_type = "Function.ResponseSizeTooLarge"


class FunctionTimedOut(InvokeFailure):
    """The function did not answer within its timeout; its environment was killed."""

    default_code = "function_timed_out"
    default_type = "Sandbox.Timedout"


class FunctionCrashed(InvokeFailure):
    """The process of the environment ended before it answered."""

    default_code = "function_crashed"
    default_type = "Runtime.ExitError"


class FunctionInitFailed(FunctionCrashed):
    """The environment could not be initialised: import error, missing handler, exit, or too slow."""

    default_code = "function_init_failed"
    default_type = "Runtime.InitError"


class FunctionError(InvokeFailure):
    """The handler raised an exception; the environment stays warm."""

    default_code = "function_error"
    default_type = "Unhandled"
