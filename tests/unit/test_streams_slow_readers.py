"""Slow readers of the fan-out: conflation, turns, final bars, and trades with their gaps and allowances."""

from __future__ import annotations

import json

from fullon.streams.model import OHLCV, TICKERS, TRADES
from tests.unit.fanout_world import BTC, DONE, ETH, REFUSED, World, numbers, shown

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
