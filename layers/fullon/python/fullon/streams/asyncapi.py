"""The AsyncAPI 3.0 document of the socket, built from the types and tables that the code itself works with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

import fullon
from fullon.kernel.errors import FullonError
from fullon.kernel.timeframes import Timeframe
from fullon.streams import errors, frames
from fullon.streams.model import ACTIONS, CHANNELS, MAXIMUM_TEXT, Channel, Limits

_KEY_EXAMPLE = "paper:BTC/USDT"
_DESCRIPTION = """\
One socket for everything that changes. Connect to `/ws` (or its alias `/api/v1/cache/ws`), send frames with an
`action`, get answers with the same `request_id`, and updates by push.

**Identity.** `?ticket=` from `POST /api/v1/auth/ws-ticket` (once, within 30 seconds; the way for browsers), or
`?token=` with an access token, or the header `Authorization: Bearer TOKEN-OR-KEY`, or `X-API-Key: KEY`. Without one
the handshake is answered with 401, with one that is refused with 401 or 403. When the credential expires, its session
ends, its key is revoked or its user is deactivated, the server says `bye` and closes within five seconds.

**Subscriptions.** After the `ack` (seldom before it) each key begins with a `snapshot` (`seq` 1, `data` null when
there is no value yet), then `update` frames follow with `seq` 2, 3, … Without a `symbol`, tickers of all symbols of
the exchange come, each with a snapshot of its own. Subscribing again starts over with a new snapshot; do so when a
`seq` is missing. After a fault inside the server a snapshot may come unasked, or a frame twice with the same `seq`.

**One's own.** `orders`, `fills`, `positions`, `balances`, `bots`, `signals`, `queue` and `risk` hold what belongs to
the user of the connection and to nobody else. Without `account` or `bot_id` all of it comes; `positions` and `balances`
then have a key for each account. A snapshot of `orders` holds those that are alive, of `fills` the newest 50, of `bots`
all of them. An update may repeat what a snapshot had already: orders carry a `version`, fills a `trade_id`.

**Slow readers.** Of tickers, ohlcv, processes, positions and balances the latest value is sent when the reader has
room; what lay between is left out, final bars excepted. Trades, orders, fills and the other channels are all sent, in
order; when too many wait, a `gap` frame says how many were left out.

**Limits.** {connections} connections and {subscriptions} subscriptions a user, {frames} frames in {seconds} seconds a
user, messages of 128 KB, text only. Beyond them the answer is an `error` frame and the socket stays; after {refusals}
refused frames in {refusal_seconds} seconds it is closed. A connection ends after 10 minutes without a frame and after
2 hours in any case (close code 1001): send `ping` now and then, and connect again."""


def document() -> dict[str, Any]:
    """The whole document."""
    limits = Limits()
    schemas = _Schemas()
    received = _server_frames()
    sent = _client_frames()
    messages = {name: _message(schemas.of(kind), kind.__doc__, _EXAMPLES[name]) for name, kind in received.items()}
    messages |= sent
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Fullon WebSocket",
            "version": fullon.__version__,
            "description": _DESCRIPTION.format(
                connections=limits.connections,
                subscriptions=limits.subscriptions,
                frames=limits.frames,
                seconds=limits.seconds,
                refusals=limits.refusals,
                refusal_seconds=limits.refusal_seconds,
            ),
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8000",
                "protocol": "ws",
                "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _SECURITY],
            }
        },
        "channels": {
            "socket": {
                "address": "/ws",
                "description": "Frames in both directions. `/api/v1/cache/ws` is the same.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"query": _QUERY}},
            }
        },
        "operations": {**_requests(), "push": _operation("send", _PUSHED, "What the server sends unasked.")},
        "components": {
            "messages": messages,
            "schemas": schemas.found,
            "securitySchemes": _SECURITY,
        },
        "x-channels": [_described(channel) for channel in CHANNELS.values()],
        "x-errors": _error_codes(),
        "x-limits": {
            "connections": limits.connections,
            "subscriptions": limits.subscriptions,
            "frames": {"most": limits.frames, "seconds": limits.seconds},
            "refused_frames": {"most": limits.refusals, "seconds": limits.refusal_seconds},
            "message_bytes": 128 * 1024,
            "idle_seconds": 600,
            "age_seconds": 7200,
        },
    }


_PUSHED = ("snapshot", "update", "gap", "bye")
_ANSWERS = {
    "subscribe": ("ack", "error"),
    "unsubscribe": ("ack", "error"),
    "get": ("snapshot", "snapshots", "error"),
    "ping": ("pong", "error"),
    "list": ("subscriptions", "error"),
}
_SUMMARIES = {
    "subscribe": "Get a snapshot, then every change, of one or more keys.",
    "unsubscribe": "Get no more of them.",
    "get": "Get the present value once.",
    "ping": "Keep the connection alive and learn the server's time.",
    "list": "List the subscriptions of this connection.",
}
_SECURITY = {
    "ticket": {
        "type": "httpApiKey",
        "in": "query",
        "name": "ticket",
        "description": "Single use, 30 seconds, from `POST /api/v1/auth/ws-ticket`.",
    },
    "token": {"type": "httpApiKey", "in": "query", "name": "token", "description": "An access token."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "An access token or an API key."},
    "apiKey": {"type": "httpApiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
}
_QUERY = {
    "type": "object",
    "properties": {
        "ticket": {"type": "string", "description": "Single use, from `POST /api/v1/auth/ws-ticket`."},
        "token": {"type": "string", "description": "An access token."},
    },
}
_REQUEST_ID = {
    "description": "Comes back in the answer.",
    "oneOf": [{"type": "string", "maxLength": MAXIMUM_TEXT}, {"type": "integer"}],
}
_MEMBERS: Mapping[str, dict[str, Any]] = {
    "exchange": {"type": "string", "description": "Name in the catalogue.", "examples": ["paper"]},
    "symbol": {"type": "string", "description": "One symbol.", "examples": ["BTC/USDT"]},
    "symbols": {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "description": "Several symbols.",
        "examples": [["BTC/USDT", "ETH/USDT"]],
    },
    "timeframe": {"type": "string", "enum": [timeframe.value for timeframe in Timeframe]},
    "account": {"type": "string", "format": "uuid", "description": "Only what is of this exchange account."},
    "bot_id": {"type": "string", "format": "uuid", "description": "Only what is of this bot."},
}


def _server_frames() -> dict[str, Any]:
    """Every frame the server can send, by the value of its ``type``."""
    kinds = get_args(frames.ServerFrame)
    return {get_args(get_type_hints(kind)["type"])[0]: kind for kind in kinds}


def _client_frames() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for action in ACTIONS:
        base: dict[str, Any] = {"action": {"const": action}, "request_id": _REQUEST_ID}
        if action in ("ping", "list"):
            payload = _object(base, ["action"])
            example: dict[str, Any] = {"action": action, "request_id": "1"}
        else:
            payload = {"oneOf": [_topics(base, channel) for channel in CHANNELS.values()]}
            example = {"action": action, "channel": "tickers", "exchange": "paper", "symbol": "BTC/USDT"}
        found[action] = _message(payload, _SUMMARIES[action], example)
    return found


def _topics(base: Mapping[str, Any], channel: Channel) -> dict[str, Any]:
    properties = {**base, "channel": {"const": channel.name}}
    required = ["action", "channel"]
    for member in channel.members:
        properties[member] = _MEMBERS[member]
        if member != "symbol" and not channel.owned:
            required.append(member)
    schema = _object(properties, required)
    if "symbol" in channel.members:
        properties["symbols"] = _MEMBERS["symbols"]
        if not channel.every:
            schema["anyOf"] = [{"required": ["symbol"]}, {"required": ["symbols"]}]
    schema["title"] = channel.name
    return schema


def _object(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def _message(payload: Mapping[str, Any], text: str | None, example: Mapping[str, Any]) -> dict[str, Any]:
    words = " ".join((text or "").split())
    return {
        "summary": words.partition(". ")[0].rstrip(".") + ".",
        "description": words,
        "payload": payload,
        "examples": [{"payload": example}],
    }


def _requests() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for action in ACTIONS:
        operation = _operation("receive", (action,), _SUMMARIES[action])
        operation["reply"] = {
            "channel": {"$ref": "#/channels/socket"},
            "messages": [{"$ref": f"#/channels/socket/messages/{name}"} for name in _ANSWERS[action]],
        }
        found[action] = operation
    return found


def _operation(kind: str, messages: Iterable[str], summary: str) -> dict[str, Any]:
    return {
        "action": kind,
        "summary": summary,
        "channel": {"$ref": "#/channels/socket"},
        "messages": [{"$ref": f"#/channels/socket/messages/{name}"} for name in messages],
    }


def _described(channel: Channel) -> dict[str, Any]:
    key = ":".join(f"{{{member}}}" for member in channel.members) or "{type}:{instance}"
    if channel.owned:
        key = "{user}[:{" + "|".join(channel.members) + "}]"
    return {
        "name": channel.name,
        "who": "admins" if channel.admin else "the owner" if channel.owned else "any user",
        "scope": "admin" if channel.admin else "read",
        "key": key,
        "all_symbols": channel.every and "symbol" in channel.members,
        "delivery": "every one, in order; a gap is announced" if channel.lossless else "latest value",
        "data": {"$ref": f"#/components/schemas/{_DATA[channel.name]}"},
    }


_DATA = {
    "tickers": "TickData",
    "trades": "TradeData",
    "ohlcv": "BarData",
    "processes": "ProcessData",
    "orders": "OrderData",
    "fills": "FillData",
    "positions": "PositionsData",
    "balances": "BalancesData",
    "bots": "BotData",
    "signals": "EngineData",
    "queue": "EngineData",
    "risk": "EngineData",
}


def _error_codes() -> list[dict[str, str]]:
    """The errors of this domain; those of identity and of stores that are away can come as well."""
    found = [
        {"code": kind.default_code, "description": " ".join((kind.__doc__ or "").split())}
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, FullonError) and kind.__module__ == errors.__name__
    ]
    return sorted(found, key=lambda each: each["code"])


class _Schemas:
    """JSON Schemas of types; named ones once each."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, Any]] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of a type, by reference where it has a name."""
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is Annotated:
            words = [text for text in arguments[1:] if isinstance(text, str)]
            inner = self.of(arguments[0])
            return {**inner, "description": words[0]} if words else inner
        if origin in (NotRequired, Required):
            return self.of(arguments[0])
        if origin in (Union, UnionType):
            return {"anyOf": [self.of(each) for each in arguments]}
        if origin is Literal:
            return {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
        if origin is list:
            return {"type": "array", "items": self.of(arguments[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if kind in _SIMPLE:
            return {"type": _SIMPLE[kind]}
        return self._named(kind)

    def _named(self, kind: Any) -> dict[str, Any]:
        name = kind.__name__
        if name not in self.found:
            self.found[name] = {}
            hints = get_type_hints(kind, include_extras=True)
            self.found[name] = {
                "type": "object",
                "title": name,
                "description": " ".join((kind.__doc__ or "").split()),
                "properties": {member: self.of(hint) for member, hint in hints.items()},
                "required": [member for member, hint in hints.items() if get_origin(hint) is not NotRequired],
            }
        return {"$ref": f"#/components/schemas/{name}"}


_SIMPLE: dict[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}

_TICK: dict[str, Any] = {
    "exchange": "paper",
    "symbol": "BTC/USDT",
    "price": "60123.10",
    "bid": "60123.00",
    "ask": "60123.20",
    "last": "60123.10",
    "volume": "1234.5000",
    "change_24h": "1.25",
    "time": 1790000000000,
}
_PUSH = {"channel": "tickers", "key": _KEY_EXAMPLE, "ts": 1790000000004, "data": _TICK}
_EXAMPLES: Mapping[str, dict[str, Any]] = {
    "ack": {
        "type": "ack",
        "action": "subscribe",
        "channel": "tickers",
        "keys": [_KEY_EXAMPLE],
        "subscriptions": 1,
        "request_id": "1",
    },
    "error": {
        "type": "error",
        "problem": "/docs/problems/unknown_symbol",
        "title": "Not found",
        "status": 404,
        "detail": "The exchange paper has no symbol NO/SUCH.",
        "code": "unknown_symbol",
        "request_id": "1",
    },
    "snapshot": {"type": "snapshot", "seq": 1, **_PUSH},
    "update": {"type": "update", "seq": 2, **_PUSH},
    "snapshots": {
        "type": "snapshots",
        "channel": "tickers",
        "items": [{"key": _KEY_EXAMPLE, "ts": 1790000000004, "data": _TICK}],
    },
    "gap": {"type": "gap", "channel": "trades", "key": _KEY_EXAMPLE, "missed": 312},
    "pong": {"type": "pong", "ts": 1790000000000, "request_id": "1"},
    "subscriptions": {
        "type": "subscriptions",
        "items": [{"channel": "tickers", "key": _KEY_EXAMPLE}],
        "limit": 1000,
        "request_id": "1",
    },
    "bye": {"type": "bye", "reason": "token_expired", "detail": frames.REASONS["token_expired"]},
}
