"""Numbering, order, conflation, gaps, retries and farewells of the fan-out, without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullon.streams.fanout import Fanout
from fullon.streams.gateway import Done, Outcome, Target
from fullon.streams.model import OHLCV, PROCESSES, TICKERS, TRADES, Channel

DONE, GONE, REFUSED, UNKNOWN, UNREACHABLE = (
    Outcome.DONE,
    Outcome.GONE,
    Outcome.REFUSED,
    Outcome.UNKNOWN,
    Outcome.UNREACHABLE,
)
BTC, ETH = "paper:BTC/USDT", "paper:ETH/USDT"


@dataclass
class Timer:
    """A call for later that was asked for."""

    seconds: float
    call: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class World:
    """A gateway that answers when it is told to, a clock that does not run, and a fan-out on them."""

    queued_trades: int = 100
    posts: list[tuple[str, dict[str, Any], Done]] = field(default_factory=list)
    looks: list[tuple[str, Done]] = field(default_factory=list)
    ends: list[tuple[str, Done]] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wanted: list[tuple[str, str]] = field(default_factory=list)
    recent: dict[str, list[Any]] = field(default_factory=dict)
    heard: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    clock: float = 0.0

    def __post_init__(self) -> None:
        self.fanout = Fanout(
            self,
            later=self.later,
            now=lambda: self.clock,
            lost=self.lost.append,
            wanted=self.want,
            queued_trades=self.queued_trades,
        )

    def target(self, connection_id: str) -> Target:
        return Target(connection_id.encode(), b"")

    def post(self, target: Target, body: bytes, done: Done) -> None:
        self.posts.append((target.line.decode(), json.loads(body), done))

    def look(self, target: Target, done: Done) -> None:
        self.looks.append((target.line.decode(), done))

    def end(self, target: Target, done: Done) -> None:
        self.ends.append((target.line.decode(), done))

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(seconds, call))
        return self.timers[-1]

    def want(self, channel: Channel, key: str) -> None:
        self.wanted.append((channel.name, key))
        if channel is TRADES:
            self.fanout.know(channel, key, list(self.recent.get(key, [])), 0)

    def answer(self, outcome: Outcome = DONE) -> dict[str, Any]:
        """Let the oldest push have this outcome; returns its frame."""
        connection_id, frame, done = self.posts.pop(0)
        if outcome is DONE:
            self.heard.setdefault(connection_id, []).append(frame)
        done(outcome)
        return frame

    def answer_all(self) -> list[dict[str, Any]]:
        """Let every push succeed until there is nothing more to push."""
        found = []
        while self.posts:
            found.append(self.answer())
        return found

    def wake(self) -> None:
        """Let the time of every waiting call come."""
        due, self.timers = self.timers, []
        for timer in due:
            if not timer.cancelled:
                timer.call()

    def tick(self, price: str, key: str = BTC) -> None:
        self.fanout.change(TICKERS, key, {"price": price}, 1)

    def bar(self, ts: int, close: float, *, final: bool = False) -> None:
        self.fanout.change(OHLCV, f"{BTC}:1m", {"ts": ts, "close": close, "final": final}, 1)

    def trade(self, *numbers: int, key: str = BTC) -> None:
        self.fanout.trades(TRADES, key, [{"id": str(number)} for number in numbers], 1)
        self.recent.setdefault(key, []).extend({"id": str(number)} for number in numbers)


def shown(frames: list[dict[str, Any]]) -> list[tuple[str, int, Any]]:
    return [(frame["type"], frame["seq"], frame["data"]) for frame in frames]


def numbers(frames: list[dict[str, Any]]) -> list[int]:
    """The trades of updates, by id."""
    return [int(trade["id"]) for frame in frames if frame["type"] == "update" for trade in frame["data"]]


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


# -- slow readers


def test_a_slow_reader_of_latest_values_skips_to_the_newest_without_a_gap_in_the_numbers() -> None:
    world = World()
    world.fanout.subscribe("a", TICKERS, BTC, 1)
    for price in range(1, 50):
        world.tick(str(price))

    assert shown(world.answer_all()) == [("snapshot", 1, {"price": "1"}), ("update", 2, {"price": "49"})]


def test_a_slow_reader_does_not_hold_up_another() -> None:
    world = World()
    world.fanout.subscribe("slow", TICKERS, BTC, 1)
    world.fanout.subscribe("quick", TICKERS, BTC, 1)
    world.tick("1")
    stuck = world.posts.pop(0)
    for price in ("2", "3"):
        world.answer_all()
        world.tick(price)
    world.answer_all()

    assert stuck[0] == "slow"
    assert [frame["data"]["price"] for frame in world.heard["quick"]] == ["1", "2", "3"]


def test_keys_of_a_slow_reader_take_turns() -> None:
    world = World()
    for key in (BTC, ETH):
        world.fanout.subscribe("a", TICKERS, key, 1)
    for price in range(4):
        world.tick(str(price))
    world.tick("0", ETH)
    heard = [world.answer()["key"]]
    for price in range(4, 8):
        world.tick(str(price))
        heard.append(world.answer()["key"])

    assert heard[:3] == [BTC, BTC, ETH] or heard[:3] == [BTC, ETH, BTC]


def test_final_bars_are_never_left_out() -> None:
    world = World()
    world.fanout.subscribe("a", OHLCV, f"{BTC}:1m", 1)
    world.bar(0, 1.0)
    for minute in range(4):
        world.bar(minute, 2.0)
        world.bar(minute, 3.0, final=True)
    world.bar(4, 9.0)
    heard = world.answer_all()

    assert [(frame["data"]["ts"], frame["data"]["final"]) for frame in heard] == [
        (0, False),
        (0, True),
        (1, True),
        (2, True),
        (3, True),
        (4, False),
    ]
    assert [frame["seq"] for frame in heard] == [1, 2, 3, 4, 5, 6]


def test_a_final_bar_that_was_refused_is_sent_before_the_next_one() -> None:
    world = World()
    world.fanout.subscribe("a", OHLCV, f"{BTC}:1m", 1)
    world.bar(0, 1.0, final=True)
    world.bar(1, 2.0)
    world.answer(REFUSED)
    world.wake()

    assert [(frame["data"]["ts"], frame["seq"]) for frame in world.answer_all()] == [(0, 1), (1, 2)]


# -- trades


def test_trades_begin_with_the_latest_and_go_on_with_every_one_in_order() -> None:
    world = World()
    world.trade(1, 2, 3)
    world.fanout.subscribe("a", TRADES, BTC, 1)
    world.trade(4)
    world.trade(5, 6)
    heard = world.answer_all()

    assert [trade["id"] for trade in heard[0]["data"]] == ["1", "2", "3"]
    assert numbers(heard) == [4, 5, 6]
    assert [frame["seq"] for frame in heard] == [1, 2]


def test_trades_that_were_too_many_are_announced_with_their_number() -> None:
    world = World(queued_trades=10)
    world.fanout.subscribe("a", TRADES, BTC, 1)
    world.trade(*range(8))
    world.trade(8, 9, 10)
    world.trade(11, 12)
    world.answer()
    heard = world.answer_all()

    assert heard[0] == {"type": "gap", "channel": "trades", "key": BTC, "missed": 11}
    assert numbers(heard) == [11, 12]
    assert [frame["seq"] for frame in heard[1:]] == [2]


def test_a_gap_that_was_refused_is_announced_with_what_was_lost_since() -> None:
    world = World(queued_trades=3)
    world.fanout.subscribe("a", TRADES, BTC, 1)
    world.answer()
    world.trade(1)
    world.trade(*range(2, 9))
    world.answer(DONE)
    gap = world.answer(REFUSED)
    world.trade(*range(9, 14))
    world.wake()
    heard = world.answer_all()

    assert gap["missed"] == 7
    assert heard == [{"type": "gap", "channel": "trades", "key": BTC, "missed": 12}]


def test_trades_that_were_under_way_and_refused_join_the_gap_that_opened_meanwhile() -> None:
    world = World(queued_trades=3)
    world.fanout.subscribe("a", TRADES, BTC, 1)
    world.answer()
    world.trade(1, 2)
    world.trade(*range(3, 8))
    world.answer(REFUSED)
    world.wake()
    world.trade(8)

    assert [frame.get("missed") or numbers([frame]) for frame in world.answer_all()] == [7, [8]]


def test_what_is_lost_while_a_gap_is_on_its_way_is_another_gap() -> None:
    world = World(queued_trades=3)
    world.fanout.subscribe("a", TRADES, BTC, 1)
    world.answer()
    world.trade(*range(5))
    world.trade(*range(5, 9))

    assert [frame["missed"] for frame in world.answer_all()] == [5, 4]


def test_a_reader_that_keeps_up_never_uses_up_its_allowance() -> None:
    world = World(queued_trades=3)
    world.fanout.subscribe("a", TRADES, BTC, 1)
    world.answer_all()
    for first in range(0, 100, 2):
        world.trade(first, first + 1)
        world.answer(REFUSED)
        world.wake()
        world.answer_all()

    assert numbers(world.heard["a"]) == list(range(100))


def test_an_allowance_is_given_back_when_a_subscription_ends() -> None:
    world = World(queued_trades=3)
    world.fanout.subscribe("a", TRADES, ETH, 1)
    for _ in range(5):
        world.fanout.subscribe("a", TRADES, BTC, 1)
        world.trade(1, 2)
        world.fanout.unsubscribe("a", TRADES, BTC)
    world.trade(7, 8, 9, key=ETH)

    assert numbers([frame for frame in world.answer_all() if frame["key"] == ETH]) == [7, 8, 9]


def test_a_loss_before_the_fanout_is_a_gap_of_unknown_size_for_all_and_the_stream_goes_on() -> None:
    world = World()
    for key in (BTC, ETH):
        world.fanout.subscribe("a", TRADES, key, 1)
    world.answer_all()
    world.fanout.lose_trades()
    world.trade(7)
    heard = world.answer_all()

    assert [(frame["type"], frame["key"], frame.get("missed")) for frame in heard if frame["type"] == "gap"] == [
        ("gap", BTC, None),
        ("gap", ETH, None),
    ]
    assert numbers(heard) == [7]


def test_messages_of_trades_stay_under_their_size() -> None:
    world = World(queued_trades=100_000)
    world.fanout.subscribe("a", TRADES, BTC, 1)
    for first in range(0, 20_000, 100):
        world.trade(*range(first, first + 100))
    heard = world.answer_all()

    assert numbers(heard) == list(range(20_000))
    assert max(len(json.dumps(frame, separators=(",", ":"))) for frame in heard) < 32_000
    assert len(heard) < 20


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
