"""Clock, identifiers, money, timeframes and errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullon.kernel import clock, money
from fullon.kernel.errors import FullonError, Invalid
from fullon.kernel.ids import new_id
from fullon.kernel.timeframes import DAY_MS, Timeframe

MOMENTS = st.integers(min_value=0, max_value=4_102_444_800_000)


@given(MOMENTS)
def test_milliseconds_survive_the_way_to_a_time_and_back(moment: int) -> None:
    assert clock.to_milliseconds(clock.from_milliseconds(moment)) == moment


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        clock.to_milliseconds(datetime(2026, 8, 17))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-08-17T00:00:00Z", datetime(2026, 8, 17, tzinfo=UTC)),
        ("2026-08-17", datetime(2026, 8, 17, tzinfo=UTC)),
        ("2026-08-17T02:00:00+02:00", datetime(2026, 8, 17, tzinfo=UTC)),
        ("2026-08-17T02:00:00 02:00", datetime(2026, 8, 17, tzinfo=UTC)),  # a plus sign that a query string ate
        ("1786924800000", datetime(2026, 8, 17, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_from_rfc_3339_and_from_epoch_milliseconds(text: str, expected: datetime) -> None:
    assert clock.parse_time(text) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "99999999999999999999", "1969-12-31", "-5"])
def test_what_is_not_a_time_is_refused_by_the_name_of_its_field(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        clock.parse_time(text, "start_time")

    assert refusal.value.fields == {"start_time": "not a time"}


def test_rfc_3339_is_written_in_utc_with_z() -> None:
    moment = datetime(2026, 8, 17, 2, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))

    assert clock.rfc3339(moment) == "2026-08-17T00:00:00.123Z"
    assert clock.rfc3339(moment.replace(microsecond=0)) == "2026-08-17T00:00:00Z"


def test_ids_are_version_7_and_sort_by_age() -> None:
    first, second = new_id(), new_id()

    assert first.version == second.version == 7
    assert first.variant == "specified in RFC 4122"
    assert first.int >> 80 <= second.int >> 80


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "Infinity", "-Infinity", "abc", "", "1_000", "\u0661", "1 0"),
        *("1e400", "0e999999999", "0e-999999999", "1" + "0" * 20, "0." + "0" * 18 + "1"),
        "12345678901234567890.1234567890123456789",
    ],
)
def test_what_numeric_38_18_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        money.parse_decimal(text)


@pytest.mark.parametrize(
    "text", ["0.00100000", "-12.5", "99999999999999999999.999999999999999999", "0", "0.0000000000000000000"]
)
def test_a_plain_decimal_keeps_its_digits(text: str) -> None:
    assert money.to_text(money.parse_decimal(text)) == text


@pytest.mark.parametrize(
    ("text", "shortest"),
    [
        *(("0.010", "0.01"), ("100", "100"), ("1E+2", "100"), ("-0.00", "0"), ("0E-18", "0"), ("5.", "5")),
        ("12345678901234567890.123456789012345678",) * 2,
    ],
)
def test_the_shortest_text_leaves_out_zeros_and_nothing_else(text: str, shortest: str) -> None:
    assert money.shortest(Decimal(text)) == shortest


def test_text_never_has_an_exponent() -> None:
    assert money.to_text(Decimal("1E-8")) == "0.00000001"
    assert money.to_text(Decimal("5E+3")) == "5000"


@given(st.decimals("0.00001", "1000000", places=5), st.sampled_from(["0.001", "0.5", "1", "25"]))
def test_rounding_down_to_a_step_gives_a_multiple_that_is_not_larger(value: Decimal, step_text: str) -> None:
    step = Decimal(step_text)

    rounded = money.round_down(value, step)

    assert rounded % step == 0
    assert rounded <= value < rounded + step


@given(MOMENTS, st.sampled_from(list(Timeframe)))
def test_a_bucket_holds_its_moment_and_touches_the_next(moment: int, timeframe: Timeframe) -> None:
    start, end = timeframe.floor(moment), timeframe.next(moment)

    assert start <= moment < end
    assert timeframe.floor(start) == start
    assert timeframe.floor(end) == end
    assert timeframe.floor(end - 1) == start


@given(MOMENTS)
def test_weeks_start_on_monday_and_months_on_the_first(moment: int) -> None:
    week = clock.from_milliseconds(Timeframe.W1.floor(moment))
    month = clock.from_milliseconds(Timeframe.MONTH.floor(moment))

    assert (week.weekday(), week.hour, week.minute) == (0, 0, 0) or moment < 4 * DAY_MS
    assert (month.day, month.hour, month.minute) == (1, 0, 0)


def test_an_unknown_timeframe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Invalid, match="1m, 3m") as refusal:
        Timeframe.parse("7m")

    assert refusal.value.code == "unknown_timeframe"


def test_every_error_of_the_tree_has_a_code_of_its_own() -> None:
    kinds = FullonError.__subclasses__()

    assert len({kind.default_code for kind in kinds}) == len(kinds)
