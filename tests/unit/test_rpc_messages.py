"""Questions and replies between processes: whatever is written is read again, exactly."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import orjson
import pytest

from fullon.kernel import errors as tree
from fullon.kernel.errors import FullonError, Invalid, LimitExceeded, Unavailable
from fullon.venues import errors
from fullon.venues import rpc_messages as messages
from fullon.venues.account import Examination, Permissions
from fullon.venues.model import Market
from fullon.venues.rpc_messages import ExamineAccount, ListMarkets, Malformed, Question, Request, UnexpectedAnswer

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KINDS = sorted(
    {
        kind
        for module in (tree, errors)
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, FullonError)
    },
    key=lambda kind: kind.__name__,
)


@pytest.mark.parametrize(
    "question", [ExamineAccount(uuid4(), uuid4()), ListMarkets(7)], ids=lambda question: type(question).__name__
)
def test_a_request_is_read_as_it_was_written(question: Question) -> None:
    request = Request(uuid4(), NOON, question)

    assert messages.decode_request(messages.encode_request(request)) == request


@pytest.mark.parametrize(
    "changed",
    [
        {"question": "hand_over_the_keys"},
        {"question": None},
        {"uid": "somebody"},
        {"uid": 7},
        {"ex_id": None},
        {"correlation_id": "../other"},
        {"deadline": "soon"},
        {"deadline": 10**30},
    ],
    ids=str,
)
def test_what_is_no_request_is_malformed(changed: dict[str, object]) -> None:
    asked = orjson.loads(messages.encode_request(Request(uuid4(), NOON, ExamineAccount(uuid4(), uuid4()))))
    written = {**asked, **{name: str(value) if value == 10**30 else value for name, value in changed.items()}}

    with pytest.raises(Malformed):
        messages.decode_request(orjson.dumps(written))


@pytest.mark.parametrize("data", [b"", b"\xff", b"7", b"[]", b"null", b'"examine_account"', b"{}"])
def test_what_is_not_even_an_object_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        messages.decode_request(data)


def test_an_examination_is_read_as_it_was_written() -> None:
    found = Examination(Permissions(True, None, False), 4, -120)

    assert messages.decode_examination(messages.encode_examination(found)) == found


def test_amounts_of_markets_stay_exact_and_are_text() -> None:
    listed = [
        Market("BTC/USDT", "BTC", "USDT"),
        Market(
            "ETH/USD:ETH",
            "ETH",
            "USD",
            settle="ETH",
            futures=True,
            active=False,
            price_decimals=2,
            quantity_decimals=0,
            tick_size=Decimal("0.050"),
            step_size=Decimal("1E-18"),
            min_quantity=Decimal("0.123456789012345678901234567890"),
            min_notional=Decimal("1E+3"),
        ),
    ]

    data = messages.encode_markets(listed)

    read = messages.decode_markets(data)
    assert read == listed
    assert [str(each.tick_size) for each in read] == ["None", "0.050"]
    assert b'"0.123456789012345678901234567890"' in data


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind_of_error_comes_back_as_itself(kind: type[FullonError]) -> None:
    error = kind.__new__(kind)
    FullonError.__init__(error, "A sentence.", code="some_code", exchange="paper", offset_ms=-5)
    if isinstance(error, Invalid):
        error.fields = {"place": "wrong"}
    if isinstance(error, LimitExceeded | Unavailable):
        error.retry_after = 37

    with pytest.raises(FullonError) as raised:
        messages.decode_examination(messages.encode_failure(error))

    assert type(raised.value) is kind
    assert vars(raised.value) == vars(error)
    assert str(raised.value) == "A sentence." == raised.value.detail


def test_a_kind_that_only_a_newer_daemon_has_is_read_as_the_nearest_one() -> None:
    class VenueOnHoliday(errors.VenueDown):
        default_code = "venue_on_holiday"

    with pytest.raises(errors.VenueDown) as raised:
        messages.decode_markets(messages.encode_failure(VenueOnHoliday("Closed until Monday.", retry_after=9)))

    assert (raised.value.code, raised.value.retry_after) == ("venue_on_holiday", 9)


def test_what_nobody_foresaw_is_no_error_of_the_tree() -> None:
    with pytest.raises(UnexpectedAnswer):
        messages.decode_markets(messages.encode_failure(None))
