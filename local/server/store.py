"""``python -m local.server.store postgres|valkey``: becomes the embedded server that the settings name.

The process is replaced, so that systemd watches and stops the server itself. Port and password are those of
DATABASE_URL and REDIS_URL; the data lies in STATE_DIRECTORY, which systemd gives.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from local.errors import MachineProblem
from local.stores.account import Account
from local.stores.postgres import Postgres
from local.stores.valkey import Valkey


def main() -> int:
    """Become the server; returns only when that is not possible."""
    try:
        if sys.argv[1:] == ["postgres"]:
            postgres = postgres_of(os.environ)
            postgres.initialise()
            postgres.recover()
            os.chdir(postgres.working_directory)
            _leave(postgres.account)
            command, environment = postgres.command(), postgres.environment()
        elif sys.argv[1:] == ["valkey"]:
            valkey = valkey_of(os.environ)
            valkey.initialise()
            command, environment = valkey.command(), valkey.environment()
        else:
            print("usage: python -m local.server.store postgres|valkey", file=sys.stderr)
            return 2
        os.execve(command[0], command, environment)  # noqa: S606 - to become it is the purpose
    except KeyError as error:
        print(f"The environment variable {error.args[0]} is not set.", file=sys.stderr)
    except (MachineProblem, OSError) as error:
        print(error, file=sys.stderr)
    return 1


def postgres_of(environment: Mapping[str, str]) -> Postgres:
    """The embedded PostgreSQL of an installation; ``KeyError`` names the variable that is missing."""
    parts = urlsplit(environment["DATABASE_URL"])
    return Postgres(_state(environment) / "postgres", parts.port or 5432, unquote(parts.password or ""))


def valkey_of(environment: Mapping[str, str]) -> Valkey:
    """The embedded Valkey of an installation; ``KeyError`` names the variable that is missing."""
    parts = urlsplit(environment["REDIS_URL"])
    return Valkey(_state(environment) / "valkey", parts.port or 6379, unquote(parts.password or ""))


def _state(environment: Mapping[str, str]) -> Path:
    return Path(environment["STATE_DIRECTORY"].partition(":")[0])


def _leave(account: Account | None) -> None:
    """PostgreSQL refuses to run as root."""
    if account is not None:
        os.setgroups([])
        os.setgid(account.group)
        os.setuid(account.user)


if __name__ == "__main__":
    sys.exit(main())
