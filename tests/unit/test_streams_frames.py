"""What clients may send, and how it is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullon.kernel.errors import FullonError, Invalid
from fullon.streams.model import CHANNELS, OHLCV, TICKERS, read_frame, read_key, read_topics, request_id_of

OWNER, PART = UUID("0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11"), UUID("0199f1c2-9b61-7d0f-8a2e-5f0d3c1b2a99")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "not JSON"),
        ("", "not JSON"),
        ("{", "not JSON"),
        ("\u0000", "not JSON"),
        ("NaN", "not JSON"),
        ("[]", "not a JSON object"),
        ("42", "not a JSON object"),
        ('"subscribe"', "not a JSON object"),
        ("null", "not a JSON object"),
        ("{}", "no action"),
        ('{"action": 7}', "no action"),
        ('{"action": null}', "no action"),
        ('{"action": "fly"}', "'fly'"),
        ('{"action": "$default"}', "'$default'"),
        ('{"action": "ping", "request_id": 1.5}', "request_id"),
        ('{"action": "ping", "request_id": true}', "request_id"),
        ('{"action": "ping", "request_id": {}}', "request_id"),
        (json.dumps({"action": "ping", "request_id": "x" * 129}), "request_id"),
    ],
)
def test_garbage_is_refused_with_what_is_wrong_with_it(text: str | None, words: str) -> None:
    with pytest.raises(FullonError) as refused:
        read_frame(text)

    assert words in refused.value.detail
    assert refused.value.detail.endswith(".")


@pytest.mark.parametrize("request_id", ["a", "", "x" * 128, 0, -5, 10**15])
def test_a_request_id_comes_back_as_it_was(request_id: str | int) -> None:
    text = json.dumps({"action": "ping", "request_id": request_id})

    assert read_frame(text).request_id == request_id_of(text) == request_id


@pytest.mark.parametrize("text", [None, "", "[]", "{", '{"request_id": []}', '{"request_id": 1.5}'])
def test_what_is_no_request_id_does_not_come_back(text: str | None) -> None:
    assert request_id_of(text) is None


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({}, "channel"),
        ({"channel": 1}, "channel"),
        ({"channel": "nothing"}, "'nothing'"),
        ({"channel": "x" * 128}, "..."),
        ({"channel": "x" * 10_000}, "channel"),
        ({"channel": "tickers", "exchange": "pa\0per"}, "exchange"),
        ({"channel": "tickers", "exchange": "paper", "symbol": "\u0007"}, "symbol"),
        ({"channel": "tickers"}, "exchange"),
        ({"channel": "tickers", "exchange": 5}, "exchange"),
        ({"channel": "tickers", "exchange": "paper", "symbols": "BTC/USDT"}, "symbols"),
        ({"channel": "tickers", "exchange": "paper", "symbols": [1]}, "symbols"),
        ({"channel": "tickers", "exchange": "paper", "symbols": []}, "symbols"),
        ({"channel": "tickers", "exchange": "paper", "symbol": []}, "symbol"),
        ({"channel": "trades", "exchange": "paper"}, "symbol"),
        ({"channel": "ohlcv", "exchange": "paper", "symbol": "A/B"}, "timeframe"),
        ({"channel": "ohlcv", "exchange": "paper", "symbol": "A/B", "timeframe": "7m"}, "'7m'"),
    ],
)
def test_a_request_that_misses_something_is_told_what(members: dict[str, Any], words: str) -> None:
    with pytest.raises(FullonError) as refused:
        read_topics(members)

    assert words in refused.value.detail
    assert len(refused.value.detail) < 300


@pytest.mark.parametrize(
    ("members", "keys"),
    [
        ({"channel": "tickers", "exchange": "paper", "symbol": "BTC/USDT"}, ("paper:BTC/USDT",)),
        ({"channel": "tickers", "exchange": "PAPER", "symbols": ["A/B", "C/D", "A/B"]}, ("paper:A/B", "paper:C/D")),
        ({"channel": "tickers", "exchange": "paper"}, ("paper:*",)),
        ({"channel": "trades", "exchange": "paper", "symbol": "BTC/USD:BTC"}, ("paper:BTC/USD:BTC",)),
        (
            {"channel": "ohlcv", "exchange": "paper", "symbol": "BTC/USD:BTC", "timeframe": "1M"},
            ("paper:BTC/USD:BTC:1M",),
        ),
        ({"channel": "processes"}, ("*",)),
    ],
)
def test_a_request_names_its_keys_and_a_key_names_its_topics(members: dict[str, Any], keys: tuple[str, ...]) -> None:
    topics = read_topics(members)

    assert topics.keys == keys
    for key in keys:
        assert read_key(topics.channel, key).keys == (key,)


@pytest.mark.parametrize(("channel", "key"), [(TICKERS, ""), (TICKERS, "paper"), (OHLCV, "paper:A/B"), (OHLCV, "x")])
def test_a_key_that_no_request_makes_is_refused(channel: Any, key: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_key(channel, key)


@pytest.mark.parametrize("name", [name for name, channel in CHANNELS.items() if channel.owned])
def test_what_belongs_to_a_user_is_under_a_key_that_begins_with_the_user(name: str) -> None:
    channel = CHANNELS[name]
    member = channel.members[0]

    everything = read_topics({"channel": name, "user_id": str(PART), "uid": str(PART)}, OWNER)
    part = read_topics({"channel": name, member: str(PART).upper()}, OWNER)

    assert everything.keys == (str(OWNER) if channel.lossless else f"{OWNER}:*",)
    assert part.keys == (f"{OWNER}:{PART}",)
    for topics in (everything, part):
        assert read_key(channel, topics.keys[0]) == topics


@pytest.mark.parametrize("members", [{"account": "x"}, {"account": 7}, {"account": str(PART), "bot_id": str(PART)}])
def test_a_part_is_one_id(members: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        read_topics({"channel": "orders", **members}, OWNER)


@given(st.text())
def test_any_text_is_a_frame_or_is_refused(text: str) -> None:
    with suppress(FullonError):
        assert read_frame(text).members["action"]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(["channel", "exchange", "symbol", "symbols", "timeframe", "account", "bot_id"]),
        st.sampled_from([*CHANNELS, "paper", "BTC/USDT", "1m", str(PART)]) | _json,
    )
)
def test_any_request_names_keys_or_is_refused(members: dict[str, Any]) -> None:
    with suppress(FullonError):
        assert read_topics(members, OWNER).keys
