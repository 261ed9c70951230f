"""The AsyncAPI document is whole, and says what the code does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import jsonschema
import pytest

from fullon.kernel.errors import FullonError, Invalid, LimitExceeded
from fullon.kernel.timeframes import Timeframe
from fullon.streams import errors, frames
from fullon.streams.asyncapi import document
from fullon.streams.model import ACTIONS, CHANNELS, OHLCV, TICKERS, TRADES, read_frame, read_topics
from functions.websocket.routes import error_frame
from tests.unit.fanout_world import BTC, REFUSED, World

DOCUMENT = document()
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]

#: What AsyncAPI 3.0.0 asks of the parts that are used here (specification, "AsyncAPI Object" and below).
SHAPE = {
    "type": "object",
    "required": ["asyncapi", "info"],
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {"type": "object", "required": ["title", "version"]},
        "defaultContentType": {"type": "string"},
        "servers": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["host", "protocol"],
                "properties": {"security": {"type": "array", "items": {"$ref": "#/$defs/reference"}}},
            },
        },
        "channels": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["address", "messages"],
                "properties": {
                    "messages": {"type": "object", "additionalProperties": {"$ref": "#/$defs/reference"}},
                    "bindings": {"type": "object"},
                },
            },
        },
        "operations": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["action", "channel"],
                "properties": {
                    "action": {"enum": ["send", "receive"]},
                    "channel": {"$ref": "#/$defs/reference"},
                    "messages": {"type": "array", "items": {"$ref": "#/$defs/reference"}},
                    "reply": {
                        "type": "object",
                        "properties": {
                            "channel": {"$ref": "#/$defs/reference"},
                            "messages": {"type": "array", "items": {"$ref": "#/$defs/reference"}},
                        },
                        "additionalProperties": False,
                    },
                },
            },
        },
        "components": {
            "type": "object",
            "properties": {
                "messages": {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "required": ["payload", "summary", "examples"],
                        "properties": {"examples": {"type": "array", "items": {"required": ["payload"]}}},
                    },
                },
                "schemas": {"type": "object"},
                "securitySchemes": {
                    "type": "object",
                    "additionalProperties": {
                        "oneOf": [
                            {
                                "properties": {"type": {"const": "httpApiKey"}, "in": {"enum": ["query", "header"]}},
                                "required": ["type", "name", "in"],
                            },
                            {"properties": {"type": {"const": "http"}}, "required": ["type", "scheme"]},
                        ]
                    },
                },
            },
            "additionalProperties": False,
        },
    },
    "patternProperties": {"^x-": True},
    "additionalProperties": False,
    "$defs": {
        "reference": {"type": "object", "required": ["$ref"], "additionalProperties": False, "properties": {"$ref": {}}}
    },
}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def check(name: str, payload: Any) -> None:
    """A frame is what the document says of this message."""
    schema = {**MESSAGES[name]["payload"], "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(payload)


def test_the_document_has_the_shape_of_asyncapi_3() -> None:
    jsonschema.Draft202012Validator(SHAPE).validate(DOCUMENT)
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found


def test_every_schema_is_a_schema_and_every_example_keeps_to_it() -> None:
    for name, message in MESSAGES.items():
        schema = {**message["payload"], "components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator.check_schema(schema)
        for example in message["examples"]:
            check(name, example["payload"])


def test_every_action_frame_channel_error_and_limit_is_there() -> None:
    kinds = {kind.__name__.lower() for kind in get_args(frames.ServerFrame)}

    assert set(ACTIONS) | kinds == MESSAGES.keys()
    assert [channel["name"] for channel in DOCUMENT["x-channels"]] == list(CHANNELS)
    assert {error["code"] for error in DOCUMENT["x-errors"]} == {
        kind.default_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, FullonError) and kind.__module__ == errors.__name__
    }
    assert DOCUMENT["x-limits"]["subscriptions"] == 1000
    assert "ticket" in DOCUMENT["info"]["description"]


@pytest.mark.parametrize("action", ["subscribe", "unsubscribe", "get"])
@pytest.mark.parametrize(
    "members",
    [
        {"channel": "tickers", "exchange": "paper"},
        {"channel": "tickers", "exchange": "paper", "symbol": "A/B"},
        {"channel": "trades", "exchange": "paper", "symbols": ["A/B", "C/D"]},
        *({"channel": "ohlcv", "exchange": "p", "symbol": "A/B", "timeframe": each.value} for each in Timeframe),
        {"channel": "processes"},
    ],
)
def test_what_the_document_allows_is_what_the_code_reads(action: str, members: dict[str, Any]) -> None:
    frame = {"action": action, "request_id": 7, **members}

    check(action, frame)
    assert read_topics(read_frame(json.dumps(frame)).members).keys


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"channel": "nothing"},
        {"channel": "tickers"},
        {"channel": "trades", "exchange": "paper"},
        {"channel": "ohlcv", "exchange": "paper", "symbol": "A/B", "timeframe": "7m"},
        {"channel": "ohlcv", "exchange": "paper", "symbol": "A/B"},
    ],
)
def test_what_the_document_forbids_the_code_refuses(members: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check("subscribe", {"action": "subscribe", **members})
    with pytest.raises(Invalid):
        read_topics(members)


def test_pushed_frames_are_what_the_document_says() -> None:
    world = World(queued_trades=2)
    tick = MESSAGES["update"]["examples"][0]["payload"]["data"]
    for channel, key in ((TICKERS, BTC), (OHLCV, f"{BTC}:1m"), (TRADES, BTC)):
        world.fanout.subscribe("a", channel, key, 1)
    world.fanout.know(OHLCV, f"{BTC}:1m", None, 0)
    for _ in range(3):
        world.fanout.change(TICKERS, BTC, tick, 5)
        bar = frames.bar_data("paper", "BTC/USDT", "1m", [60_000, 1, 2.5, 0.5, 2, 10.25, True])
        world.fanout.change(OHLCV, f"{BTC}:1m", bar, 5)
        world.fanout.trades(TRADES, BTC, [frames.trade_data(["7", 5, "1.5", "2", None])], 5)
        world.answer(REFUSED)
        world.wake()
    heard = world.answer_all()
    world.fanout.change(TICKERS, BTC, tick, 6)
    world.fanout.trades(TRADES, BTC, [frames.trade_data(["8", 5, "1.5", "2", "sell"])], 6)
    heard += world.answer_all()
    world.fanout.say_bye("a", "rights_changed")
    heard += world.answer_all()

    assert {frame["type"] for frame in heard} == {"snapshot", "update", "gap", "bye"}
    for frame in heard:
        check(frame["type"], frame)


def test_every_error_as_a_frame_is_what_the_document_says() -> None:
    examples = [
        errors.UnreadableFrame("The frame is not JSON."),
        errors.UnknownAction("fly", ACTIONS),
        errors.UnknownChannel("nothing", CHANNELS),
        errors.UnknownExchange("nowhere"),
        errors.UnknownSymbols("paper", ["NO/SUCH"]),
        errors.ChannelForbidden("processes", "the role admin"),
        errors.TooManySubscriptions(1000, 10_000, 0),
        errors.TooManyConnections(20),
        errors.TooManyFrames(100, 5, 3),
        LimitExceeded("Slow down.", retry_after=3),
    ]
    for error in examples:
        for request_id in (None, 5, "x"):
            frame = error_frame(error, request_id)

            check("error", frame)
            assert frame["type"] == "error"
            assert frame["detail"] == error.detail
            assert frame.get("request_id") == request_id
