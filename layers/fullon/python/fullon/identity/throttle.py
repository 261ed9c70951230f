"""Failed logins slow the next ones down. Counted in PostgreSQL, so that losing Valkey opens nothing.

Failures of the last 15 minutes count, and three rules look at them:

=====================  ======================================================================================
account and address    5, then wait until the oldest of them is 15 minutes old
account, anywhere      from the 10th on wait 30 s after the latest, doubled by each further one, up to 15 min
address, any account   50, then wait until the oldest of them is 15 minutes old
=====================  ======================================================================================

The first alone applies to an address the account has logged in from within 30 days: strangers who guess at an account,
or neighbours behind one address who mistype, do not keep its owner out. Attempts that are turned away do not count,
so waiting helps. A success clears the account. An IPv6 caller is known by its /64, which is what one customer gets.

An attempt is entered as a failure before its password is looked at and struck out when it was right: a hundred
attempts at once are a hundred failures, not one. The account is stored as a keyed hash, so the table names nobody.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fullon.identity.errors import TooManyAttempts
from fullon.kernel.clock import Clock

if TYPE_CHECKING:
    from fullon.identity.store import Connection

WINDOW = timedelta(minutes=15)
PER_ACCOUNT_AND_ADDRESS = 5
PER_ACCOUNT = 10
PER_ADDRESS = 50
FIRST_BACK_OFF = timedelta(seconds=30)
KNOWN_FOR = timedelta(days=30)

#: Attempts on one account, or from one address, are looked at one after the other: account first, always.
_LOCKS = "SELECT pg_advisory_xact_lock(7106418, hashtext($1))", "SELECT pg_advisory_xact_lock(7106419, hashtext($1))"
_FAILURES = """
SELECT at, account = $1 AS same_account, address = $2 AS same_address FROM login_failures
WHERE (account = $1 OR address = $2) AND at > $3 ORDER BY at DESC LIMIT 400
"""
_IS_KNOWN = """
SELECT EXISTS (
    SELECT 1 FROM sessions s JOIN users u USING (uid) WHERE u.mail = $1 AND s.address = $2 AND s.created_at > $3
)
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed login, as one attempt sees it."""

    at: datetime
    same_account: bool
    same_address: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that may go on.

    Attributes:
        account: keyed hash of the account's name.
        remaining: failures left, after this one, before the address is slowed down for this account.
    """

    account: bytes
    remaining: int


class Throttle:
    """Lets attempts through, or says how long to wait.

    Args:
        secret: keys the hash of account names; another one forgets the failures so far.
    """

    def __init__(self, secret: str, clock: Clock) -> None:
        self._secret = hashlib.sha256(b"login failures\0" + secret.encode()).digest()
        self._clock = clock

    async def enter(self, connection: Connection, account: str, address: str) -> Attempt:
        """Enter an attempt, to be committed before the password is looked at.

        Args:
            account: the mail address as it was typed, lower-cased.
            address: of the caller.

        Raises:
            TooManyAttempts: it has to wait.
        """
        now = self._clock.now()
        name, place = self._hash(account), network(address)
        async with connection.transaction():
            for lock, what in zip(_LOCKS, (name.hex(), place), strict=True):
                await connection.execute(lock, what)
            rows = await connection.fetch(_FAILURES, name, place, now - WINDOW)
            failures = [Failure(row["at"], row["same_account"], row["same_address"]) for row in rows]
            is_known = len(failures) >= PER_ACCOUNT and await connection.fetchval(
                _IS_KNOWN, account, address, now - KNOWN_FOR
            )
            wait, limit = waiting_time(failures, now, is_known=is_known)
            if wait > timedelta(0):
                raise TooManyAttempts(max(1, math.ceil(wait.total_seconds())), limit)
            await connection.execute("DELETE FROM login_failures WHERE at <= $1", now - WINDOW)
            await connection.execute(
                "INSERT INTO login_failures (account, address, at) VALUES ($1, $2, $3)", name, place, now
            )
        here = sum(failure.same_account and failure.same_address for failure in failures)
        return Attempt(name, PER_ACCOUNT_AND_ADDRESS - here - 1)

    async def clear(self, connection: Connection, attempt: Attempt) -> None:
        """The attempt was right: its account starts afresh."""
        await connection.execute("DELETE FROM login_failures WHERE account = $1", attempt.account)

    def _hash(self, account: str) -> bytes:
        return hmac.digest(self._secret, account.encode(errors="replace"), "sha256")


def waiting_time(failures: Sequence[Failure], now: datetime, *, is_known: bool) -> tuple[timedelta, int]:
    """How long the next attempt has to wait, zero or less for not at all, and the limit that says so.

    Args:
        failures: of the account or the address within the window, newest first.
        is_known: the account has logged in from this address before.
    """
    here = [failure.at for failure in failures if failure.same_account and failure.same_address]
    waits = [(_until_fewer(here, PER_ACCOUNT_AND_ADDRESS, now), PER_ACCOUNT_AND_ADDRESS)]
    if not is_known:
        account = [failure.at for failure in failures if failure.same_account]
        address = [failure.at for failure in failures if failure.same_address]
        waits += [(_back_off(account, now), PER_ACCOUNT), (_until_fewer(address, PER_ADDRESS, now), PER_ADDRESS)]
    return max(waits)


def network(address: str) -> str:
    """What identifies a caller: the address, or the /64 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def _until_fewer(moments: Sequence[datetime], limit: int, now: datetime) -> timedelta:
    """Until fewer than ``limit`` of them, newest first, are in the window."""
    return moments[limit - 1] + WINDOW - now if len(moments) >= limit else timedelta(0)


def _back_off(moments: Sequence[datetime], now: datetime) -> timedelta:
    excess = len(moments) - PER_ACCOUNT
    if excess < 0:
        return timedelta(0)
    return moments[0] + min(WINDOW, FIRST_BACK_OFF * (1 << min(excess, 10))) - now
