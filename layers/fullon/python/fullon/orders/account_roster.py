"""One task for each exchange account that is in use, following the table of accounts while it changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from fullon.fleet.errors import LeaseLost
from fullon.kernel.errors import FullonError, Unavailable
from fullon.kernel.retry import PASSING, Backoff, Troubles, insist
from fullon.venues.accounts import SealedAccount
from fullon.venues.model import Venue

#: Seconds between two looks at the table of accounts.
LOOK_SECONDS = 3.0
_log = logging.getLogger("fullon.account")


@dataclass(frozen=True)
class Assignment:
    """An account and its venue; the task of one that is no longer equal is begun anew."""

    account: SealedAccount
    venue: Venue

    @property
    def ex_id(self) -> UUID:
        """The account's id."""
        return self.account.account.ex_id

    def is_as(self, other: Assignment) -> bool:
        """Whether the same keys are used in the same way; another wrapping of the data key is no change."""
        mine, theirs = self.account, other.account
        return (mine.sealed.sealed, mine.account.test, self.venue) == (
            theirs.sealed.sealed,
            theirs.account.test,
            other.venue,
        )


class AccountRoster:
    """Keeps a task for each account; whatever happens to one, the others go on.

    Args:
        load: reads the accounts in use.
        keep: looks after one account until cancelled.
        forget: told of accounts that are no longer in use.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[Iterable[Assignment]]],
        keep: Callable[[Assignment], Awaitable[None]],
        forget: Callable[[Assignment], Awaitable[None]],
        troubles: Troubles,
    ) -> None:
        self._load = load
        self._keep = keep
        self._forget = forget
        self._troubles = troubles
        self._tasks: dict[UUID, tuple[Assignment, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Work until cancelled, or until a task finds that another leads."""
        outage = self._troubles.outage("exchange accounts")
        try:
            while True:
                await self._assign(await insist(self._load, outage))
                await self._wait()
        finally:
            await _end([task for _, task in self._tasks.values()])

    async def _assign(self, assignments: Iterable[Assignment]) -> None:
        wanted = {each.ex_id: each for each in assignments}
        stale = [known for known, _ in self._tasks.values() if not _is_wanted(wanted.get(known.ex_id), known)]
        await _end([self._tasks.pop(known.ex_id)[1] for known in stale])
        for known in stale:
            if known.ex_id not in wanted:
                _log.info("account left", extra={"ex_id": str(known.ex_id)})
                await self._let_go(known)
        for ex_id, each in wanted.items():
            if ex_id not in self._tasks:
                _log.info("account taken", extra={"ex_id": str(ex_id), "exchange": each.venue.name})
                self._tasks[ex_id] = (each, asyncio.create_task(self._work(each)))

    async def _let_go(self, known: Assignment) -> None:
        try:
            await self._forget(known)
        except Unavailable as error:  # it expires by itself
            _log.warning("account not forgotten", extra={"ex_id": str(known.ex_id), "code": error.code})

    async def _work(self, each: Assignment) -> None:
        outage = self._troubles.outage(f"account {each.ex_id}")
        refusal = self._troubles.outage(f"account {each.ex_id}", counts=False)  # a matter of its owner alone
        backoff = Backoff(1.0, 60.0)
        try:
            while True:
                try:
                    await self._keep(each)
                except FullonError as error:
                    if _is_loss_of_leadership(error):
                        raise
                    (outage if isinstance(error, PASSING) else refusal).failed(error)
                except Exception as error:  # what one account runs into must not end the others
                    if _is_loss_of_leadership(error):
                        raise
                    _log.exception("account failed", extra={"ex_id": str(each.ex_id)})
                    outage.failed(Unavailable("An exchange account cannot be kept; see the log."))
                await asyncio.sleep(backoff.pause())
        finally:
            outage.passed()

    async def _wait(self) -> None:
        tasks = [task for _, task in self._tasks.values()]
        if not tasks:
            await asyncio.sleep(LOOK_SECONDS)
            return
        done, _ = await asyncio.wait(tasks, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


def _is_wanted(wanted: Assignment | None, known: Assignment) -> bool:
    return wanted is not None and wanted.is_as(known)


def _is_loss_of_leadership(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_loss_of_leadership(part) for part in error.exceptions)
    return isinstance(error, LeaseLost)


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    for outcome in await asyncio.gather(*ending, return_exceptions=True):
        if isinstance(outcome, Exception) and not _is_loss_of_leadership(outcome):
            raise outcome
