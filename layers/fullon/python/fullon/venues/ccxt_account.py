"""An account at a venue through ccxt: whether its keys are right, and what they may do.

No error of this module carries ccxt's own: its text may hold an address with a signature or an answer with the key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ccxt.base import errors as foreign

from fullon.kernel.clock import Clock, to_milliseconds
from fullon.kernel.errors import FullonError
from fullon.venues import key_permissions
from fullon.venues.account import UNKNOWN, Examination, Keys, Permissions
from fullon.venues.ccxt_errors import FOREIGN
from fullon.venues.ccxt_values import decimal
from fullon.venues.ccxt_venue import CcxtVenue
from fullon.venues.errors import (
    KeyCannotRead,
    VenueClockDiffers,
    VenueTimedOut,
    WrongApiKey,
    WrongApiSecret,
    WrongPassphrase,
)

#: All that a venue is asked about keys, together; below the time-out of an HTTP function.
EXAMINATION_SECONDS = 20.0

#: Words of venues' refusals, by what is wrong; the first that is met. Everything else is about the key itself.
_WORDS: tuple[tuple[type[FullonError], tuple[str, ...]], ...] = (
    (WrongPassphrase, ("passphrase", 'requires "password"')),
    (WrongApiSecret, ("-1022", "signature", "invalid sign", "error sign", "digest", 'requires "secret"')),
)
_SENTENCES: Mapping[type[FullonError], str] = {
    WrongApiKey: "The exchange {} does not accept this key: it is wrong, switched off, may not read, or is bound to"
    " other addresses.",
    WrongApiSecret: "The exchange {} knows the key, but the secret is not the one that belongs to it.",
    WrongPassphrase: "The exchange {} wants the passphrase that was chosen with the key, and this is not it.",
}


class CcxtAccount(CcxtVenue):
    """One account: the venue's REST side with keys.

    Args:
        test: speak to the venue's test network, where it has one and no other address is set.

    Raises:
        NotOffered: the venue has no test network.
    """

    def __init__(
        self,
        name: str,
        ccxt_id: str,
        params: Mapping[str, Any],
        base_url: str | None,
        keys: Keys,
        *,
        test: bool,
        clock: Clock,
    ) -> None:
        self._keys = keys
        # An address of our own is one network: a paper key must never be sent to a real venue's test network.
        self._test = test and base_url is None and "urls" not in params
        self._status = 0
        super().__init__(name, ccxt_id, params, base_url, clock=clock)

    async def examine(self) -> Examination:
        """Ask the venue about the keys.

        Raises:
            WrongApiKey, WrongApiSecret, WrongPassphrase, KeyCannotRead: they cannot be used.
            VenueClockDiffers: the venue's clock and ours are too far apart.
            VenueDown, VenueTimedOut, VenueLimit, VenueRefuses, NotOffered: as the venue says.
        """
        try:
            async with asyncio.timeout(EXAMINATION_SECONDS):
                permissions = await self._permissions()
                if permissions.read is False:
                    raise KeyCannotRead(f"This key may not read the account at the exchange {self.name}.")
                await self._signed("load_markets")
                balances = await self._signed("fetch_balance")
                return Examination(_completed(permissions, balances), _count(balances), await self._clock_offset())
        except TimeoutError:
            raise VenueTimedOut(f"The exchange {self.name} did not answer in time.", exchange=self.name) from None

    async def _permissions(self) -> Permissions:
        if self._ccxt_id not in key_permissions.TELLING or self._test:
            return UNKNOWN
        method, read = key_permissions.TELLING[self._ccxt_id]
        try:
            return read(await self._signed(method, may_be_refused=True))
        except (foreign.PermissionDenied, LookupError, TypeError, ValueError, AttributeError):
            return UNKNOWN  # the key may not ask, or the venue answers in other words than it did

    async def _signed(
        self, method: str | Callable[[], Awaitable[Any]], *arguments: Any, may_be_refused: bool = False
    ) -> Any:
        exchange = self._exchange
        ask = getattr(exchange, method) if isinstance(method, str) else method
        exchange.last_request_url, self._status = None, 0
        try:
            return await ask(*arguments)
        except FOREIGN as error:
            if may_be_refused and isinstance(error, foreign.PermissionDenied):
                raise
            raise await self._told(error, exchange) from None

    async def _told(self, error: Exception, exchange: Any) -> Exception:
        """Our error for one of ccxt about a signed call."""
        if isinstance(error, foreign.InvalidNonce):
            return await self._clock_differs()
        if isinstance(error, foreign.AuthenticationError):
            return self._wrong_keys(error)
        signs = exchange is self._exchange
        if signs and not isinstance(error, foreign.BaseError | OSError) and exchange.last_request_url is None:
            # Nothing was sent: the secret is not of the form that can be signed with.
            return self._refusal(WrongApiSecret)
        if type(error) is foreign.ExchangeError and self._status >= 500:
            # ccxt goes by the code in the answer, and has no place for some of those that say: not now.
            error = foreign.ExchangeNotAvailable()
        return self.translated(error, exchange)

    def _wrong_keys(self, error: Exception) -> Exception:
        if isinstance(error, foreign.AccountSuspended | foreign.AccountNotEnabled):
            return self.translated(error, self._exchange)
        said = str(error).lower()
        for kind, words in _WORDS:
            if any(word in said for word in words):
                return self._refusal(kind)
        return self._refusal(WrongApiKey)

    def _refusal(self, kind: type[FullonError]) -> FullonError:
        return kind(_SENTENCES[kind].format(self.name), exchange=self.name)

    async def _clock_differs(self) -> FullonError:
        try:
            offset = await self._clock_offset()
        except FullonError:
            detail = f"The exchange {self.name} refuses requests because its clock and ours differ."
            return VenueClockDiffers(detail, exchange=self.name)
        detail = f"The exchange {self.name} refuses requests because its clock and ours are {abs(offset)} ms apart."
        return VenueClockDiffers(detail, exchange=self.name, offset_ms=offset)

    async def _clock_offset(self) -> int:
        """The venue's time less ours, half of the way there and back taken off."""
        before = to_milliseconds(self._clock.now())
        theirs = await self.server_time()
        return theirs - (before + to_milliseconds(self._clock.now())) // 2

    def _make(self) -> Any:
        exchange = super()._make()
        look_for_errors = exchange.handle_errors

        def note_status(status: int, *answer: Any) -> Any:
            self._status = status
            return look_for_errors(status, *answer)

        exchange.handle_errors = note_status
        exchange.enableRateLimit = (
            False  # a handful of questions; waiting between them would look like a clock's offset
        )
        if self._test:
            self._to_test_network(exchange)
        exchange.apiKey, exchange.secret = self._keys.api_key, self._keys.api_secret
        if self._keys.passphrase is not None:
            exchange.password = self._keys.passphrase
        return exchange

    def _to_test_network(self, exchange: Any) -> None:
        try:
            exchange.set_sandbox_mode(True)
        except FOREIGN as error:
            raise self.translated(error, exchange) from None


def _completed(permissions: Permissions, balances: Mapping[str, Any]) -> Permissions:
    """That balances were answered proves reading; some venues say there whether the account may trade."""
    information = balances.get("info")
    said = information.get("canTrade") if isinstance(information, Mapping) else None
    trade = said if permissions.trade is None and isinstance(said, bool) else permissions.trade
    return Permissions(True, trade, permissions.withdraw)


def _count(balances: Mapping[str, Any]) -> int:
    return sum(1 for amount in (balances.get("total") or {}).values() if decimal(amount))
