"""An execution environment: one process that runs one function, one event at a time.

Its life: STARTING (the handler is being imported) → IDLE ⇄ BUSY → ENDING → ENDED. It ends when it is told to, when
it exceeds the function's timeout, when its handler cannot be loaded, or by itself.
"""

import asyncio
import contextlib
import enum
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import orjson
import psutil

from fullon.kernel.clock import Clock
from fullon.runtime.gateway.invocation import (
    PAYLOAD_LIMIT,
    FunctionCrashed,
    FunctionError,
    FunctionInitFailed,
    FunctionTimedOut,
    InvokeFailure,
    ResponseTooLarge,
)
from fullon.runtime.manifest import Function
from local.lambda_runtime import environment
from local.lambda_runtime.function_log import LINE_LIMIT, FunctionLog
from local.lambda_runtime.invocation import Invocation
from local.lambda_runtime.runtime_api import RuntimeConnection, listen

_LAST_WORDS_SECONDS = 0.25
"""How long after a process has ended its last answer may still be in the socket, and its last line in the pipe."""
_KILL_AFTER_SECONDS = 1.0
_MEMORY_SAMPLE_SECONDS = 1.0


class State(enum.Enum):
    """Where an environment stands."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    ENDING = "ending"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Launch:
    """What every environment of a platform is started with. ``init_timeout`` is in seconds."""

    task_root: Path
    inherited: Mapping[str, str]
    region: str
    account_id: str
    native_client: bool
    init_timeout: float
    clock: Clock


class Owner(Protocol):
    """Who decides what an environment works on."""

    def worker_idle(self, worker: "Worker") -> None:
        """The environment can take an event."""

    def worker_ended(self, worker: "Worker", failure: InvokeFailure | None) -> None:
        """The environment is gone; ``failure`` says why when it never got ready."""


class Worker:
    """One environment. Create it, then ``await start()``; its owner hears about everything else."""

    def __init__(self, function: Function, launch: Launch, log: FunctionLog, owner: Owner, number: int) -> None:
        self.function = function
        self.state = State.STARTING
        self.retired = False
        self.idle_since = 0.0
        self.ended = asyncio.Event()
        self._launch = launch
        self._log = log
        self._owner = owner
        self._stream = f"{launch.clock.now():%Y/%m/%d}/[$LATEST]{number:08d}"
        self._arn = environment.function_arn(function, launch.region, launch.account_id)
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._pid = 0
        self._unwanted = False
        self._spawned = 0.0
        self._init_seconds: float | None = None
        self._init_failure: FunctionInitFailed | None = None
        self._parked: RuntimeConnection | None = None
        self._connections: set[RuntimeConnection] = set()
        self._invocation: Invocation | None = None
        self._dispatched = 0.0
        self._last_request_id: str | None = None
        self._memory = 0
        self._memory_sampled = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._exit_status: int | None = None

    @property
    def pid(self) -> int:
        """The process; 0 before it was started."""
        return self._pid

    async def start(self) -> None:
        """Open the Runtime API and start the process; returns before the handler is loaded."""
        self._spawned = self._loop.time()
        launch = self._launch
        try:
            self._server, port = await listen(self)
            variables = environment.variables(
                self.function,
                launch.inherited,
                task_root=launch.task_root,
                region=launch.region,
                port=port,
                stream=self._stream,
            )
            transport, _ = await self._loop.subprocess_exec(
                lambda: _Output(self._printed, self._exited, self.ended.set),
                *environment.command(self.function.handler, native=launch.native_client),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=launch.task_root,
                env=variables,
                start_new_session=True,
                preexec_fn=environment.tie_to_parent(),
            )
        except OSError as error:
            self._init_failure = FunctionInitFailed(self.function.name, f"the process cannot be started: {error}")
            self._end()
            return
        self._transport = transport
        self._pid = transport.get_pid()
        if self._unwanted:
            self.kill()
        else:
            self._timer = self._loop.call_later(launch.init_timeout, self._init_expired)

    def dispatch(self, invocation: Invocation) -> None:
        """Give an idle environment its next event."""
        assert self.state is State.IDLE
        assert self._parked is not None
        connection, self._parked = self._parked, None
        self.state = State.BUSY
        self._invocation = invocation
        self._last_request_id = invocation.request_id
        self._dispatched = self._launch.clock.monotonic()
        timeout = self.function.timeout
        invocation.use_timer(self._loop.call_later(timeout, self._timed_out))
        deadline = int((self._launch.clock.now().timestamp() + timeout) * 1000)
        self._log.event("start", request_id=invocation.request_id)
        connection.send_event(invocation.request_id, deadline, self._arn, invocation.trace_id, invocation.event)

    def stop(self) -> None:
        """Ask the process to end, and end it one second later: a handler may have its own idea of SIGTERM."""
        self._signal(signal.SIGTERM)
        if self._transport is not None and self._exit_status is None:
            self._timer = self._loop.call_later(_KILL_AFTER_SECONDS, self.kill)

    def kill(self) -> None:
        """End the process, and what it started, now."""
        self._signal(signal.SIGKILL)

    # What the Runtime API reports.

    def next_requested(self, connection: RuntimeConnection) -> None:
        self._connections.add(connection)
        if self._unwanted:
            return
        self._parked = connection
        if self.state is State.STARTING:
            self._cancel_timer()
            self._init_seconds = self._loop.time() - self._spawned
        if self._invocation is not None:
            crash = FunctionCrashed(self.function.name, "the runtime asked for another event before it answered")
            self._finish("crash", failure=crash)
        self.state = State.IDLE
        self.idle_since = self._loop.time()
        self._owner.worker_idle(self)

    def responded(self, request_id: str, body: bytes) -> bool:
        return self._is_under_way(request_id) and self._finish("success", answer=body)

    def response_too_large(self, request_id: str) -> bool:
        message = f"the answer is over the limit of {PAYLOAD_LIMIT} bytes"
        failure = ResponseTooLarge(self.function.name, message)
        return self._is_under_way(request_id) and self._finish("error", failure=failure)

    def failed(self, request_id: str, error_type: str, body: bytes) -> bool:
        reported_type, message = _error_report(error_type, body)
        failure = FunctionError(self.function.name, message, error_type=reported_type)
        return self._is_under_way(request_id) and self._finish("error", failure=failure)

    def init_failed(self, error_type: str, body: bytes) -> None:
        reported_type, message = _error_report(error_type, body)
        self._init_failure = FunctionInitFailed(self.function.name, message, error_type=reported_type)

    def disconnected(self, connection: RuntimeConnection) -> None:
        self._connections.discard(connection)
        if self._parked is connection:
            self._parked = None
            if self.state is State.IDLE:
                self.state = State.ENDING
        if self._exit_status is not None and not self._connections:
            self._end()

    # What becomes of an invocation.

    def _is_under_way(self, request_id: str) -> bool:
        return self._invocation is not None and self._invocation.request_id == request_id

    def _finish(self, status: str, *, answer: bytes | None = None, failure: InvokeFailure | None = None) -> bool:
        invocation, self._invocation = self._invocation, None
        assert invocation is not None
        if failure is not None:
            invocation.fail(failure)
        else:
            invocation.succeed(answer or b"")
        self._report(invocation.request_id, status, failure)
        return True

    def _report(self, request_id: str, status: str, failure: InvokeFailure | None) -> None:
        facts: dict[str, object] = {
            "status": status,
            "duration_ms": round((self._launch.clock.monotonic() - self._dispatched) * 1000, 2),
            "cold": self._init_seconds is not None,
            "memory_mb": self._memory_megabytes(),
            "memory_size_mb": self.function.memory,
        }
        if self._init_seconds is not None:
            facts["init_ms"] = round(self._init_seconds * 1000, 1)
            self._init_seconds = None
        if failure is not None:
            facts |= {"error_type": failure.error_type, "error": failure.message[:2000]}
        self._log.event("report", level="info" if failure is None else "error", request_id=request_id, **facts)

    def _timed_out(self) -> None:
        message = f"Task timed out after {self.function.timeout:.2f} seconds"
        self._finish("timeout", failure=FunctionTimedOut(self.function.name, message))
        self.kill()

    def _init_expired(self) -> None:
        message = f"the handler was not loaded within {self._launch.init_timeout:g} seconds"
        self._init_failure = FunctionInitFailed(self.function.name, message, error_type="Sandbox.Timedout")
        self.kill()

    # The end of the process.

    def _printed(self, line: bytes) -> None:
        self._log.output(line, self._last_request_id)

    def _exited(self, status: int) -> None:
        self._exit_status = status
        assert self._transport is not None
        # What it started ends with it, as a sandbox does, and may not hold its output open.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, signal.SIGKILL)
        self._loop.call_later(_LAST_WORDS_SECONDS, self._transport.close)
        if self._invocation is None or not self._connections:
            self._end()
        else:
            self._cancel_timer()
            self._timer = self._loop.call_later(_LAST_WORDS_SECONDS, self._end)

    def _end(self) -> None:
        if self.state is State.ENDED:
            return
        was_starting, self.state = self.state is State.STARTING, State.ENDED
        self._cancel_timer()
        how = _exit_text(self._exit_status)
        if self._invocation is not None:
            self._finish("crash", failure=FunctionCrashed(self.function.name, f"Runtime exited with error: {how}"))
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()
        failure: InvokeFailure | None = None
        if was_starting and not self.retired:
            failure = self._init_failure or FunctionInitFailed(
                self.function.name, f"Runtime exited during initialisation: {how}", error_type="Runtime.ExitError"
            )
            facts = {"error_type": failure.error_type, "error": failure.message[:2000]}
            self._log.event("init", level="error", status="error", **facts)
        self._owner.worker_ended(self, failure)
        if self._transport is None:
            self.ended.set()

    def _signal(self, number: signal.Signals) -> None:
        self._cancel_timer()
        self._unwanted = True
        if self.state is State.IDLE:
            self.state = State.ENDING
        if self._transport is not None and self._exit_status is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, number)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _memory_megabytes(self) -> int:
        now = self._loop.time()
        if now - self._memory_sampled > _MEMORY_SAMPLE_SECONDS:
            self._memory_sampled = now
            with contextlib.suppress(psutil.Error):
                self._memory = max(self._memory, psutil.Process(self._pid).memory_info().rss)
        return self._memory // (1024 * 1024)


class _Output(asyncio.SubprocessProtocol):
    """Splits what a process prints into lines and notices its end."""

    def __init__(
        self, printed: Callable[[bytes], None], exited: Callable[[int], None], ended: Callable[[], None]
    ) -> None:
        self._printed = printed
        self._exited = exited
        self._ended = ended
        self._transport: asyncio.SubprocessTransport | None = None
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports share the interface of asyncio's and not the class.
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._printed(line)
        if len(self._rest) > LINE_LIMIT:
            self._printed(self._rest)
            self._rest = b""

    def pipe_connection_lost(self, fd: int, error: Exception | None) -> None:
        if self._rest:
            self._printed(self._rest)
            self._rest = b""

    def process_exited(self) -> None:
        assert self._transport is not None
        status = self._transport.get_returncode()
        self._exited(status if status is not None else -1)

    def connection_lost(self, error: Exception | None) -> None:
        self._ended()


def _error_report(error_type: str, body: bytes) -> tuple[str, str]:
    try:
        report = orjson.loads(body)
    except orjson.JSONDecodeError:
        report = None
    if not isinstance(report, dict):
        report = {}
    return str(report.get("errorType") or error_type or "Unhandled"), str(report.get("errorMessage") or "")


def _exit_text(status: int | None) -> str:
    if status is None:
        return "it was not started"
    if status < 0:
        try:
            return f"signal: {signal.Signals(-status).name}"
        except ValueError:
            return f"signal: {-status}"
    return f"exit status {status}"
