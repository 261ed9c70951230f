"""The run of one rehearsal: templates and emulator, stores, stacks one by one, daemons, front, tests, and all down.

The order is that of a first deployment. The embedded PostgreSQL takes Aurora's place: it starts when the stack with
the secrets is there and gets the password that CloudFormation generated, as RDS does; the stacks after it find it by
their parameters. The migrations are run by the deployment itself, in the emulator's Lambda.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Collection, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any

from local import ports as port_choice
from local.credentials import Credentials
from local.home import Home, HomeLock
from local.rehearsal import front
from local.rehearsal.crew import Crew
from local.rehearsal.logs import LogFetcher
from local.rehearsal.ministack import PREFERRED_PORT, scratch_folder
from local.rehearsal.options import Options
from local.rehearsal.stage import PORT_NAMES, Stage
from local.supervisor.readiness import wait_for_ok
from local.supervisor.report import Report

READY_SECONDS = 90.0
KEPT = {"cdk.out"}
"""Assets that have not changed are neither built nor packed again."""
KEPT_FROM_BEFORE = KEPT | {"secrets.json"}
"""The secrets mark the processes of a rehearsal that was killed."""
KEPT_AFTER_FAILURE = KEPT | {"logs"}
FAILED, INTERRUPTED = 1, 130


class Rehearsal:
    """One rehearsal; `run` returns the exit code and leaves no process behind."""

    def __init__(self, options: Options, environment: Mapping[str, str], report: Report) -> None:
        self._options = options
        self._home = Home(options.home)
        self._inherited = environment
        self._report = report
        self._background: set[asyncio.Task[None]] = set()
        self._is_kept = False

    async def run(self, stop: asyncio.Event) -> int:
        """Rehearse until the end, or until `stop` is set.

        Raises:
            MachineProblem: something cannot be done here, or a stack cannot be deployed.
        """
        asked = asyncio.create_task(stop.wait(), name="wait for the stop signal")
        work = asyncio.create_task(self._rehearse(asked), name="rehearse")
        try:
            await asyncio.wait({asked, work}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not self._is_kept:
                self._report.quiet()
                self._report.note("Stopping…")
                work.cancel()
            return await work
        except asyncio.CancelledError:
            return INTERRUPTED
        finally:
            asked.cancel()

    async def _rehearse(self, asked: asyncio.Task[bool]) -> int:
        self._home.prepare()
        lock = HomeLock(self._home)
        lock.acquire()
        kept = KEPT
        try:
            async with AsyncExitStack() as cleanup:
                is_good = await self._all(cleanup, asked)
                kept = KEPT if is_good else KEPT_AFTER_FAILURE
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            kept = KEPT_AFTER_FAILURE
            raise _first(error) from error
        finally:
            if kept is KEPT_AFTER_FAILURE:
                self._report.note(f"Logs and templates are in {self._home.path}.")
            await asyncio.to_thread(self._clear, kept)
            lock.release()
        return 0 if is_good else FAILED

    async def _all(self, cleanup: AsyncExitStack, asked: asyncio.Task[bool]) -> bool:
        loop = asyncio.get_running_loop()
        began = loop.time()
        credentials = Credentials.of(self._home)
        crew = Crew(self._home, credentials.instance, self._report)
        await crew.end_orphans()
        scratch = scratch_folder(self._home.path, credentials.instance)
        await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
        await asyncio.to_thread(self._clear, KEPT_FROM_BEFORE)
        self._home.prepare()
        ports = port_choice.choose_ports(PORT_NAMES, {}, PREFERRED_PORT)
        cleanup.callback(shutil.rmtree, scratch, ignore_errors=True)
        cleanup.push_async_callback(crew.stop)
        cleanup.push_async_callback(self._end_background)
        stage = Stage(self._options, self._home, self._inherited, self._report, credentials, crew, ports, scratch)

        async with asyncio.TaskGroup() as first:
            synthesis = first.create_task(stage.synthesise())
            emulator = first.create_task(stage.start_emulator())
            first.create_task(stage.start_valkey())
            first.create_task(stage.start_venue())
        installation = await stage.deploy(synthesis.result(), emulator.result(), cleanup)
        fetcher = LogFetcher(emulator.result(), installation.log_groups(), self._home.logs / "functions")
        self._spawn(fetcher.run())
        cleanup.push_async_callback(fetcher.fetch)
        await stage.seed(installation)
        self._spawn((await stage.start_agent(installation)).run())
        await stage.call_functions(installation)
        origins = front.Origins(
            installation.api("HTTP"), installation.api("WEBSOCKET"), installation.secret("origin") or ""
        )
        url = await cleanup.enter_async_context(front.serving(origins, ports["front"]))
        with self._report.step("Ready") as details:
            details.append(url)
            await wait_for_ok(ports["front"], "/health/ready", READY_SECONDS)
        is_good = True
        if self._options.run_tests:
            is_good = await stage.test(installation, url)
        self._report.note(f"After {loop.time() - began:.0f} s: {'all is well' if is_good else 'something is wrong'}.")
        if self._options.keep:
            self._is_kept = True
            self._report.table(stage.addresses(installation, url), "Ctrl-C ends everything.")
            await asked
        return is_good

    def _clear(self, kept: Collection[str]) -> None:
        """Remove what lies in the home, except what is named and the lock."""
        for entry in self._home.path.iterdir():
            if entry.name in {*kept, self._home.run.name}:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._report_loss)

    def _report_loss(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._report.problem(f"A part of the rehearsal has ended: {task.exception()!r}.")

    async def _end_background(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)


def _first(error: BaseException) -> BaseException:
    """The first real cause in a group, however nested; the error itself when it is none."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    causes = [one for one in error.exceptions if not isinstance(one, asyncio.CancelledError)]
    return _first(causes[0]) if causes else error
