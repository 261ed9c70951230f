"""Frames of the fan-out that fail or whose fate is unknown, connections that are gone, farewells, whatever happens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullon.streams.gateway import Outcome
from fullon.streams.model import OHLCV, TICKERS, TRADES
from tests.unit.fanout_world import BTC, DONE, ETH, GONE, REFUSED, UNKNOWN, UNREACHABLE, World, numbers, shown

# -- failures


@pytest.mark.parametrize("outcome", [REFUSED, UNREACHABLE])
def test_a_refused_frame_is_made_anew_with_the_newest_value_and_the_same_number(outcome: Outcome) -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    world.tick("1")
    world.answer(outcome)
    world.tick("2")

    assert world.posts == []
    world.wake()
    assert shown(world.answer_all()) == [("snapshot", 1, {"price": "2"})]


def test_a_frame_of_unknown_fate_is_sent_again_as_it_was() -> None:
    world = World()
    world.fanout.subscribe("a", TRADES, BTC, 1)
    world.answer_all()
    world.trade(1)
    world.answer(UNKNOWN)
    world.trade(2)
    world.wake()

    assert [(frame["seq"], numbers([frame])) for frame in world.answer_all()] == [(2, [1]), (3, [2])]


def test_pauses_grow_to_a_limit_and_start_again_after_a_success() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    world.tick("1")
    pauses = []
    for _ in range(10):
        world.answer(REFUSED)
        pauses.append(world.timers[-1].seconds)
        world.wake()
    world.answer_all()
    world.tick("2")
    world.answer(REFUSED)

    assert pauses[0] <= 0.1
    assert 1.0 <= pauses[-1] <= 2.0
    assert world.timers[-1].seconds <= 0.1


def test_a_connection_that_is_gone_is_dropped_and_reported_once() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    world.fanout.subscribe("b", TICKERS, BTC, 1)
    world.tick("1")
    world.answer(GONE)
    world.answer_all()
    world.tick("2")

    assert world.lost == ["a"]
    assert world.fanout.subscribers.keys() == {"b"}
    assert [post[0] for post in world.posts] == ["b"]


def test_an_outcome_after_the_disconnect_changes_nothing() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    world.tick("1")
    world.fanout.disconnect("a")

    world.answer(REFUSED)
    world.wake()

    assert world.posts == []
    assert world.lost == []


def test_a_silent_connection_is_looked_at_and_dropped_when_it_is_gone() -> None:
    world = World()
    subscriber = world.fanout.connect("a")
    world.clock = 50.0
    subscriber.look()
    world.looks.pop()[1](DONE)
    assert subscriber.heard_at == 50.0

    subscriber.look()
    world.looks.pop()[1](GONE)
    assert world.lost == ["a"]


# -- farewells


def test_a_farewell_says_why_ends_the_connection_and_nothing_comes_after_it() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    world.tick("1")
    world.answer_all()
    world.fanout.say_bye("a", "session_ended")
    world.fanout.say_bye("a", "token_expired")
    world.fanout.subscribe("a", TICKERS, ETH, 2)
    [bye] = world.answer_all()
    [(connection_id, done)] = world.ends
    done(DONE)

    assert (bye["type"], bye["reason"]) == ("bye", "session_ended")
    assert bye["detail"].endswith(".")
    assert connection_id == "a"
    assert world.lost == ["a"]


@pytest.mark.parametrize("outcome", [DONE, REFUSED, UNKNOWN])
def test_a_farewell_waits_for_the_frame_under_way_and_for_nothing_else(outcome: Outcome) -> None:
    world = World()
    world.fanout.subscribe("a", TRADES, BTC, 1)
    world.trade(1)
    world.fanout.say_bye("a", "key_revoked")
    assert len(world.posts) == 1

    world.answer(outcome)
    world.wake()

    assert [frame["type"] for frame in world.answer_all()] == ["bye"]


def test_a_farewell_that_nobody_takes_does_not_keep_the_connection() -> None:
    world = World()
    world.fanout.connect("a")
    world.fanout.say_bye("a", "token_expired")
    while world.posts:
        world.answer(REFUSED)
        world.wake()
    assert len(world.ends) == 1

    world.ends.pop()[1](UNREACHABLE)
    world.wake()
    world.ends.pop()[1](GONE)

    assert world.lost == ["a"]


def test_a_farewell_does_not_wait_for_a_pause() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    world.tick("1")
    world.answer(REFUSED)
    world.fanout.say_bye("a", "session_ended")

    assert [frame["type"] for frame in world.answer_all()] == ["bye"]


# -- whatever happens


_steps = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.sampled_from([BTC, ETH])),
        st.tuples(st.just("trade"), st.integers(1, 6)),
        st.tuples(st.just("bar"), st.booleans()),
        st.tuples(st.just("answer"), st.sampled_from([DONE, DONE, DONE, REFUSED, UNKNOWN, UNREACHABLE])),
        st.tuples(st.just("wake"), st.none()),
    ),
    max_size=80,
)


@settings(max_examples=300)
@given(_steps)
def test_numbers_have_no_gaps_values_end_at_the_newest_and_no_trade_is_lost_without_a_word(
    steps: list[tuple[str, Any]],
) -> None:
    world = World(queued_trades=12)
    for channel, key in ((TICKERS, BTC), (TICKERS, ETH), (TRADES, BTC), (OHLCV, f"{BTC}:1m")):
        world.fanout.subscribe("a", channel, key, 1)
    traded, price, minute, latest, finals = 0, 0, 0, dict[str, str](), []
    for step, argument in steps:
        if step == "tick":
            price += 1
            latest[argument] = str(price)
            world.tick(str(price), argument)
        elif step == "trade":
            world.trade(*range(traded, traded + argument))
            traded += argument
        elif step == "bar":
            world.bar(minute, float(price), final=argument)
            if argument:
                finals.append(minute)
                minute += 1
        elif step == "answer" and world.posts:
            world.answer(argument)
        elif step == "wake":
            world.wake()
    while world.posts or any(not timer.cancelled for timer in world.timers):
        world.answer_all()
        world.wake()

    heard: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for frame in world.heard.get("a", []):
        heard.setdefault((frame["channel"], frame["key"]), []).append(frame)
    for stream in heard.values():
        numbered = [frame for frame in stream if frame["type"] != "gap"]
        assert [frame["seq"] for frame in numbered] == list(range(1, len(numbered) + 1))
        assert [frame["type"] for frame in numbered] == ["snapshot", "update"][:1] + ["update"] * (len(numbered) - 1)
    for key, value in latest.items():
        assert heard["tickers", key][-1]["data"]["price"] == value
    bars = [frame["data"] for frame in heard.get(("ohlcv", f"{BTC}:1m"), [])]
    assert [bar["ts"] for bar in bars if bar["final"]] == finals
    expected = 0
    for frame in heard["trades", BTC]:
        if frame["type"] == "gap":
            expected += frame["missed"]
        elif frame["type"] == "update":
            for trade in frame["data"]:
                assert int(trade["id"]) == expected
                expected += 1
    assert expected == traded
