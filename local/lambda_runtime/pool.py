"""All functions of the platform, invoked by name."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import orjson

from fullon.kernel.clock import Clock, SystemClock
from fullon.runtime import tracing
from fullon.runtime.gateway.invocation import PAYLOAD_LIMIT, FunctionError, FunctionNotFound, RequestTooLarge
from fullon.runtime.manifest import Function
from local.lambda_runtime import environment
from local.lambda_runtime.fleet import Fleet, Limits
from local.lambda_runtime.function_log import FunctionLog
from local.lambda_runtime.invocation import Invocation
from local.lambda_runtime.worker import Launch

_STOP_SECONDS = 2.0
"""A worker that was told to stop is killed after one."""


class FunctionPool:
    """Runs functions in processes of their own.

    Args:
        functions: what can be invoked.
        task_root: folder that handlers are imported from.
        logs: folder of the log files, one per function.
        inherited: environment of the processes, before Lambda's own variables.
        limits: concurrency, queue and expiry.
        init_timeout: seconds for loading a handler; Lambda gives 10, a busy laptop needs more.
        native_client: use the real runtime client; by default where it is installed.
    """

    def __init__(
        self,
        functions: Iterable[Function],
        *,
        task_root: Path,
        logs: Path,
        inherited: Mapping[str, str],
        limits: Limits | None = None,
        region: str = "us-east-1",
        account_id: str = "000000000000",
        init_timeout: float = 30.0,
        native_client: bool | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.functions = tuple(functions)
        self._logs = logs
        self._limits = limits or Limits()
        self._clock = clock or SystemClock()
        self._launch = Launch(
            task_root=task_root,
            inherited=inherited,
            region=region,
            account_id=account_id,
            native_client=environment.has_native_client() if native_client is None else native_client,
            init_timeout=init_timeout,
            clock=self._clock,
        )
        self._fleets: dict[str, Fleet] = {}
        self._under_way: set[asyncio.Future[bytes]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Get ready to take events; processes start with the first event of each function."""
        for function in self.functions:
            log = FunctionLog(self._logs / f"{function.name}.log", function.name, self._clock)
            self._fleets[function.name] = Fleet(function, self._launch, self._limits, log)
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self, grace: float = 5.0) -> None:
        """Finish what has been accepted within ``grace`` seconds, then end every process."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for fleet in self._fleets.values():
            fleet.refuse()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=grace)
        workers = [worker for fleet in self._fleets.values() for worker in fleet.workers]
        for fleet in self._fleets.values():
            fleet.end()
        if workers:
            await asyncio.wait([asyncio.create_task(worker.ended.wait()) for worker in workers], timeout=_STOP_SECONDS)
        for fleet in self._fleets.values():
            fleet.log.close()
        self._fleets.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def invoke(self, name: str, event: Mapping[str, Any], *, request_id: str | None = None) -> Any:
        """Run a function and give its answer, parsed.

        Args:
            name: the function's name in the manifest.
            event: what its handler is called with.
            request_id: the id in its context and on its log lines; by default that of the event's request.

        Raises:
            InvokeFailure: the subclass says what happened.
        """
        if request_id is None:
            request_id = str(event.get("requestContext", {}).get("requestId") or uuid4())
        answer = await self.invoke_bytes(name, orjson.dumps(event), request_id=request_id)
        try:
            return orjson.loads(answer)
        except orjson.JSONDecodeError as error:
            raise FunctionError(name, "the answer is not JSON", error_type="Runtime.MarshalError") from error

    async def invoke_bytes(self, name: str, event: bytes, *, request_id: str, trace_id: str | None = None) -> bytes:
        """Run a function with a JSON document and give its answer as it is; raises ``InvokeFailure``.

        Args:
            trace_id: X-Ray's header; by default that of the work under way.
        """
        fleet = self._fleets.get(name)
        if fleet is None:
            raise FunctionNotFound(name, "Function not found")
        if len(event) > PAYLOAD_LIMIT:
            raise RequestTooLarge(name, f"the event is over the limit of {PAYLOAD_LIMIT} bytes")
        if trace_id is None:
            trace = tracing.current()
            trace_id = trace.xray if trace is not None else ""
        loop = asyncio.get_running_loop()
        invocation = Invocation(request_id, trace_id, event, loop.create_future(), loop.time())
        self._under_way.add(invocation.outcome)
        fleet.submit(invocation)
        try:
            return await invocation.outcome
        except asyncio.CancelledError:
            fleet.withdraw(invocation)
            raise
        finally:
            self._under_way.discard(invocation.outcome)

    def warm(self, names: Iterable[str]) -> None:
        """Start an environment of each of these functions now."""
        for name in names:
            self._fleets[name].warm()

    def reload(self, names: Iterable[str]) -> list[str]:
        """Replace the environments of these functions by ones with the present code.

        Requests under way finish on the old code. Functions that had environments get a new one at once, so a
        broken file is reported when it is saved. Returns the names of those.
        """
        replaced = [name for name in names if self._fleets[name].retire()]
        for name in replaced:
            self._fleets[name].log.event("reload")
        self.warm(replaced)
        return replaced

    def processes(self) -> dict[str, list[int]]:
        """Process ids of every function that has any, for status displays and tests."""
        running = {
            name: sorted(worker.pid for worker in fleet.workers if worker.pid) for name, fleet in self._fleets.items()
        }
        return {name: pids for name, pids in running.items() if pids}

    async def _sweep(self) -> None:
        interval = min(max(self._limits.idle_expiry / 4, 0.05), 30.0)
        while True:
            await asyncio.sleep(interval)
            for fleet in self._fleets.values():
                fleet.expire_idle()
