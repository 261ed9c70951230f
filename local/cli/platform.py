"""The running platform of this home as other commands see it: state file, secrets, environment of its processes."""

from __future__ import annotations

import os
from typing import Any

from local.cli.errors import CommandFailed, not_running
from local.credentials import Credentials
from local.home import REPOSITORY, Home, environment_of, holder_of
from local.supervisor import databases
from local.supervisor.environment import children_environment
from local.supervisor.options import Options
from local.supervisor.parts import postgres_server, valkey_server
from local.supervisor.state import read_state


def this_home() -> Home:
    """The home that the environment and `.env` choose."""
    return Home.named(environment_of(REPOSITORY, os.environ))


def running_state(home: Home) -> dict[str, Any]:
    """The state of the run; raises CommandFailed with exit code 3 when nothing runs."""
    try:
        holder = holder_of(home)
        state = read_state(home)
    except PermissionError as error:
        raise CommandFailed(
            f"{home.path} belongs to another account.", "Run this as the one that started it."
        ) from error
    if holder is None or not state:
        raise not_running(home.path)
    return state


def process_environment(home: Home) -> dict[str, str]:
    """What the processes of the running platform were given; holds secrets."""
    inherited = environment_of(REPOSITORY, os.environ)
    ports = running_state(home)["ports"]
    options = Options.of(inherited)
    credentials = Credentials.of(home)
    database_url = options.database_url or postgres_server(home, credentials, ports).dsn(databases.PLATFORM)
    return children_environment(
        inherited,
        credentials,
        options,
        ports,
        database_url=database_url,
        redis_url=options.redis_url or valkey_server(home, credentials, ports).url,
    )
