"""The platform's HTTP API as the command uses it: which platform, whose session, errors as sentences and exit codes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fullon_client import AsyncClient, Client, ClientError, Problem, Retries, SessionEnded, Tokens, Unreachable, auth
from local.cli.errors import NOT_RUNNING, REFUSED, CommandFailed
from local.errors import MachineProblem
from local.home import REPOSITORY, Home, cannot_write, environment_of, read_mapping, write_private
from local.supervisor.options import Options
from local.supervisor.state import read_state

T = TypeVar("T")

LOG_IN_FIRST = "Log in with `fullon login`."
ONCE = Retries(attempts=1)
"""A person at a terminal hears at once what is wrong."""


class Api:
    """Calls on behalf of the person who logged in with `fullon login`.

    `url` is FULLON_URL, else the running platform of this home, else FULLON_PORT on this machine.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        merged = environment_of(REPOSITORY, os.environ if environment is None else environment)
        self.home = Home.named(merged)
        self.url = (merged.get("FULLON_URL") or _local_url(self.home, merged)).rstrip("/")
        session = read_mapping(self.home.session)
        self._mail = str(session.get("mail", ""))
        self._client = Client(self.url, tokens=_tokens(session, self.url), on_tokens=self._keep, retries=ONCE)

    def log_in(self, mail: str, password: str) -> Tokens:
        """Open a session and keep it; raises CommandFailed when it is refused."""
        self._mail = mail
        return answered(self.url, lambda: self._client.log_in(mail, password))

    def log_out(self) -> None:
        """End the session at the platform and forget it here; nothing to do without one."""
        if self._client.credential.tokens is not None:
            try:
                answered(self.url, lambda: self._client.send(auth.log_out()))
            except CommandFailed as error:
                if error.exit_code != REFUSED:
                    raise
        self.home.session.unlink(missing_ok=True)

    def call(self, method: str, path: str) -> Any:
        """The JSON answer of an authorised call.

        Raises:
            CommandFailed: not logged in, refused, not reachable, or any other problem the platform names.
        """
        self._tokens()
        return answered(self.url, lambda: self._client.request(method, path))

    def streaming(self) -> AsyncClient:
        """A client for live streams, of the same session; raises CommandFailed without one."""
        return AsyncClient(self.url, tokens=self._tokens(), on_tokens=self._keep, retries=ONCE)

    def _tokens(self) -> Tokens:
        tokens = self._client.credential.tokens
        if tokens is None:
            raise CommandFailed(f"You are not logged in at {self.url}.", LOG_IN_FIRST, exit_code=REFUSED)
        return tokens

    def _keep(self, tokens: Tokens | None) -> None:
        if tokens is None:
            return
        session = {
            "url": self.url,
            "mail": self._mail,
            "access_token": tokens.access,
            "refresh_token": tokens.refresh,
            "expires_at": tokens.expires_at,
        }
        try:
            self.home.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            write_private(self.home.session, session)
        except OSError as error:
            raise cannot_write(self.home.session, error) from error


def answered(url: str, action: Callable[[], T]) -> T:
    """What an action of the client gives; raises CommandFailed for what it raises."""
    try:
        return action()
    except ClientError as error:
        raise failed(url, error) from error


def failed(url: str, error: ClientError) -> CommandFailed:
    """An error of the client as the end of a command."""
    if isinstance(error, Unreachable):
        if error.timed_out:
            step = "`fullon status` and `fullon logs` show why."
            return CommandFailed(f"{url} did not answer in time.", step, exit_code=NOT_RUNNING)
        return CommandFailed(f"{url} cannot be reached.", "Start the platform with `fullon up`.", exit_code=NOT_RUNNING)
    if isinstance(error, SessionEnded):
        return CommandFailed("Your session has ended.", LOG_IN_FIRST, exit_code=REFUSED, request_id=error.request_id)
    if not isinstance(error, Problem):
        return CommandFailed(error.detail)
    detail = error.detail + "".join(f" {name}: {message}" for name, message in error.fields.items())
    unavailable = error.status in {502, 503, 504}
    code = REFUSED if error.status in {401, 403} else NOT_RUNNING if unavailable else 1
    step = LOG_IN_FIRST if error.status == 401 else "`fullon logs` shows why." if unavailable else ""
    return CommandFailed(detail, step, exit_code=code, request_id=error.request_id)


def _tokens(session: Mapping[str, Any], url: str) -> Tokens | None:
    """Those that were kept, if they are of this platform."""
    if session.get("url") != url or "access_token" not in session:
        return None
    return Tokens(str(session["access_token"]), str(session.get("refresh_token")), float(session.get("expires_at", 0)))


def _local_url(home: Home, environment: Mapping[str, str]) -> str:
    port = read_state(home).get("ports", {}).get("gateway")
    try:
        return f"http://127.0.0.1:{port or Options.of(environment).port}"
    except MachineProblem as problem:
        raise CommandFailed(problem.detail, problem.next_step) from problem
