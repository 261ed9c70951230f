"""Sessions: renewed in time, or when refused; once, whoever finds out; and ended when they are ended."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx2
import pytest

from fullon_client import AsyncClient, Client, NotAllowed, Retries, SessionEnded, Tokens, auth, users
from fullon_client.errors import NotAuthenticated

URL = "http://fullon.test"
ME = {
    "uid": "0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11",
    "mail": "a@example.com",
    "name": "A",
    "lastname": "B",
    "phone": "",
    "id_num": "",
    "note": "",
    "role": "trader",
    "active": True,
    "manager_uid": None,
    "created_at": "2026-08-17T00:00:00Z",
    "updated_at": "2026-08-17T00:00:00Z",
}


class Platform:
    """Accepts the newest access token alone, and each refresh token once."""

    def __init__(self, refusal: tuple[int, dict[str, object]] = (401, {"code": "session_ended"})) -> None:
        self.generation = 0
        self.asked: list[str] = []
        self.refusal = refusal
        self.accepts_renewal = True
        self._lock = threading.Lock()

    def tokens(self, expires_in: float = 3600) -> Tokens:
        return Tokens(f"access-{self.generation}", f"refresh-{self.generation}", time.time() + expires_in)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        with self._lock:
            self.asked.append(request.url.path)
            if request.url.path.endswith("/refresh"):
                if not self.accepts_renewal or json.loads(request.content)["refresh_token"] != self.tokens().refresh:
                    return httpx2.Response(401, json={"code": "session_ended", "detail": "It has ended."})
                self.generation += 1
                tokens = self.tokens()
                return httpx2.Response(
                    200,
                    json={"access_token": tokens.access, "refresh_token": tokens.refresh, "expires_in": 3600},
                )
            if request.headers.get("authorization") != f"Bearer {self.tokens().access}":
                return httpx2.Response(self.refusal[0], json=self.refusal[1])
            return httpx2.Response(200, json=ME)

    @property
    def renewals(self) -> int:
        return sum(path.endswith("/refresh") for path in self.asked)


def client_of(platform: Platform, tokens: Tokens, kept: list[Tokens | None] | None = None) -> Client:
    return Client(
        URL,
        tokens=tokens,
        on_tokens=None if kept is None else kept.append,
        transport=httpx2.MockTransport(platform.answer),
        retries=Retries(attempts=1),
    )


def test_a_token_about_to_end_is_renewed_before_the_call_and_kept() -> None:
    platform, kept = Platform(), list[Tokens | None]()

    with client_of(platform, platform.tokens(expires_in=10), kept) as client:
        client.send(users.me())

    assert platform.asked == ["/api/v1/auth/refresh", "/api/v1/orm/users/me"]
    assert [tokens.access for tokens in kept if tokens] == ["access-1"]


@pytest.mark.parametrize(
    "refusal",
    [
        (401, {"code": "session_ended"}),
        (403, {"message": "Forbidden"}),
        (403, {"code": "credential_refused", "detail": "Not valid."}),
    ],
    ids=["application", "amazon", "ours"],
)
def test_a_token_that_is_refused_is_renewed_and_the_call_sent_again(refusal: tuple[int, dict[str, object]]) -> None:
    platform = Platform(refusal)

    with client_of(platform, replace(platform.tokens(), access="stale")) as client:
        assert client.send(users.me()).mail == "a@example.com"

    assert platform.renewals == 1


def test_somebody_who_may_not_is_told_so_and_nothing_is_renewed() -> None:
    platform = Platform((403, {"code": "role_not_allowed", "detail": "Only admins may."}))

    stale = replace(platform.tokens(), access="of a viewer")
    with client_of(platform, stale) as client, pytest.raises(NotAllowed, match="Only admins may"):
        client.send(users.every())

    assert platform.renewals == 0


def test_of_many_threads_one_renews() -> None:
    platform = Platform()

    with client_of(platform, platform.tokens(expires_in=1)) as client, ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda number: client.send(users.me()).mail, range(24)))

    assert found == ["a@example.com"] * 24
    assert platform.renewals == 1


async def test_of_many_tasks_one_renews() -> None:
    platform = Platform()

    async def answer(request: httpx2.Request) -> httpx2.Response:
        await asyncio.sleep(0)
        return platform.answer(request)

    stale = replace(platform.tokens(), access="stale")
    async with AsyncClient(URL, tokens=stale, transport=httpx2.MockTransport(answer)) as client:
        await asyncio.gather(*(client.send(users.me()) for _ in range(24)))

    assert platform.renewals == 1


def test_a_session_that_cannot_be_renewed_has_ended() -> None:
    platform = Platform()
    platform.accepts_renewal = False

    with client_of(platform, platform.tokens(expires_in=1)) as client, pytest.raises(SessionEnded):
        client.send(users.me())


def test_after_a_log_out_nothing_is_presented() -> None:
    platform, kept = Platform((401, {"code": "unauthenticated"})), list[Tokens | None]()

    with client_of(platform, platform.tokens(), kept) as client:
        client.log_out()
        with pytest.raises(NotAuthenticated):
            client.send(users.me())

    assert kept == [None]
    assert platform.renewals == 0


def test_an_api_key_goes_in_its_header_and_is_never_renewed() -> None:
    headers: list[httpx2.Headers] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        headers.append(request.headers)
        return httpx2.Response(403, json={"code": "credential_refused", "detail": "Not valid."})

    with Client(URL, api_key="fo_1_2", transport=httpx2.MockTransport(answer)) as client, pytest.raises(NotAllowed):
        client.send(auth.verify())

    assert [(found["x-api-key"], "authorization" in found) for found in headers] == [("fo_1_2", False)]


def test_tokens_and_keys_are_not_in_what_is_printed() -> None:
    tokens = Tokens("access-secret", "refresh-secret", 0)

    with Client(URL, api_key="key-secret", tokens=tokens) as client:
        assert "secret" not in repr(client.credential)
    assert "secret" not in repr(tokens)
