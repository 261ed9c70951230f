"""The processes of the platform: how each is started and when it serves."""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from local.credentials import Credentials
from local.demo_data import DEFAULT_DIRECTORY, FILE_NAME
from local.home import REPOSITORY, Home
from local.stores.postgres import Postgres
from local.stores.valkey import Valkey
from local.supervisor.child import Command, Part
from local.supervisor.options import Options
from local.supervisor.readiness import wait_for_port
from local.supervisor.venue_session import VenueSession

PORT_NAMES = ["postgres", "valkey", "paper", "ecs", "management"]
"""Internal listeners; the public one is FULLON_PORT."""


def postgres_server(home: Home, credentials: Credentials, ports: Mapping[str, int]) -> Postgres:
    """The embedded PostgreSQL of a home."""
    return Postgres(home.postgres, ports["postgres"], credentials.database_password)


def valkey_server(home: Home, credentials: Credentials, ports: Mapping[str, int]) -> Valkey:
    """The embedded Valkey of a home."""
    return Valkey(home.valkey, ports["valkey"], credentials.valkey_password)


def postgres_part(server: Postgres) -> Part:
    """The embedded PostgreSQL; SIGINT is its fast, clean stop."""

    def command() -> Command:
        server.initialise()
        server.recover()
        return Command(server.command(), server.environment(), server.working_directory, server.account, signal.SIGINT)

    return Part("postgres", "PostgreSQL", server.port, command, server.wait_until_ready)


def valkey_part(server: Valkey) -> Part:
    """The embedded Valkey."""

    def command() -> Command:
        server.initialise()
        return Command(server.command(), server.environment(), server.data)

    return Part("valkey", "Valkey", server.port, command, server.wait_until_ready)


def paper_part(home: Home, session: VenueSession, port: int, environment: Mapping[str, str], *, control: bool) -> Part:
    """The paper venue; with `control` it can be made to go wrong."""
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--log-format", "json", *session.arguments]
    arguments += ["--store", str(home.paper_books), "--demo-account", str(home.paper_account)]
    recorded = DEFAULT_DIRECTORY / FILE_NAME
    if recorded.is_file():
        arguments += ["--data", str(recorded)]
    if control:
        arguments.append("--control")
    return _module("paper", "Paper venue", "local.paper", arguments, port, environment)


def gateway_part(home: Home, options: Options, management: int, environment: Mapping[str, str]) -> Part:
    """The gateway with the function workers below it; its management listener is internal."""
    arguments = ["--host", "127.0.0.1", "--port", str(options.port), "--management-port", str(management)]
    arguments += ["--home", str(home.path), "--warm", "health"]  # asked as soon as the databases are there
    return _module("gateway", "Gateway", "local.gateway", arguments, options.port, environment)


def ecs_part(home: Home, port: int, environment: Mapping[str, str]) -> Part:
    """The ECS endpoint with the daemons below it."""
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--state", str(home.ecs), "--log-dir", str(home.logs)]
    return _module("ecs", "ECS endpoint", "local.ecs", arguments, port, environment)


def _module(
    name: str, title: str, module: str, arguments: list[str], port: int, environment: Mapping[str, str]
) -> Part:
    command = Command([sys.executable, "-m", module, *arguments], environment, REPOSITORY)
    ready: Callable[[], Awaitable[None]] = partial(wait_for_port, port)
    return Part(name, title, port, lambda: command, ready)
