"""How long the next login has to wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullon.identity.throttle import (
    PER_ACCOUNT,
    PER_ACCOUNT_AND_ADDRESS,
    PER_ADDRESS,
    WINDOW,
    Failure,
    network,
    waiting_time,
)

NOON = datetime(2026, 8, 17, 12, tzinfo=UTC)


def failures(count: int, *, account: bool = True, address: bool = True, age: float = 60) -> list[Failure]:
    """`count` of them, the newest `age` seconds ago and one more each second before."""
    return [Failure(NOON - timedelta(seconds=age + index), account, address) for index in range(count)]


def seconds(found: list[Failure], *, is_known: bool = False) -> float:
    return waiting_time(found, NOON, is_known=is_known)[0].total_seconds()


def test_four_failures_are_forgiven_and_the_fifth_closes_the_door_until_it_has_aged() -> None:
    assert seconds(failures(PER_ACCOUNT_AND_ADDRESS - 1)) <= 0
    assert seconds(failures(PER_ACCOUNT_AND_ADDRESS)) == WINDOW.total_seconds() - 60 - 4


def test_an_account_that_many_guess_at_backs_off_and_doubles() -> None:
    elsewhere = [seconds(failures(count, address=False, age=1)) for count in range(PER_ACCOUNT, PER_ACCOUNT + 7)]

    assert seconds(failures(PER_ACCOUNT - 1, address=False, age=1)) <= 0
    assert elsewhere == [29, 59, 119, 239, 479, 899, 899]


def test_an_address_that_tries_many_accounts_waits() -> None:
    assert seconds(failures(PER_ADDRESS - 1, account=False)) <= 0
    assert seconds(failures(PER_ADDRESS, account=False)) > 0


@pytest.mark.parametrize(("account", "address"), [(True, False), (False, True)])
def test_strangers_and_neighbours_do_not_keep_out_who_is_known_here(account: bool, address: bool) -> None:
    many = failures(200, account=account, address=address)

    assert seconds(many) > 0
    assert seconds(many, is_known=True) <= 0


def test_who_is_known_here_still_cannot_guess_without_end() -> None:
    assert seconds(failures(PER_ACCOUNT_AND_ADDRESS), is_known=True) > 0


@given(
    st.lists(
        st.builds(
            Failure,
            st.floats(0, WINDOW.total_seconds()).map(lambda age: NOON - timedelta(seconds=age)),
            st.booleans(),
            st.booleans(),
        ),
        max_size=120,
    ),
    st.booleans(),
)
def test_a_wait_is_never_longer_than_the_window_and_one_more_failure_never_shortens_it(
    found: list[Failure], is_known: bool
) -> None:
    ordered = sorted(found, key=lambda failure: failure.at, reverse=True)

    wait = waiting_time(ordered, NOON, is_known=is_known)[0]
    more = waiting_time([Failure(NOON, True, True), *ordered], NOON, is_known=is_known)[0]

    assert wait <= WINDOW
    assert more >= wait


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_a_caller_is_known_by_address_or_by_the_network_a_customer_gets(address: str, expected: str) -> None:
    assert network(address) == expected
