"""Every exception of ccxt has its place in our tree."""

from __future__ import annotations

import inspect

import ccxt
import pytest
from ccxt.base import errors as foreign

from fullon.kernel.errors import FullonError, LimitExceeded, TimedOut, Unavailable
from fullon.venues import ccxt_errors
from fullon.venues.errors import UnknownSymbol, VenueDown, VenueLimit, VenueRefuses, VenueRefusesKey, VenueTimedOut

CLASSES = [kind for _, kind in inspect.getmembers(foreign, inspect.isclass) if issubclass(kind, foreign.BaseError)]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_each_exception_of_ccxt_has_an_entry_of_its_own(kind: type[Exception]) -> None:
    assert kind in ccxt_errors.TRANSLATION, f"say in ccxt_errors.TRANSLATION what {kind.__name__} means to us"


def test_there_is_no_entry_for_what_ccxt_does_not_have() -> None:
    named = {name for name in foreign.__all__ if name != "error_hierarchy"}

    assert {kind.__name__ for kind in ccxt_errors.TRANSLATION} == named


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        (ccxt.RequestTimeout, VenueTimedOut),
        (ccxt.OnMaintenance, VenueDown),
        (ccxt.DDoSProtection, VenueLimit),
        (ccxt.BadSymbol, UnknownSymbol),
        (ccxt.PermissionDenied, VenueRefusesKey),
        (ccxt.InsufficientFunds, VenueRefuses),
    ],
)
def test_the_remedy_decides_the_place(kind: type[Exception], ours: type[FullonError]) -> None:
    error = ccxt_errors.translate("paper", kind("binance {secret}"))

    assert type(error) is ours
    assert error.detail.startswith("The exchange paper ")


def test_the_foreign_text_never_reaches_the_sentence() -> None:
    error = ccxt_errors.translate("paper", ccxt.ExchangeError('{"apiKey":"abc","msg":"no"}'))

    assert "abc" not in error.detail
    assert "abc" not in str(error.facts)


def test_a_limit_carries_the_time_the_venue_asked_for() -> None:
    asked = ccxt_errors.translate("paper", ccxt.RateLimitExceeded("slow"), retry_after=37)
    silent = ccxt_errors.translate("paper", ccxt.RateLimitExceeded("slow"))

    assert isinstance(asked, LimitExceeded)
    assert asked.retry_after == 37
    assert isinstance(silent, LimitExceeded)
    assert silent.retry_after == ccxt_errors.LIMIT_SECONDS


def test_a_new_subclass_takes_the_place_of_its_parent_until_it_has_one() -> None:
    class Invented(ccxt.RequestTimeout):  # type: ignore[misc]
        """One that a later ccxt may have."""

    assert isinstance(ccxt_errors.translate("paper", Invented("new")), TimedOut)


def test_what_the_network_or_a_parser_raises_is_the_venue_being_down() -> None:
    for error in (ConnectionResetError("gone"), KeyError("price"), TypeError("None")):
        assert isinstance(ccxt_errors.translate("paper", error), Unavailable)
