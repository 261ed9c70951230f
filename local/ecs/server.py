"""The endpoint as a process: state, scheduler and API together, from the first moment to the last child."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from fullon.kernel.clock import Clock
from local.ecs.application import Application
from local.ecs.backoff import Backoff
from local.ecs.definitions import Definitions
from local.ecs.describe import Describe
from local.ecs.logfile import LARGEST_BYTES
from local.ecs.names import Names
from local.ecs.runner import Runner
from local.ecs.scheduler import Scheduler
from local.ecs.services import Services
from local.ecs.signature import Verifier
from local.ecs.state import StateFile
from local.ecs.tasks import Tasks

CHILDREN_GRACE_SECONDS = 6.0
"""After this the children are killed; with the rest of the shutdown it stays under ten seconds."""

_log = logging.getLogger("local.ecs")


@dataclass(frozen=True)
class Options:
    """How an endpoint is set up.

    Attributes:
        environment: what tasks get, and where the accepted keys are.
    """

    port: int
    state: Path
    logs: Path
    environment: Mapping[str, str] = field(repr=False)
    host: str = "127.0.0.1"
    region: str = "us-east-1"
    log_bytes: int = LARGEST_BYTES
    backoff: Backoff = field(default_factory=Backoff)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: children come first here."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(options: Options, listener: socket.socket, clock: Clock, chance: random.Random) -> None:
    """Run until SIGTERM or SIGINT; a second one kills the children at once.

    Raises:
        StateInUse: another endpoint owns the state directory.
        OSError: the state directory cannot be used.
        KeyError: the environment has no AWS keys.
    """
    verifier = Verifier(options.environment["AWS_ACCESS_KEY_ID"], options.environment["AWS_SECRET_ACCESS_KEY"])
    file = StateFile(options.state)
    file.own()
    state = file.load()
    names = Names(options.region)
    runner = Runner(
        state, file, clock, options.logs, options.environment, lambda task: scheduler.on_end(task), options.log_bytes
    )
    scheduler = Scheduler(state, runner, names, options.backoff, chance)
    definitions = Definitions(state, names, clock)
    describe = Describe(state, names)
    services = Services(state, names, definitions, describe, scheduler, runner)
    tasks = Tasks(state, names, definitions, describe, scheduler, runner)
    application = Application(state, file, verifier, clock, names, definitions, services, tasks)

    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    stopping = asyncio.Event()
    _on_signals(stopping, runner)
    if ended := await runner.end_leftovers():
        _log.warning("processes of an earlier run ended", extra={"count": ended})
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        loop="asyncio",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    scheduling = asyncio.create_task(scheduler.run(), name="scheduler")
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="api")
    stop = asyncio.create_task(stopping.wait(), name="signals")
    _log.info("endpoint ready", extra={"port": options.port, "services": len(state.services)})
    await asyncio.wait({scheduling, serving, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    scheduler.close()
    await asyncio.wait({scheduling})
    await runner.close(CHILDREN_GRACE_SECONDS)
    server.should_exit = True
    await asyncio.wait({serving}, timeout=2)
    for task in (scheduling, serving):  # neither ends by itself; if one did, its error is the reason to say
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error
    _log.info("endpoint ended")


def _on_signals(stopping: asyncio.Event, runner: Runner) -> None:
    def asked() -> None:
        if stopping.is_set():
            runner.kill_all()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; nobody can connect before the endpoint serves.

    Raises:
        OSError: the port is taken or not allowed.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
