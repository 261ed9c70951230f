"""Where the emulator is, what it is, and clients to its services."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from localstack_client import config as localstack

from local.errors import MachineProblem

REGION = "us-east-1"
ACCOUNT = "000000000000"
SECRET = "rehearsal"  # noqa: S105 - emulators take any
TOKEN = "LOCALSTACK_AUTH_TOKEN"  # noqa: S105 - the name of a variable
HEALTH = "/_localstack/health"
"""Both emulators answer there."""
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
EXECUTE_API = "/_aws/execute-api"


@dataclass(frozen=True)
class Emulator:
    """A running emulator.

    Attributes:
        endpoint: address of all its AWS APIs.
        name: as it calls itself, for people.
    """

    endpoint: str
    name: str

    def client(self, service: Any) -> Any:
        """A client of one service; its type follows from the name, so callers annotate what they get."""
        return client_of(service, self.endpoint, ACCOUNT, SECRET)

    def api(self, identifier: str, stage: str) -> str:
        """Address of an API's stage by path; its AWS host name does not resolve here."""
        return f"{self.endpoint}{EXECUTE_API}/{identifier}/{stage}"


def client_of(service: Any, endpoint: str, access_key: str, secret_key: str) -> Any:
    """A boto3 client to an endpoint of this machine, with a session of its own."""
    import boto3
    from botocore.config import Config

    settings = Config(
        connect_timeout=5,
        read_timeout=180,
        retries={"mode": "standard", "total_max_attempts": 3},
        s3={"addressing_style": "path"},
        proxies={},  # loopback is reached without the machine's proxy
    )
    session = boto3.session.Session(access_key, secret_key, region_name=REGION)
    return session.client(service, endpoint_url=endpoint, config=settings)


def wants_localstack(environment: Mapping[str, str]) -> bool:
    """Whether the person has a LocalStack to use instead of MiniStack."""
    return bool(environment.get(TOKEN, "").strip())


def look_up() -> str:
    """The endpoint that localstack-client finds: AWS_ENDPOINT_URL, LOCALSTACK_HOST, else http://localhost:4566.

    Raises:
        MachineProblem: it is no address, or not one of this machine: what is rehearsed never leaves it.
    """
    try:
        endpoint = localstack.get_service_endpoint("cloudformation") or ""
    except RuntimeError as error:
        raise MachineProblem(f"LOCALSTACK_HOST is not HOST:PORT: {error}.") from error
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise MachineProblem(f"{endpoint!r} is not the address of an emulator.", "Set AWS_ENDPOINT_URL.")
    if parts.hostname not in LOOPBACK:
        raise MachineProblem(
            f"The emulator at {parts.hostname} is not on this machine.",
            "A rehearsal deploys to loopback only; set AWS_ENDPOINT_URL=http://127.0.0.1:4566.",
        )
    return endpoint.rstrip("/")


async def connect(endpoint: str) -> Emulator:
    """The emulator that answers at an endpoint.

    Raises:
        MachineProblem: none does.
    """
    try:
        document = await asyncio.to_thread(_health, endpoint)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise MachineProblem(
            f"No emulator answers at {endpoint}.", f"Start LocalStack, or unset {TOKEN} to use MiniStack."
        ) from error
    title = "MiniStack" if document.get("edition") == "light" else "LocalStack"
    return Emulator(endpoint, f"{title} {document.get('version', '')}".strip())


def _health(endpoint: str) -> dict[str, Any]:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{endpoint}{HEALTH}", timeout=5) as answer:
        document = json.load(answer)
    if not isinstance(document, dict):
        raise ValueError("no object")  # noqa: TRY004 - as for any other answer that is not understood
    return document
