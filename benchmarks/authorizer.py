"""What it costs to know the caller: remembered by the gateway, or the authorizer asked anew.

Through the gateway every request is ``GET /api/v1/orm/users/me``, one at a time over a kept-alive connection. The
gateway remembers an authorizer's answer by the Authorization header, so a token of the same session that was never seen
makes it ask. The authorizer then looks in Valkey whether the session stands, and in PostgreSQL where Valkey does not
know. Below the authorizer alone, in process, for tokens and for API keys. All ways are interleaved in each round.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from typing import Any

import redis

from benchmarks import events
from benchmarks.figures import median, percentile, table
from benchmarks.gateway import Client, functions_environment, token_of
from fullon.identity.cache import key_of
from fullon.identity.model import Identity
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from tests.e2e.platform import SupervisedPlatform, running_platform

ROUNDS, REQUESTS = 7, 100
WARM_UP = 20
PATH = "/api/v1/orm/users/me"

#: What is done before a request without being timed, and the request.
Way = tuple[Callable[[], Any], Callable[[Any], Any]]


def main() -> None:
    """Measure and print."""
    with running_platform({"LOG_LEVEL": "WARNING", "RATE_LIMIT_USER_READS": "0"}) as platform:
        token, key = token_of(platform), asyncio.run(_key(platform))
        for name, value in functions_environment(platform).items():
            os.environ[name] = value
        settings = Settings.load()
        with redis.Redis.from_url(settings.valkey_url()) as valkey, _without_lines_of_metrics():
            through = _measured(_through_gateway(platform, token, Container(settings), valkey))
            alone = _measured(_alone(token, key, valkey))
    _print("A request through the gateway, one at a time", through)
    _print("The authorizer alone, in process", alone)


@contextmanager
def _without_lines_of_metrics() -> Iterator[None]:
    """The authorizer in this process writes one for each question."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield


def _print(title: str, times: dict[str, list[float]]) -> None:
    first = median(next(iter(times.values())))
    rows = [
        [way, f"{median(each) * 1e6:.0f}", f"{percentile(each, 0.99) * 1e6:.0f}", f"{median(each) / first:.2f}"]
        for way, each in times.items()
    ]
    table(title, ["way", "p50 µs", "p99 µs", "× first"], rows)


def _measured(ways: dict[str, Way]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    for prepare, ask in ways.values():
        for _ in range(WARM_UP):
            ask(prepare())
    for _ in range(ROUNDS):
        for name, (prepare, ask) in ways.items():
            for _ in range(REQUESTS):
                prepared = prepare()
                started = time.perf_counter()
                ask(prepared)
                times[name].append(time.perf_counter() - started)
    return times


def _through_gateway(
    platform: SupervisedPlatform, token: str, container: Container, valkey: redis.Redis
) -> dict[str, Way]:
    client = Client(int(platform.url.rsplit(":", 1)[1]), PATH, token)
    caller = Identity.from_context(events.context_of(token))

    def new_token() -> str:
        return container.tokens.sign(caller.user_id, caller.mail, caller.role, caller.session)

    def forgotten() -> str:
        valkey.delete(key_of(caller.kind, caller.session))
        return new_token()

    return {
        "remembered by the gateway": (lambda: token, client.get_as),
        "authorizer asked, session known to Valkey": (new_token, client.get_as),
        "authorizer asked, session looked up in PostgreSQL": (forgotten, client.get_as),
    }


def _alone(token: str, key: str, valkey: redis.Redis) -> dict[str, Way]:
    handler = import_module("functions.authorizer.handler").handler

    def ask(event: dict[str, Any]) -> None:
        answer = handler(event, None)
        assert answer["isAuthorized"], answer

    def ways() -> Iterator[tuple[str, Way]]:
        for name, credential in (("token", token), ("API key", key)):
            event, caller = events.authorize(credential), Identity.from_context(events.context_of(credential))
            stored = key_of(caller.kind, caller.session)

            def known(event: dict[str, Any] = event) -> dict[str, Any]:
                return event

            def forgotten(event: dict[str, Any] = event, stored: str = stored) -> dict[str, Any]:
                valkey.delete(stored)
                return event

            yield f"{name}, known to Valkey", (known, ask)
            yield f"{name}, looked up in PostgreSQL", (forgotten, ask)

    return dict(ways())


async def _key(platform: SupervisedPlatform) -> str:
    """An API key of the administrator."""
    async with platform.client(await platform.token()) as client:
        answer = await client.post("/api/v1/orm/api_keys/me", json={"name": "benchmark", "scopes": ["read"]})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


if __name__ == "__main__":
    main()
