"""Where the streamer's AWS credentials come from: the environment, or the role of its container task.

Source: AWS SDKs and Tools Reference Guide, "Container credential provider". The task's endpoint gives temporary
credentials with their end; they are asked for again some minutes before it.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from fullon.kernel.clock import Clock
from fullon.kernel.errors import Unavailable
from fullon.streams.sigv4 import Credentials

_TASK_ENDPOINT = "http://169.254.170.2"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "169.254.170.2", "169.254.170.23")
_EARLY = timedelta(minutes=5)
_PATIENCE_SECONDS = 5


class CredentialSource:
    """Gives credentials that are in force.

    Args:
        environment: of the process; holds them, or says where they are.
    """

    def __init__(self, environment: Mapping[str, str], clock: Clock) -> None:
        self._environment = environment
        self._clock = clock
        self._found: Credentials | None = None
        self._until: datetime | None = None

    async def get(self) -> Credentials:
        """Credentials that are in force for some minutes more.

        Raises:
            Unavailable: there are none, or the endpoint does not give them.
        """
        if self._found is None or (self._until is not None and self._clock.now() >= self._until - _EARLY):
            await self._look()
        assert self._found is not None
        return self._found

    async def _look(self) -> None:
        environment = self._environment
        access_key, secret_key = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
        if access_key and secret_key:
            self._found = Credentials(access_key, secret_key, environment.get("AWS_SESSION_TOKEN") or None)
            return
        try:
            document = await asyncio.to_thread(_ask, _address(environment), _authorization(environment))
            self._until = datetime.fromisoformat(document["Expiration"])
            self._found = Credentials(document["AccessKeyId"], document["SecretAccessKey"], document["Token"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unavailable("The credentials of this task cannot be had.", code="no_credentials") from error


def _address(environment: Mapping[str, str]) -> str:
    relative = environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    if relative:
        return _TASK_ENDPOINT + relative
    full = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
    parts = urlsplit(full)
    # What comes from elsewhere over plain HTTP could be anybody's.
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return full
    raise Unavailable("There are no AWS credentials in the environment.", code="no_credentials")


def _authorization(environment: Mapping[str, str]) -> str | None:
    path = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    return Path(path).read_text().strip() if path else environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")


def _ask(address: str, authorization: str | None) -> dict[str, str]:
    request = urllib.request.Request(address)  # noqa: S310 - the address was checked: https, or this machine's
    if authorization:
        request.add_header("Authorization", authorization)
    with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS) as answer:  # noqa: S310 - as above
        document: dict[str, str] = json.load(answer)
    return document
