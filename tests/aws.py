"""Amazon's side of a test: moto's services in this process, and answers that moto cannot give."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

REGION = "us-east-1"


@contextmanager
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Calls of boto3 that name no endpoint are answered by moto, from nothing."""
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        yield


def secrets_manager() -> SecretsManagerClient:
    """A client of moto's Secrets Manager."""
    import boto3

    return boto3.session.Session(region_name=REGION).client("secretsmanager")


@dataclass
class Answers:
    """What an endpoint says, one after the other; the last one for ever. Attached to a client before it sends."""

    statuses: Sequence[tuple[int, dict[str, Any]]]
    requests: list[str] = field(default_factory=list)

    def attach(self, client: Any, service: str) -> None:
        """Answer in place of the network; retries, time-outs and parsing stay botocore's own."""
        client.meta.events.register(f"before-send.{service}.*", self)

    def __call__(self, request: Any, **_: Any) -> AWSResponse:
        status, document = self.statuses[min(len(self.requests), len(self.statuses) - 1)]
        self.requests.append(request.headers.get("X-Amz-Target", b"").decode().rpartition(".")[2])
        body = json.dumps(document).encode()
        headers: Any = {"Content-Type": "application/x-amz-json-1.1"}
        response = AWSResponse(request.url, status, headers, BytesIO(body))
        response._content = body  # type: ignore[attr-defined]
        return response


def refusal(code: str, status: int = 400) -> tuple[int, dict[str, Any]]:
    """An error of the JSON protocol."""
    return status, {"__type": code, "message": f"{code} in a test"}
