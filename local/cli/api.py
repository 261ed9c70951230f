"""The platform's HTTP API as the command uses it: address, session, refresh, errors as sentences."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import httpx2

from local.cli.errors import NOT_RUNNING, REFUSED, CommandFailed
from local.errors import MachineProblem
from local.home import REPOSITORY, Home, cannot_write, environment_of, read_mapping, write_private
from local.supervisor.options import Options
from local.supervisor.state import read_state

TIMEOUT_SECONDS = 35.0
REFRESH_BEFORE_SECONDS = 30.0
LOG_IN_FIRST = "Log in with `fullon login`."


class Api:
    """Calls on behalf of the person who logged in with `fullon login`.

    `url` is FULLON_URL, else the running platform of this home, else FULLON_PORT on this machine.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        merged = environment_of(REPOSITORY, os.environ if environment is None else environment)
        self.home = Home.named(merged)
        self.url = (merged.get("FULLON_URL") or _local_url(self.home, merged)).rstrip("/")
        # Loopback needs no proxy, and a remote platform is reached the way the environment says.
        self._client = httpx2.Client(
            base_url=self.url, timeout=TIMEOUT_SECONDS, trust_env="127.0.0.1" not in self.url, follow_redirects=False
        )
        self._session = read_mapping(self.home.session)

    @property
    def web_socket_url(self) -> str:
        """Where the socket is."""
        return "ws" + self.url.removeprefix("http") + "/ws"

    def log_in(self, mail: str, password: str) -> dict[str, Any]:
        """Open a session and keep it; raises CommandFailed when it is refused."""
        answer = self._send("POST", "/api/v1/auth/login", json={"username": mail, "password": password})
        pair: dict[str, Any] = self._result(answer, "The log-in was refused.")
        self._keep(mail, pair)
        return pair

    def log_out(self) -> None:
        """End the session at the platform and forget it here; nothing to do without one."""
        if self._session.get("url") == self.url:
            try:
                self.call("POST", "/api/v1/auth/logout")
            except CommandFailed as error:
                if error.exit_code != REFUSED:
                    raise
        self.home.session.unlink(missing_ok=True)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON answer of an authorised call; refreshes the session when it is about to end or was refused once.

        A gateway answers 403 to a token that has ended, as an application does to somebody who may not.

        Raises:
            CommandFailed: not logged in, refused, not reachable, or any other problem the platform names.
        """
        if self._session.get("url") != self.url:
            raise CommandFailed(f"You are not logged in at {self.url}.", LOG_IN_FIRST, exit_code=REFUSED)
        if float(self._session.get("expires_at", 0)) - time.time() < REFRESH_BEFORE_SECONDS:
            self._refresh()
        answer = self._send(method, path, headers=self._bearer(), **options)
        if answer.status_code == 401 or _is_refused_by_gateway(answer):
            self._refresh()
            answer = self._send(method, path, headers=self._bearer(), **options)
        return self._result(answer, "The call was refused.")

    def _refresh(self) -> None:
        answer = self._send("POST", "/api/v1/auth/refresh", json={"refresh_token": self._session.get("refresh_token")})
        if answer.status_code in {400, 401, 403, 422}:
            raise CommandFailed(
                "Your session has ended.", LOG_IN_FIRST, exit_code=REFUSED, request_id=_request_id(answer)
            )
        self._keep(str(self._session.get("mail", "")), self._result(answer, "The session was not renewed."))

    def _keep(self, mail: str, pair: Mapping[str, Any]) -> None:
        self._session = {
            "url": self.url,
            "mail": mail,
            "access_token": pair["access_token"],
            "refresh_token": pair["refresh_token"],
            "expires_at": time.time() + float(pair["expires_in"]),
        }
        try:
            self.home.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            write_private(self.home.session, self._session)
        except OSError as error:
            raise cannot_write(self.home.session, error) from error

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._session['access_token']}"}

    def _send(self, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            return self._client.request(method, path, **options)
        except httpx2.TimeoutException as error:
            raise CommandFailed(
                f"{self.url} did not answer in time.",
                "`fullon status` and `fullon logs` show why.",
                exit_code=NOT_RUNNING,
            ) from error
        except httpx2.HTTPError as error:
            raise CommandFailed(
                f"{self.url} cannot be reached.", "Start the platform with `fullon up`.", exit_code=NOT_RUNNING
            ) from error

    @staticmethod
    def _result(answer: httpx2.Response, refusal: str) -> Any:
        try:
            body = answer.json() if answer.content else {}
        except ValueError:
            body = {}
        if answer.is_success:
            return body
        detail = (body.get("detail") or body.get("message") or refusal) if isinstance(body, dict) else refusal
        for field in body.get("errors", []) if isinstance(body, dict) else []:
            if isinstance(field, dict) and field.get("detail"):
                detail += f" {field.get('field') or field.get('pointer') or ''}: {field['detail']}"
        unavailable = answer.status_code in {502, 503, 504}
        code = REFUSED if answer.status_code in {401, 403} else NOT_RUNNING if unavailable else 1
        step = LOG_IN_FIRST if answer.status_code == 401 else "`fullon logs` shows why." if unavailable else ""
        raise CommandFailed(str(detail), step, exit_code=code, request_id=_request_id(answer))


def _local_url(home: Home, environment: Mapping[str, str]) -> str:
    port = read_state(home).get("ports", {}).get("gateway")
    try:
        return f"http://127.0.0.1:{port or Options.of(environment).port}"
    except MachineProblem as problem:
        raise CommandFailed(problem.detail, problem.next_step) from problem


def _is_refused_by_gateway(answer: httpx2.Response) -> bool:
    """An application names its reason; Amazon's gateway gives none, ours and the one server's theirs."""
    if answer.status_code != 403:
        return False
    try:
        body = answer.json()
    except ValueError:
        return True
    return not isinstance(body, dict) or body.get("code") in {None, "credential_refused"}


def _request_id(answer: httpx2.Response) -> str | None:
    return answer.headers.get("x-request-id")
