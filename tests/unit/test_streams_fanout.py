"""What the fan-out sends to whom, without a network: snapshots, changes, and who gets which."""

from __future__ import annotations

import pytest

from fullon.streams.gateway import Outcome
from fullon.streams.model import PROCESSES, TICKERS
from tests.unit.fanout_world import BTC, DONE, ETH, REFUSED, UNKNOWN, World, shown

# -- snapshots and updates


def test_a_known_value_is_the_snapshot_and_changes_follow_it() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    world.fanout.know(TICKERS, BTC, {"price": "1"}, 0)
    first = world.answer_all()
    world.tick("2")

    assert shown(first) == [("snapshot", 1, {"price": "1"})]
    assert shown(world.answer_all()) == [("update", 2, {"price": "2"})]
    assert world.wanted == [("tickers", BTC)]


def test_a_value_that_does_not_exist_is_a_snapshot_of_null() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    world.fanout.know(TICKERS, BTC, None, 0)

    assert shown(world.answer_all()) == [("snapshot", 1, None)]


def test_a_change_before_the_value_is_read_is_the_snapshot_and_the_older_value_is_not_sent() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    world.tick("2")
    world.fanout.know(TICKERS, BTC, {"price": "1"}, 0)

    assert shown(world.answer_all()) == [("snapshot", 1, {"price": "2"})]


def test_a_second_subscriber_gets_the_present_value_without_a_read() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    world.tick("2")
    world.answer_all()
    world.fanout.subscribe("b", TICKERS, BTC, 1)

    assert shown(world.answer_all()) == [("snapshot", 1, {"price": "2"})]
    assert world.wanted == [("tickers", BTC)]


def test_subscribing_again_starts_over_with_a_snapshot() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    for price in ("1", "2", "3"):
        world.tick(price)
        world.answer_all()
    world.fanout.subscribe("a", TICKERS, BTC, 2)
    world.tick("4")

    assert shown(world.answer_all()) == [("snapshot", 1, {"price": "3"}), ("update", 2, {"price": "4"})]


@pytest.mark.parametrize("outcome", [DONE, REFUSED, UNKNOWN])
def test_subscribing_again_while_a_frame_is_under_way_starts_over_too(outcome: Outcome) -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    world.tick("1")
    world.answer_all()
    world.tick("2")
    world.fanout.subscribe("a", TICKERS, BTC, 2)

    world.answer(outcome)
    world.wake()

    assert shown(world.answer_all()) == [("snapshot", 1, {"price": "2"})]


def test_only_those_who_subscribed_get_it_and_no_more_after_they_unsubscribed() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    world.fanout.subscribe("b", TICKERS, ETH, 1)
    world.tick("1")
    world.answer_all()
    world.fanout.unsubscribe("a", TICKERS, BTC)

    assert world.heard.keys() == {"a"}
    assert not world.fanout.wants("tickers", BTC, "paper:")
    assert world.fanout.wants("tickers", ETH, "paper:")


def test_all_of_an_exchange_begins_each_key_with_a_snapshot_also_those_that_come_later() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, "paper:*", 1)
    world.fanout.know(TICKERS, BTC, {"price": "1"}, 0)
    world.answer_all()
    world.tick("2")
    world.tick("9", ETH)
    world.tick("8", "other:BTC/USDT") if world.fanout.wants("tickers", "other:BTC/USDT", "other:") else None
    heard = world.answer_all()

    assert sorted((frame["key"], frame["type"], frame["seq"]) for frame in heard) == [
        (BTC, "update", 2),
        (ETH, "snapshot", 1),
    ]


def test_one_of_all_is_not_sent_twice_and_goes_on_when_the_other_subscription_ends() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, "paper:*", 1)
    world.fanout.subscribe("a", TICKERS, BTC, 2)
    world.tick("1")
    both = world.answer_all()
    world.fanout.unsubscribe("a", TICKERS, "paper:*")
    world.tick("2")
    one = world.answer_all()
    world.fanout.unsubscribe("a", TICKERS, BTC)

    assert shown(both) == [("snapshot", 1, {"price": "1"})]
    assert shown(one) == [("update", 2, {"price": "2"})]
    assert not world.fanout.wants("tickers", BTC, "paper:")
    assert not world.fanout.wants("tickers", ETH, "paper:")


def test_processes_are_one_subscription_and_a_key_for_each_instance() -> None:
    world = World()
    world.fanout.subscribe("a", PROCESSES, "*", 1)
    world.fanout.change(PROCESSES, "ticker:1", {"work": 1}, 1)
    world.fanout.change(PROCESSES, "ohlcv:1", {"work": 1}, 1)
    world.answer_all()
    world.fanout.change(PROCESSES, "ticker:1", {"work": 2}, 1)

    assert [(frame["key"], frame["seq"]) for frame in world.answer_all()] == [("ticker:1", 2)]


def test_what_changed_while_changes_could_not_be_heard_is_sent_and_nothing_else() -> None:
    world = World()
    for key in (BTC, ETH):
        world.fanout.subscribe("a", TICKERS, key, 1)
        world.tick("1", key)
    world.answer_all()

    world.fanout.doubt()
    wanted = world.fanout.wanted_keys()
    world.fanout.know(TICKERS, BTC, {"price": "1"}, 2)
    world.fanout.know(TICKERS, ETH, {"price": "2"}, 2)

    assert wanted == [(TICKERS, BTC), (TICKERS, ETH)]
    assert [(frame["key"], frame["seq"]) for frame in world.answer_all()] == [(ETH, 2)]


def test_values_that_are_lost_with_the_store_are_not_taken_back() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    world.tick("1")
    world.answer_all()

    world.fanout.doubt()
    world.fanout.know(TICKERS, BTC, None, 2)
    world.fanout.subscribe("b", TICKERS, BTC, 1)

    assert shown(world.answer_all()) == [("snapshot", 1, {"price": "1"})]
