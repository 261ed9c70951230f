"""The execution environments of one function: how many there are, and which event goes to which.

Environments are started on demand. The first event starts one at once; more are started when an event has waited
longer than ``scale_out_after``, so a burst of short requests does not pay for cold starts that end after it. At
the highest concurrency events queue, and those that wait too long are throttled.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

from fullon.runtime.gateway.invocation import FunctionThrottled, InvokeFailure
from fullon.runtime.manifest import Function
from local.lambda_runtime.function_log import FunctionLog
from local.lambda_runtime.invocation import Invocation
from local.lambda_runtime.worker import Launch, State, Worker


@dataclass(frozen=True, slots=True)
class Limits:
    """How a function scales. Times are seconds."""

    maximum_concurrency: int = 4
    scale_out_after: float = 0.025
    queue_length: int = 1000
    queue_wait: float = 10.0
    idle_expiry: float = 900.0


class Fleet:
    """All environments of one function."""

    def __init__(self, function: Function, launch: Launch, limits: Limits, log: FunctionLog) -> None:
        self.function = function
        self._launch = launch
        self._limits = limits
        self._log = log
        self._maximum = min(function.concurrency or limits.maximum_concurrency, limits.maximum_concurrency)
        self._loop = asyncio.get_running_loop()
        self._workers: set[Worker] = set()
        self._idle: list[Worker] = []
        self._pending: deque[Invocation] = deque()
        self._scale_timer: asyncio.TimerHandle | None = None
        self._starts: set[asyncio.Task[None]] = set()
        self._started = 0
        self._closed = False

    @property
    def workers(self) -> frozenset[Worker]:
        """Every environment that has not ended, retired ones included."""
        return frozenset(self._workers)

    @property
    def log(self) -> FunctionLog:
        """Where this function's lines go."""
        return self._log

    def submit(self, invocation: Invocation) -> None:
        """Give the event to an idle environment, or queue it; the outcome arrives at the invocation."""
        while self._idle:
            worker = self._idle.pop()
            if worker.state is State.IDLE:
                worker.dispatch(invocation)
                return
        if self._closed or len(self._pending) >= self._limits.queue_length:
            invocation.fail(FunctionThrottled(self.function.name, "Rate exceeded: too many requests are waiting"))
            return
        invocation.use_timer(self._loop.call_later(self._limits.queue_wait, self._give_up, invocation))
        self._pending.append(invocation)
        self._scale()

    def withdraw(self, invocation: Invocation) -> None:
        """Forget an event whose caller has gone, if it still waits for an environment."""
        if invocation in self._pending:
            self._pending.remove(invocation)
            invocation.use_timer(None)

    def warm(self) -> None:
        """Start an environment ahead of the first event, unless there is one."""
        if not self._closed and not self._current():
            self._start_worker()

    def retire(self) -> bool:
        """Replace the code: idle environments end now, busy ones after their answer; True if there were any."""
        had_workers = bool(self._current())
        self._idle.clear()
        for worker in self.workers:
            worker.retired = True
            if worker.state is not State.BUSY:
                worker.stop()
        if self._pending:
            self._scale()
        return had_workers

    def expire_idle(self) -> None:
        """End environments that had nothing to do for ``idle_expiry``."""
        oldest = self._loop.time() - self._limits.idle_expiry
        for worker in [worker for worker in self._idle if worker.idle_since < oldest]:
            self._idle.remove(worker)
            worker.retired = True
            worker.stop()

    def refuse(self) -> None:
        """Take no further event; those that were accepted go on."""
        self._closed = True

    def end(self) -> None:
        """End every environment, busy ones too; what still waits is throttled."""
        if self._scale_timer is not None:
            self._scale_timer.cancel()
        while self._pending:
            self._pending.popleft().fail(FunctionThrottled(self.function.name, "The platform is stopping"))
        self._idle.clear()
        for worker in self.workers:
            worker.retired = True
            worker.stop()

    # What environments report.

    def worker_idle(self, worker: Worker) -> None:
        if worker.retired:
            worker.stop()
        elif self._pending:
            worker.dispatch(self._pending.popleft())
        else:
            self._idle.append(worker)

    def worker_ended(self, worker: Worker, failure: InvokeFailure | None) -> None:
        self._workers.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        if failure is not None and not any(other.state is not State.STARTING for other in self._current()):
            # Every waiting event would meet the same broken start.
            while self._pending:
                self._pending.popleft().fail(failure)
        elif self._pending:
            self._scale()

    def _current(self) -> list[Worker]:
        return [worker for worker in self._workers if not worker.retired]

    def _scale(self) -> None:
        if not self._pending:
            return
        current = self._current()
        if not current:
            self._start_worker()
            current = self._current()
        if len(current) < self._maximum and self._scale_timer is None:
            self._scale_timer = self._loop.call_later(self._limits.scale_out_after, self._scale_out)

    def _scale_out(self) -> None:
        self._scale_timer = None
        if not self._pending:
            return
        current = self._current()
        starting = sum(worker.state is State.STARTING for worker in current)
        waited = self._loop.time() - self._pending[0].submitted
        overdue = waited >= self._limits.scale_out_after
        if overdue and starting < len(self._pending) and len(current) < self._maximum:
            self._start_worker()
        self._scale()

    def _start_worker(self) -> None:
        self._started += 1
        worker = Worker(self.function, self._launch, self._log, self, self._started)
        self._workers.add(worker)
        task = self._loop.create_task(worker.start())
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)

    def _give_up(self, invocation: Invocation) -> None:
        if all(worker.state is State.STARTING for worker in self._current()):
            # Nobody is throttled for the time that the first environment takes to start; that has its own limit.
            invocation.use_timer(self._loop.call_later(self._limits.queue_wait, self._give_up, invocation))
            return
        self._pending.remove(invocation)
        message = f"Rate exceeded: {self._maximum} environments were busy for {self._limits.queue_wait:g} s"
        invocation.fail(FunctionThrottled(self.function.name, message))
