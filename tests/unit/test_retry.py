"""Trying again, and saying so once."""

from __future__ import annotations

import logging

import pytest

from fullon.kernel.errors import Corrupt, Unavailable
from fullon.kernel.retry import Backoff, Troubles, insist

_log = logging.getLogger("test.retry")


def test_pauses_grow_up_to_the_longest_and_begin_anew_after_a_success() -> None:
    backoff = Backoff(1.0, 4.0)

    pauses = [backoff.pause() for _ in range(4)]
    backoff.reset()

    for pause, whole in zip(pauses, (1.0, 2.0, 4.0, 4.0), strict=True):
        assert whole / 2 <= pause <= whole
    assert backoff.pause() <= 1.0


async def test_an_outage_is_said_once_when_it_begins_and_once_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles(_log)
    left = 5

    async def work() -> str:
        nonlocal left
        left -= 1
        if left:
            raise Unavailable("The database cannot be reached.", code="database_down")
        return "done"

    with caplog.at_level(logging.INFO, "test.retry"):
        result = await insist(work, troubles.outage("candles"), first=0.001)

    assert result == "done"
    assert [record.getMessage() for record in caplog.records] == ["waiting", "resumed"]
    assert troubles.sentence() == ""


async def test_another_kind_of_failure_is_said_again(caplog: pytest.LogCaptureFixture) -> None:
    outage = Troubles(_log).outage("candles")

    with caplog.at_level(logging.INFO, "test.retry"):
        outage.failed(Unavailable("a", code="database_down"))
        outage.failed(Unavailable("a", code="database_down"))
        outage.failed(Unavailable("b", code="venue_down"))

    assert len(caplog.records) == 2


async def test_an_error_that_waiting_does_not_mend_goes_through() -> None:
    async def work() -> None:
        raise Corrupt("broken")

    with pytest.raises(Corrupt):
        await insist(work, Troubles(_log).outage("candles"))


def test_all_present_troubles_make_one_sentence_each() -> None:
    troubles = Troubles(_log)
    one, other = troubles.outage("one"), troubles.outage("other")

    one.failed(Unavailable("The venue is down."))
    other.failed(Unavailable("The venue is down."))

    assert troubles.sentence() == "The venue is down."
    one.passed()
    other.passed()
    assert troubles.sentence() == ""


def test_the_trouble_of_one_user_is_said_and_is_none_of_the_process(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles(_log)
    refusal = troubles.outage("account", counts=False)

    with caplog.at_level(logging.INFO, _log.name):
        refusal.failed(Unavailable("The key is wrong."))
        sentence = troubles.sentence()
        troubles.outage("account").passed()

    assert sentence == ""
    assert [record.message for record in caplog.records] == ["waiting", "resumed"]
