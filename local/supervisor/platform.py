"""The run of one platform: everything up in the right order, watched, and down again.

Stores, venue and gateway start side by side; what needs the databases waits for them: schema, seed, ECS endpoint,
daemons. Down goes the other way: first who takes requests and works, then the stores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime

from fullon.kernel.clock import SystemClock
from local import ports as port_choice
from local.credentials import TRADER_MAIL, Credentials, password
from local.errors import MachineProblem
from local.home import Home, HomeLock, cannot_write, read_mapping, write_private
from local.supervisor import databases, logfiles, orphans, parts, preflight, state
from local.supervisor.child import Child, Part
from local.supervisor.environment import FOR_THE_SEED, children_environment, observed
from local.supervisor.options import Options
from local.supervisor.readiness import wait_for_ok
from local.supervisor.report import Report
from local.supervisor.venue_session import session_of

READY_SECONDS = 60.0
WORKERS_GRACE_SECONDS = 6.0
STORES_GRACE_SECONDS = 2.5
"""Together with the work around them below the 10 s in which everything must be gone."""
ROTATION_SECONDS = 10.0
FAILED = 1
STORES = ("valkey", "postgres")


class Platform:
    """One run; `run` returns the exit code and leaves nothing behind."""

    def __init__(self, home: Home, environment: Mapping[str, str], report: Report) -> None:
        self._home = home
        self._inherited = environment
        self._report = report
        self._lock = HomeLock(home)
        self._children: dict[str, Child] = {}
        self._state: state.RunState | None = None
        self._instance = ""
        self._stopping = False
        self._unshown_passwords: dict[str, str] = {}

    async def run(self, stop: asyncio.Event, force: asyncio.Event) -> int:
        """Start everything, then serve until `stop` is set; `force` cuts the stopping short.

        What cannot start is said in a line, everything that did is stopped again, and the code is 1.

        Raises:
            MachineProblem: nothing could be started at all.
        """
        async with AsyncExitStack() as cleanup:
            options = Options.of(self._inherited)
            self._home.prepare()
            self._lock.acquire()
            cleanup.callback(self._lock.release)
            cleanup.push_async_callback(self._stop, force)
            starting = asyncio.create_task(self._start(options), name="start the platform")
            asked = asyncio.create_task(stop.wait(), name="wait for the stop signal")
            await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
                return 0
            problem = _problem_of(starting, self._home)
            self._report.quiet()
            if problem is not None:
                self._report.problem(problem.detail, problem.next_step)
                return FAILED
            await self._serve(asked)
        return 0

    async def _start(self, options: Options) -> None:
        began = asyncio.get_running_loop().time()
        credentials = Credentials.of(self._home)
        await self._end_orphans(credentials)
        preflight.require_free(options.port)
        ports = port_choice.choose_ports(parts.PORT_NAMES, read_mapping(self._home.ports), options.port)
        write_private(self._home.ports, ports)
        self._state = state.RunState(
            self._home.path, state.own_record(), {**ports, "gateway": options.port}, addresses(options)
        )
        self._state.save()
        stores = _Stores(self._home, credentials, options, ports)
        environment = children_environment(
            self._inherited, credentials, options, ports,
            database_url=stores.database_url, redis_url=stores.redis_url,
        )  # fmt: skip
        environment = observed(environment, self._home)
        self._instance = credentials.instance
        logins = await self._start_parts(options, ports, stores, environment)
        self._state.phase = "running"
        self._state.save()
        self._unshown_passwords = {}
        seconds = asyncio.get_running_loop().time() - began
        self._report.table(
            {**addresses(options), **logins, "Data": str(self._home.path)},
            f"Up after {seconds:.1f} s. `fullon status`, `fullon logs -f`; Ctrl-C stops everything.",
        )

    async def _start_parts(
        self, options: Options, ports: dict[str, int], stores: _Stores, environment: dict[str, str]
    ) -> dict[str, str]:
        """Start everything and return what to say about logging in."""
        logins: dict[str, str] = {}

        async def seed() -> None:
            logins.update(await self._seed(options, stores, environment))
            await self._become_ready(options.port)

        async def daemons() -> None:
            await self._start_part(parts.ecs_part(self._home, ports["ecs"], environment))
            await self._provision(options, environment)

        async def databases_and_what_needs_them() -> None:
            async with asyncio.TaskGroup() as servers:
                for part in stores.parts():
                    servers.create_task(self._start_part(part))
            # The venue takes a second of one core and nothing needs it for the first answer.
            venue = all_parts.create_task(self._start_part(self._paper(options, ports["paper"], environment)))
            await self._prepare_databases(stores, environment)
            async with asyncio.TaskGroup() as dependents:
                dependents.create_task(seed())
                dependents.create_task(daemons())
            await venue

        try:
            async with asyncio.TaskGroup() as all_parts:
                all_parts.create_task(databases_and_what_needs_them())
                gateway = parts.gateway_part(self._home, options, ports["management"], environment)
                all_parts.create_task(self._start_part(gateway))
        except BaseExceptionGroup as group:
            raise _first(group) from group
        return logins

    def _paper(self, options: Options, port: int, environment: dict[str, str]) -> Part:
        session = session_of(self._home, options.paper_speed, SystemClock())
        if options.paper_speed > 1 and session.behind == 0:
            self._report.note(
                f"This home's venue has caught up with the wall clock; FULLON_PAPER_SPEED={options.paper_speed:g} "
                "has an effect in a new FULLON_HOME only."
            )
        return parts.paper_part(self._home, session, port, environment, control=options.paper_control)

    async def _start_part(self, part: Part) -> None:
        child = Child(part, self._instance, self._home.logs, self._say, self._save)
        self._children[part.name] = child
        with self._report.step(part.title) as details:
            if part.port is not None:
                details.append(f"127.0.0.1:{part.port}")
            await child.start()

    async def _prepare_databases(self, stores: _Stores, environment: dict[str, str]) -> None:
        with self._report.step("Databases") as details:
            await databases.create_if_absent(stores.database_url)
            await databases.create_if_absent(stores.candles_url)
            if not await databases.is_at_head(stores.database_url, stores.candles_url):
                await databases.migrate(environment)
                details.append("migrated")

    async def _seed(self, options: Options, stores: _Stores, environment: dict[str, str]) -> dict[str, str]:
        """Sow what a new platform needs; returns what to say about logging in, by label."""
        people = {
            "Log in": (options.admin_mail, "FULLON_ADMIN_PASSWORD"),
            "As trader": (TRADER_MAIL, "FULLON_TRADER_PASSWORD"),
        }
        new = {
            label: (mail, variable)
            for label, (mail, variable) in people.items()
            if not await databases.has_user(stores.database_url, mail)
        }
        said = {"Log in": f"{options.admin_mail}, password as set at the first start"}
        if "Log in" not in new and stores.is_embedded and databases.is_seeded(self._home):
            return said
        given = {name: value for name in FOR_THE_SEED if (value := self._inherited.get(name))}
        for label, (mail, variable) in new.items():
            if given.get(variable):
                said[label] = f"{mail}, password as set by {variable}"
            else:
                given[variable] = self._unshown_passwords[mail] = password()
                said[label] = f"{mail}, password {given[variable]} (shown this once)"
        with self._report.step("Seed"):
            await databases.seed(self._home, {**environment, **given})
        return said

    async def _become_ready(self, port: int) -> None:
        with self._report.step("Ready"):
            await wait_for_ok(port, "/health/ready", READY_SECONDS)

    async def _provision(self, options: Options, environment: dict[str, str]) -> None:
        with self._report.step("Services") as details:
            chosen = {} if options.auto_start is None else {"SERVICES_TO_AUTO_START": ",".join(options.auto_start)}
            output = await databases.run_module(
                "local.ecs.provision", "The set-up of the services", {**environment, **chosen}
            )
            details.append(output.strip().splitlines()[-1] if output.strip() else "")

    async def _serve(self, asked: asyncio.Task[bool]) -> None:
        while not asked.done():
            await asyncio.wait({asked}, timeout=ROTATION_SECONDS)
            logs = [self._home.spans, *(self._home.logs / f"{name}.log" for name in self._children)]
            with suppress(OSError):  # a full disk, or a file that went away meanwhile: next time
                await asyncio.to_thread(logfiles.rotate, logs)

    async def _end_orphans(self, credentials: Credentials) -> None:
        records = state.recorded_processes(self._home)
        if not records and not self._home.postgres.exists():
            return
        found = await asyncio.to_thread(orphans.left_behind, self._home, credentials.instance, records)
        if found:
            with self._report.step("Ending an earlier run") as details:
                details.append(f"{len(found)} processes were left")
                await asyncio.to_thread(orphans.end_all, found, 8.0)

    async def _stop(self, force: asyncio.Event) -> None:
        self._stopping = True
        self._report.quiet()
        for mail, unshown in self._unshown_passwords.items():
            self._report.note(f"{mail} was made with the password {unshown}")
        if self._children:
            self._report.note("Stopping…")
        polite = asyncio.create_task(self._stop_children(), name="stop the children")
        forced = asyncio.create_task(force.wait(), name="wait for a second signal")
        await asyncio.wait({polite, forced}, return_when=asyncio.FIRST_COMPLETED)
        if not polite.done():
            for child in self._children.values():
                child.kill()
        await polite
        forced.cancel()
        self._home.state.unlink(missing_ok=True)
        if self._children:
            self._report.note("Stopped.")

    async def _stop_children(self) -> None:
        workers = [child for name, child in self._children.items() if name not in STORES]
        await asyncio.gather(*(child.stop(WORKERS_GRACE_SECONDS) for child in workers))
        stores = [child for name, child in self._children.items() if name in STORES]
        await asyncio.gather(*(child.stop(STORES_GRACE_SECONDS) for child in stores))

    def _say(self, line: str) -> None:
        if not self._stopping:
            self._report.note(f"{datetime.now(UTC):%H:%M:%S} {line}")

    def _save(self) -> None:
        if self._state is None:
            return
        self._state.children = {
            name: record for name, child in self._children.items() if (record := child.record) is not None
        }
        with suppress(OSError):  # a full disk must not stop what runs; the environment marks remain
            self._state.save()


class _Stores:
    """Where the stores are: ours, or those that the settings name."""

    def __init__(self, home: Home, credentials: Credentials, options: Options, ports: dict[str, int]) -> None:
        self._postgres = parts.postgres_server(home, credentials, ports)
        self._valkey = parts.valkey_server(home, credentials, ports)
        self._options = options
        self.database_url = options.database_url or self._postgres.dsn(databases.PLATFORM)
        self.redis_url = options.redis_url or self._valkey.url
        self.candles_url = databases.beside(self.database_url, options.candles_database)

    @property
    def is_embedded(self) -> bool:
        return self._options.database_url is None

    def parts(self) -> list[Part]:
        chosen = []
        if self._options.redis_url is None:
            chosen.append(parts.valkey_part(self._valkey))
        if self._options.database_url is None:
            chosen.append(parts.postgres_part(self._postgres))
        return chosen


def addresses(options: Options) -> dict[str, str]:
    """What to open, by name."""
    base = f"http://127.0.0.1:{options.port}"
    return {
        "API": f"{base}/api/v1",
        "Docs": f"{base}/docs",
        "WebSocket": f"ws://127.0.0.1:{options.port}/ws",
        "Health": f"{base}/health/ready",
    }


def _problem_of(starting: asyncio.Task[None], home: Home) -> MachineProblem | None:
    """Why it could not start, as a sentence, or None when it could."""
    error = starting.exception()
    if error is None or isinstance(error, MachineProblem):
        return error
    if isinstance(error, OSError):
        return cannot_write(home.path, error)
    raise error


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first real cause of a group, however nested."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            return _first(error)
        if not isinstance(error, asyncio.CancelledError):
            return error
    return group
