"""The single steps of a rehearsal; each prints what it does and raises MachineProblem when it cannot."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from redis.asyncio import Redis

from fullon.kernel.clock import SystemClock
from fullon.runtime import manifest
from local import ports as port_choice
from local.credentials import Credentials
from local.errors import MachineProblem
from local.home import REPOSITORY, Home
from local.rehearsal import assembly, first_calls, repairs, suite
from local.rehearsal.agent import Agent
from local.rehearsal.crew import Crew
from local.rehearsal.deploy import Deployer
from local.rehearsal.emulator import REGION, Emulator, client_of, connect, look_up, wants_localstack
from local.rehearsal.installation import Installation
from local.rehearsal.ministack import PREFERRED_PORT, ensure_environment, ministack_part
from local.rehearsal.options import Options
from local.rehearsal.process import last_lines, run_to_end
from local.stores.postgres import Postgres
from local.supervisor import databases, parts
from local.supervisor.environment import MARK
from local.supervisor.report import Report
from local.supervisor.venue_session import session_of

PORT_NAMES = ["postgres", "valkey", "paper", "ecs", "front"]
SHOWN_LINES = 60
CACHE_USER = "fullon"


class Stage:
    """What a rehearsal is made of."""

    def __init__(
        self,
        options: Options,
        home: Home,
        inherited: Mapping[str, str],
        report: Report,
        credentials: Credentials,
        crew: Crew,
        ports: Mapping[str, int],
        scratch: Path,
    ) -> None:
        self._options = options
        self._home = home
        self._inherited = inherited
        self._report = report
        self._credentials = credentials
        self._crew = crew
        self._ports = ports
        self._scratch = scratch
        self._valkey = parts.valkey_server(home, credentials, ports)
        self._database_password = ""

    async def synthesise(self) -> list[assembly.Stack]:
        """The stacks of the profile `local`, with the functions' artefacts for this machine."""
        folder = self._options.assembly or self._home.path / "cdk.out"
        if self._options.assembly is None:
            output = self._home.logs / "synthesis.txt"
            command = [sys.executable, "-m", "infra.app", "--profile", "local", "--bundle", "--out", str(folder)]
            with self._report.step("Templates") as details:
                environment = {**self._inherited, MARK: self._credentials.instance}
                environment.pop("PYTHONDONTWRITEBYTECODE", None)
                if await run_to_end(command, environment, REPOSITORY, output) != 0:
                    [reason] = last_lines(output, 1) or ["it said nothing"]
                    raise MachineProblem(f"The templates cannot be synthesised: {reason}", f"All of it is in {output}.")
                stacks = assembly.read(folder)
                assembly.forget_others(folder, stacks)
                details.append(f"{len(stacks)} stacks")
            return stacks
        return assembly.read(folder)

    async def start_emulator(self) -> Emulator:
        """MiniStack of our own, or the LocalStack that runs."""
        if wants_localstack(self._inherited):
            with self._report.step("Emulator") as details:
                emulator = await connect(look_up())
                details.append(f"{emulator.name} at {emulator.endpoint}")
            return emulator
        with self._report.step("MiniStack's environment"):
            interpreter = await asyncio.to_thread(ensure_environment)
        taken = frozenset(self._ports.values())
        port = PREFERRED_PORT if port_choice.is_free(PREFERRED_PORT) else port_choice.free_port(taken)
        await self._crew.start(ministack_part(interpreter, port, self._scratch, self._inherited))
        return await connect(f"http://127.0.0.1:{port}")

    async def start_valkey(self) -> None:
        """The embedded Valkey."""
        await self._crew.start(parts.valkey_part(self._valkey))

    async def start_venue(self) -> None:
        """The paper venue, which can be made to go wrong."""
        session = session_of(self._home, self._options.speed, SystemClock())
        environment = self._base_environment()
        await self._crew.start(parts.paper_part(self._home, session, self._ports["paper"], environment, control=True))

    async def deploy(self, stacks: list[assembly.Stack], emulator: Emulator, cleanup: AsyncExitStack) -> Installation:
        """Stack by stack; PostgreSQL between the one with its password and the next."""
        deployer = Deployer(emulator, self._parameters())
        installation = Installation(emulator)
        await deployer.bootstrap()
        if wants_localstack(self._inherited):  # it goes on running afterwards
            await deployer.remove([stack.name for stack in stacks])
            cleanup.push_async_callback(deployer.remove, [stack.name for stack in stacks])
        for stack in stacks:
            with self._report.step(f"Stack {stack.name}") as details:
                deployed = await deployer.deploy(stack)
                details.append(f"{len(deployed.resources)} resources")
            template = stack.document()
            repairs.generated_secrets(emulator.client("secretsmanager"), template, deployed)
            repairs.authorizers(emulator.client("apigatewayv2"), template, deployed)
            installation.stacks.append(deployed)
            if not self._database_password and (password := installation.secret("database")):
                self._database_password = password
                await self._crew.start(parts.postgres_part(self._postgres()))
                await databases.create_if_absent(self._dsn())
                await self._let_in(installation.secret("cache") or "")
        if not self._database_password:
            raise MachineProblem("No stack has the secret of the database.")
        return installation

    async def seed(self, installation: Installation) -> None:
        """The paper venue's catalogue and, where the deployment made none, the administrator."""
        variables = {
            "DATABASE_URL": self._dsn(),
            "REDIS_URL": self._valkey.url,
            "ENVIRONMENT": "local",
            "ADMIN_MAIL": self.admin_mail(installation),
            "FULLON_ADMIN_PASSWORD": self.admin_password(installation),
        }
        with self._report.step("Seed"):
            await databases.run_module("local.seed", "The seed", {**self._base_environment(), **variables})

    async def start_agent(self, installation: Installation) -> Agent:
        """The local ECS endpoint, and the agent that gives it what the emulator's services want."""
        emulator = installation.emulator
        environment = self._base_environment()
        await self._crew.start(parts.ecs_part(self._home, self._ports["ecs"], environment))
        own = client_of(
            "ecs",
            f"http://127.0.0.1:{self._ports['ecs']}",
            self._credentials.aws_access_key_id,
            self._credentials.aws_secret_access_key,
        )
        overrides = {
            "AWS_ENDPOINT_URL": emulator.endpoint,
            "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI": installation.api("WEBSOCKET"),
            "EXCHANGE_URL_PAPER": self._venue_url(),
        }
        return Agent(
            repairs.task_definitions(emulator.client("ecs")), emulator.client("secretsmanager"), own, overrides
        )

    async def call_functions(self, installation: Installation) -> None:
        """Call each HTTP function once; also its first start."""
        with self._report.step("Functions") as details:
            statuses = await first_calls.call_each(installation, manifest.load())
            details.append(f"{len(statuses)} answer")

    async def test(self, installation: Installation, url: str) -> bool:
        """Run the suite and print what came of it."""
        environment = suite.environment_for(
            self._inherited,
            url=url,
            venue=self._venue_url(),
            admin=self.admin_mail(installation),
            password=self.admin_password(installation),
            logs=self._home.logs,
        )
        environment[MARK] = self._credentials.instance
        tests = suite.Suite(environment, self._home.logs, self._say, self._options.tests)
        with self._report.step("End-to-end tests") as details:
            result = await tests.run()
            details.append(f"{result.count('passed')} passed")
        if not result.is_good:
            self._report.lines(last_lines(result.output, SHOWN_LINES))
        self._report.lines(["", *suite.table(result), ""])
        return result.is_good

    def addresses(self, installation: Installation, url: str) -> dict[str, str]:
        """What to open, by name."""
        return {
            "API": f"{url}/api/v1",
            "WebSocket": url.replace("http://", "ws://") + "/ws",
            "Log in": f"{self.admin_mail(installation)}, password {self.admin_password(installation)}",
            "Emulator": installation.emulator.endpoint,
            "Venue": self._venue_url(),
            "Logs": str(self._home.logs),
        }

    def admin_mail(self, installation: Installation) -> str:
        """Who may log in first, as the functions are told."""
        return installation.variables("migrate").get("ADMIN_MAIL", "admin@fullon")

    def admin_password(self, installation: Installation) -> str:
        """Their password, as CloudFormation generated it."""
        password = installation.secret("admin")
        if password is None:
            raise MachineProblem("No stack has the secret of the administrator.")
        return password

    async def _let_in(self, password: str) -> None:
        """Make the cache's user of the templates, with the password that CloudFormation generated."""
        async with Redis.from_url(self._valkey.url) as valkey:
            await valkey.acl_setuser(
                CACHE_USER, enabled=True, passwords=[f"+{password}"], keys=["*"], channels=["*"], commands=["+@all"]
            )

    def _say(self, line: str) -> None:
        self._report.lines([f"  {line}"])

    def _parameters(self) -> dict[str, str]:
        return {
            "DatabaseHost": "127.0.0.1",
            "DatabasePort": str(self._ports["postgres"]),
            "CacheHost": "127.0.0.1",
            "CachePort": str(self._ports["valkey"]),
            "VenueUrl": self._venue_url(),
        }

    def _venue_url(self) -> str:
        return f"http://127.0.0.1:{self._ports['paper']}"

    def _dsn(self) -> str:
        return self._postgres().dsn(databases.PLATFORM)

    def _postgres(self) -> Postgres:
        return Postgres(self._home.postgres, self._ports["postgres"], self._database_password)

    def _base_environment(self) -> dict[str, str]:
        """Of processes of ours: a machine's, without settings of the product."""
        passed_on = {name: self._inherited[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in self._inherited}
        return passed_on | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), passed_on.get("PATH", os.defpath)]),
            "AWS_ACCESS_KEY_ID": self._credentials.aws_access_key_id,
            "AWS_SECRET_ACCESS_KEY": self._credentials.aws_secret_access_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "LOG_FORMAT": "json",
            "PYTHONUNBUFFERED": "1",
        }
