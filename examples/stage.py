"""What every script needs: a platform to use, people on it, and a way to say what it found.

With ``--url`` a script uses the platform that runs there, as ``--mail`` with ``--password`` (an admin's; or the
variable FULLON_ADMIN_PASSWORD, which other people of the machine cannot see); what needs an account with money at the
paper venue is done as the demo trader, when FULLON_TRADER_PASSWORD is theirs, and left out otherwise. Without ``--url``
a platform is started in a temporary folder, sixty times as fast as the clock, and stopped at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from examples.platform_of_its_own import NotStarted, started_platform
from fullon_client import AsyncClient, Client, ClientError, Problem, market, services, users

ADMIN = "admin@fullon"
TRADER = "trader@fullon"
EXCHANGE, SYMBOL = "paper", "BTC/USDT"
COLLECTORS = ("ticker", "ohlcv", "streamer")
PATIENCE_SECONDS = 120.0


class Surprise(Exception):
    """Something is not as the script says it is."""


@dataclass(frozen=True)
class Stage:
    """A running platform and its admin."""

    url: str
    mail: str
    password: str = field(repr=False)
    trader_password: str | None = field(default=None, repr=False)
    seconds_to_start: float | None = None

    def client(self) -> Client:
        """A client, logged in as admin."""
        client = Client(self.url)
        client.log_in(self.mail, self.password)
        return client

    def trader(self) -> Client | None:
        """The demo trader, logged in, who has money at the paper venue; None where their password is not known."""
        if self.trader_password is None:
            return None
        client = Client(self.url)
        client.log_in(TRADER, self.trader_password)
        return client

    async def async_client(self) -> AsyncClient:
        """A client for asyncio, logged in as admin."""
        client = AsyncClient(self.url)
        await client.log_in(self.mail, self.password)
        return client

    @contextmanager
    def newcomer(self, role: str = "trader") -> Iterator[Client]:
        """Somebody new, logged in; at the end they are removed with all that is theirs."""
        mail, password = f"{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(18)
        with self.client() as admin:
            made = admin.send(users.create(mail, password, name="Example", role=role))
            try:
                with Client(self.url) as client:
                    client.log_in(mail, password)
                    yield client
            finally:
                admin.send(users.delete(made.uid, purge=True))

    def start_collectors(self, client: Client) -> None:
        """Have the collectors switched on. They stay on."""
        self.switch_on(client, *COLLECTORS)

    def switch_on(self, client: Client, *names: str) -> None:
        """Have these daemons switched on. They stay on."""
        for name in names:
            if client.send(services.status(name)).desired == 0:
                say(f"starting {name}; it stays on")
                client.send(services.start(name))

    def collect(self, client: Client) -> None:
        """Have the collectors running, and candles and a running bar there."""
        self.start_collectors(client)

        def flowing() -> bool:
            candles = client.send(market.candles(EXCHANGE, SYMBOL, "1m", limit=5)).items
            return len(candles) == 5 and not candles[-1].final

        wait_until(flowing, "candles arrive")


def expect(condition: object, sentence: str) -> None:
    """Say that it is so; raises Surprise when it is not."""
    if not condition:
        raise Surprise(f"It is not so that {sentence}.")
    print(f"  ✓ {sentence}", flush=True)


def expect_problem(action: Callable[[], object], status: int, sentence: str) -> Problem:
    """Say that the platform refuses it with this status; raises Surprise when it does not."""
    try:
        action()
    except Problem as problem:
        expect(problem.status == status, f"{sentence}: {problem.status} {problem.code}, “{problem.detail}”")
        return problem
    raise Surprise(f"It was not refused: {sentence}.")


def say(text: str) -> None:
    """A line for whoever watches."""
    print(f"  {text}", flush=True)


def show(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table."""
    texts = [["–" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(columns, *texts, strict=True)]
    for line in [list(columns), *texts]:
        print(
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip(), flush=True
        )


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Ask again and again; raises Surprise when it has not come true after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Surprise(f"It did not happen within {seconds:.0f} s that {what}.")
        time.sleep(0.2)
    print(f"  ✓ {what}", flush=True)


def play(script: Callable[[Stage], Awaitable[None] | None]) -> None:
    """Run a script on the platform that the command line chooses, and end the process with its exit code."""
    description = (sys.modules["__main__"].__doc__ or "").strip()
    print(description.partition("\n")[0], flush=True)
    try:
        with chosen_stage(arguments(description).parse_args()) as stage:
            done = script(stage)
            if done is not None:
                asyncio.run(_awaited(done))
    except (Surprise, ClientError, NotStarted) as error:
        print(f"✗ {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def arguments(description: str) -> argparse.ArgumentParser:
    """The command line of every script."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a platform that runs; without it one is started for the script")
    parser.add_argument("--mail", default=ADMIN, help="of an admin there (default: %(default)s)")
    parser.add_argument("--password", help="theirs; better in FULLON_ADMIN_PASSWORD")
    return parser


@contextmanager
def chosen_stage(options: argparse.Namespace) -> Iterator[Stage]:
    """The platform at ``--url``, or one of its own for as long as the block runs."""
    password = options.password or os.environ.get("FULLON_ADMIN_PASSWORD")
    if options.url:
        if not password:
            raise NotStarted("With --url there must be --password, or FULLON_ADMIN_PASSWORD.")
        yield Stage(options.url, options.mail, password, os.environ.get("FULLON_TRADER_PASSWORD"))
        return
    password, trader_password = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
    began = time.monotonic()
    with started_platform(password, trader_password) as url:
        yield Stage(url, ADMIN, password, trader_password, time.monotonic() - began)


async def _awaited(script: Awaitable[None]) -> None:
    await script
