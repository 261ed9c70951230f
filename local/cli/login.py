"""`fullon login` and `fullon logout`.

A password comes from standard input, the environment or a prompt, never as an argument: those are visible to others.
"""

from __future__ import annotations

import os
import sys
import time

from local.cli.api import Api
from local.cli.errors import REFUSED, CommandFailed
from local.cli.output import say
from local.home import REPOSITORY, environment_of


def log_in(mail: str | None, *, from_stdin: bool) -> None:
    """Open a session and keep its tokens in the home, readable by the owner only."""
    environment = environment_of(REPOSITORY, os.environ)
    api = Api(environment)
    chosen = mail or environment.get("ADMIN_MAIL") or "admin@fullon"
    tokens = api.log_in(chosen, _password(chosen, from_stdin, environment.get("FULLON_ADMIN_PASSWORD")))
    minutes = round((tokens.expires_at - time.time()) / 60)
    say(f"Logged in at {api.url} as {chosen}; the token is renewed by itself ({minutes} minutes).")


def log_out() -> None:
    """End the session."""
    Api().log_out()
    say("Logged out.")


def _password(mail: str, from_stdin: bool, from_environment: str | None) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif from_environment:
        password = from_environment
    elif sys.stdin.isatty():
        from getpass import getpass

        password = getpass(f"Password of {mail}: ")
    else:
        raise CommandFailed(
            "There is no terminal to ask for the password.",
            "Use --password-stdin or set FULLON_ADMIN_PASSWORD.",
            exit_code=REFUSED,
        )
    if not password:
        raise CommandFailed("The password is empty.", exit_code=REFUSED)
    return password
