"""The signature by hand equals botocore's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from botocore import auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from fullon.kernel.clock import ManualClock
from fullon.kernel.errors import Unavailable
from fullon.streams.credentials import CredentialSource
from fullon.streams.gateway import GatewayClient
from fullon.streams.sigv4 import Credentials, Signer

HOST = "abc123.execute-api.eu-west-1.amazonaws.com"


async def nobody() -> Credentials:
    raise AssertionError("nobody signs here")


def by_botocore(credentials: Credentials, method: str, path: str, body: bytes, moment: datetime) -> dict[str, str]:
    """What botocore's signer adds to a request."""
    request = AWSRequest(method, f"https://{HOST}{path}", data=body, headers={"Host": HOST})
    signer = SigV4Auth(
        BotoCredentials(credentials.access_key, credentials.secret_key, credentials.token), "execute-api", "eu-west-1"
    )
    clock: Any = auth  # its typings know nothing of the function that gives it the time
    before = clock.get_current_datetime
    clock.get_current_datetime = lambda *_, **__: moment.replace(tzinfo=None)
    try:
        signer.add_auth(request)
    finally:
        clock.get_current_datetime = before
    return dict(request.headers.items())


@given(
    method=st.sampled_from(["POST", "GET", "DELETE"]),
    connection_id=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=20).filter(
        lambda name: name not in {".", ".."}  # steps in a path, which botocore takes and a gateway never gives out
    ),
    stage=st.sampled_from(["", "/prod", "/a b"]),
    body=st.binary(max_size=64),
    epoch=st.integers(1_600_000_000, 2_000_000_000),
    token=st.sampled_from([None, "IQoJb3JpZ2luX2VjE//="]),
)
def test_the_signature_is_botocores(
    method: str, connection_id: str, stage: str, body: bytes, epoch: int, token: str | None
) -> None:
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", token)
    target = GatewayClient(f"https://{HOST}{stage}", "eu-west-1", nobody).target(connection_id)
    path = target.line.decode().removeprefix(" ").removesuffix(" HTTP/1.1\r\n")

    lines = Signer(credentials, "eu-west-1", HOST).headers(method.encode(), target.canonical, body, epoch).decode()

    ours = dict(line.split(": ", 1) for line in lines.splitlines())
    theirs = by_botocore(credentials, method, path, body, datetime.fromtimestamp(epoch, UTC))
    assert ours == theirs


def test_a_new_day_and_a_new_second_are_signed_anew() -> None:
    credentials = Credentials("AKID", "secret")
    signer = Signer(credentials, "eu-west-1", HOST)
    target = GatewayClient(f"https://{HOST}", "eu-west-1", nobody).target("id=")

    for moment in (
        datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 3, 1, 0, 0, 0, tzinfo=UTC),
        datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC),
    ):
        lines = signer.headers(b"POST", target.canonical, b"{}", int(moment.timestamp())).decode()
        expected = by_botocore(credentials, "POST", "/@connections/id%3D", b"{}", moment)
        assert f"Authorization: {expected['Authorization']}" in lines


def test_secrets_are_not_shown() -> None:
    assert "hidden" not in repr(Credentials("AKID", "hidden", "hidden"))


@contextmanager
def a_task_endpoint(answers: list[dict[str, str]], asked: list[Any]) -> Iterator[str]:
    """The credentials endpoint of a container task."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization")))
            body = json.dumps(answers.pop(0)).encode() if answers else b"not JSON"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/creds"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(number: int, expires_at: datetime) -> dict[str, str]:
    return {
        "AccessKeyId": f"AKID{number}",
        "SecretAccessKey": "s",
        "Token": f"T{number}",
        "Expiration": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


async def test_credentials_of_the_environment_are_taken_as_they_are() -> None:
    environment = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T"}

    found = await CredentialSource(environment, ManualClock(datetime(2026, 1, 1, tzinfo=UTC))).get()

    assert found == Credentials("A", "S", "T")


async def test_credentials_of_a_task_are_asked_for_again_before_they_end() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    asked: list[Any] = []
    answers = [answer(number, clock.now() + timedelta(hours=number)) for number in (1, 2)]
    with a_task_endpoint(answers, asked) as address:
        environment = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": address,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "let me in",
        }
        source = CredentialSource(environment, clock)

        first = await source.get()
        clock.advance(54 * 60)
        still = await source.get()
        clock.advance(2 * 60)
        renewed = await source.get()

    assert first == still == Credentials("AKID1", "s", "T1")
    assert renewed == Credentials("AKID2", "s", "T2")
    assert asked == [("/creds", "let me in")] * 2


@pytest.mark.parametrize(
    "environment", [{}, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.test/x"}, {"AWS_ACCESS_KEY_ID": "A"}]
)
async def test_no_credentials_are_said_and_none_are_fetched_from_strangers(environment: dict[str, str]) -> None:
    with pytest.raises(Unavailable):
        await CredentialSource(environment, ManualClock(datetime(2026, 1, 1, tzinfo=UTC))).get()


async def test_an_endpoint_that_answers_nonsense_is_unavailable() -> None:
    with a_task_endpoint([], []) as address, pytest.raises(Unavailable):
        environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": address}
        await CredentialSource(environment, ManualClock(datetime(2026, 1, 1, tzinfo=UTC))).get()
