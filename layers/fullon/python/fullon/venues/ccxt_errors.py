"""ccxt's exceptions, each given its place in our tree. A test enumerates ccxt's classes and fails on a missing one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from ccxt.base import errors as foreign

from fullon.kernel.errors import FullonError
from fullon.venues.errors import (
    NotOffered,
    UnknownSymbol,
    VenueDown,
    VenueLimit,
    VenueRefuses,
    VenueRefusesKey,
    VenueTimedOut,
)

#: Seconds to wait after a limit where the venue does not say how long.
LIMIT_SECONDS = 10

_DOWN = "cannot be reached or is not well; try again shortly."
_REFUSED = "refused the request."
_KEY = "does not accept the key for this."

#: ccxt class to (our class, end of the sentence). Every class has an entry of its own.
TRANSLATION: dict[type[Exception], tuple[type[FullonError], str]] = {
    foreign.BaseError: (VenueDown, _DOWN),
    foreign.ExchangeError: (VenueRefuses, _REFUSED),
    foreign.AuthenticationError: (VenueRefusesKey, _KEY),
    foreign.PermissionDenied: (VenueRefusesKey, _KEY),
    foreign.AccountNotEnabled: (VenueRefusesKey, "has not enabled this for the account."),
    foreign.AccountSuspended: (VenueRefusesKey, "has suspended the account."),
    foreign.ArgumentsRequired: (VenueRefuses, "needs more to be said."),
    foreign.BadRequest: (VenueRefuses, _REFUSED),
    foreign.BadSymbol: (UnknownSymbol, "does not list this symbol."),
    foreign.OperationRejected: (VenueRefuses, _REFUSED),
    foreign.NoChange: (VenueRefuses, "sees nothing to change."),
    foreign.MarginModeAlreadySet: (VenueRefuses, "has this margin mode already."),
    foreign.MarketClosed: (VenueRefuses, "has closed this market."),
    foreign.ManualInteractionNeeded: (VenueRefuses, "wants a person to act there first."),
    foreign.RestrictedLocation: (VenueRefusesKey, "does not serve this place."),
    foreign.InsufficientFunds: (VenueRefuses, "says the funds do not suffice."),
    foreign.InvalidAddress: (VenueRefuses, "does not accept the address."),
    foreign.AddressPending: (VenueRefuses, "is still making the address."),
    foreign.InvalidOrder: (VenueRefuses, "does not accept the order."),
    foreign.OrderNotFound: (VenueRefuses, "does not know the order."),
    foreign.OrderNotCached: (VenueRefuses, "does not know the order."),
    foreign.OrderImmediatelyFillable: (VenueRefuses, "would fill the order at once."),
    foreign.OrderNotFillable: (VenueRefuses, "cannot fill the order."),
    foreign.DuplicateOrderId: (VenueRefuses, "has an order with this id already."),
    foreign.ContractUnavailable: (VenueRefuses, "does not offer this contract now."),
    foreign.NotSupported: (NotOffered, "does not offer this."),
    foreign.InvalidProxySettings: (VenueRefuses, "is configured with an unusable proxy."),
    foreign.ExchangeClosedByUser: (VenueDown, "was disconnected by us."),
    foreign.OperationFailed: (VenueDown, _DOWN),
    foreign.NetworkError: (VenueDown, _DOWN),
    foreign.DDoSProtection: (VenueLimit, "asks us to slow down."),
    foreign.RateLimitExceeded: (VenueLimit, "asks us to slow down."),
    foreign.ExchangeNotAvailable: (VenueDown, _DOWN),
    foreign.OnMaintenance: (VenueDown, "is under maintenance."),
    foreign.InvalidNonce: (VenueDown, "disagrees with our clock."),
    foreign.ChecksumError: (VenueDown, "sent a book that does not add up."),
    foreign.RequestTimeout: (VenueTimedOut, "did not answer in time."),
    foreign.BadResponse: (VenueDown, "answered something unusable."),
    foreign.NullResponse: (VenueDown, "answered nothing."),
    foreign.CancelPending: (VenueDown, "is still cancelling."),
    foreign.UnsubscribeError: (VenueDown, "was unsubscribed from."),
}


def translate(exchange: str, error: Exception, retry_after: int | None = None) -> FullonError:
    """Our error for one that ccxt raised.

    Args:
        exchange: named in the sentence.
        retry_after: seconds the venue asked for, where it did.
    """
    if isinstance(error, FullonError):
        return error
    for kind in type(error).__mro__:
        if kind in TRANSLATION:
            ours, ending = TRANSLATION[kind]
            break
    else:
        ours, ending = VenueDown, _DOWN
    detail = f"The exchange {exchange} {ending}"
    if issubclass(ours, VenueLimit):
        return ours(detail, retry_after=retry_after or LIMIT_SECONDS, exchange=exchange)
    return ours(detail, exchange=exchange)


#: What a call through ccxt may raise: its own, the network's, and its parsers' on answers they did not foresee.
FOREIGN = (
    foreign.BaseError,
    OSError,
    asyncio.TimeoutError,
    AttributeError,
    ArithmeticError,
    LookupError,
    TypeError,
    ValueError,
)


@contextmanager
def translated(exchange: str) -> Iterator[None]:
    """Let only our errors out of a block that calls ccxt."""
    try:
        yield
    except FullonError:
        raise
    except FOREIGN as error:
        raise translate(exchange, error) from error
