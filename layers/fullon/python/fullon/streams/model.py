"""Channels, keys and limits of the socket, and what a client may ask for. Pure: reads frames, touches no store.

A **key** names one stream of values within a channel: ``paper:BTC/USDT`` (tickers, trades), ``paper:BTC/USDT:5m``
(ohlcv), ``ticker:INSTANCE`` (processes). A subscription holds such a key, or one that ends in ``*`` and covers all.
Keys of what belongs to a user begin with the user's id, which comes from the identity and never from a frame: ``UID``
(all of it), ``UID:ACCOUNT`` or ``UID:BOT``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import orjson

from fullon.kernel.errors import FullonError, Invalid
from fullon.kernel.timeframes import Timeframe
from fullon.streams.errors import UnknownAction, UnknownChannel, UnreadableFrame

Action = Literal["subscribe", "unsubscribe", "get", "ping", "list"]
ACTIONS: tuple[Action, ...] = ("subscribe", "unsubscribe", "get", "ping", "list")
EVERY = "*"

MAXIMUM_TEXT = 128


@dataclass(frozen=True, slots=True)
class Limits:
    """What one user may do; frames beyond are answered with an error, and the socket stays.

    Attributes:
        frames: in ``seconds``; 20 a second sustained, and a hundred at once.
        refusals: frames in ``refusal_seconds`` that are refused with an error before the socket is closed.
        connection_age: API Gateway ends a connection after two hours, so an older row is a left-over.
    """

    connections: int = 20
    subscriptions: int = 1000
    frames: int = 100
    seconds: int = 5
    refusals: int = 12_000
    refusal_seconds: int = 60
    connection_age: timedelta = timedelta(hours=2, minutes=1)


@dataclass(frozen=True, slots=True)
class Channel:
    """A kind of values that can be subscribed to.

    Attributes:
        members: frame members that make the key, in its order.
        every: a subscription may leave out the symbol and cover all of them.
        lossless: nothing is dropped without a word; otherwise the latest value replaces those not yet sent.
        admin: for admins only; otherwise any user with the scope ``read``.
        owned: everybody gets their own; members choose a part of it and can be left out.
    """

    name: str
    members: tuple[str, ...]
    every: bool = False
    lossless: bool = False
    admin: bool = False
    owned: bool = False


TICKERS = Channel("tickers", ("exchange", "symbol"), every=True)
TRADES = Channel("trades", ("exchange", "symbol"), lossless=True)
OHLCV = Channel("ohlcv", ("exchange", "symbol", "timeframe"))
PROCESSES = Channel("processes", (), every=True, admin=True)
ORDERS = Channel("orders", ("account", "bot_id"), lossless=True, owned=True)
FILLS = Channel("fills", ("account", "bot_id"), lossless=True, owned=True)
POSITIONS = Channel("positions", ("account",), every=True, owned=True)
BALANCES = Channel("balances", ("account",), every=True, owned=True)
BOTS = Channel("bots", ("bot_id",), lossless=True, owned=True)
SIGNALS = Channel("signals", ("account", "bot_id"), lossless=True, owned=True)
QUEUE = Channel("queue", ("account", "bot_id"), lossless=True, owned=True)
RISK = Channel("risk", ("account", "bot_id"), lossless=True, owned=True)

_ALL = (TICKERS, TRADES, OHLCV, PROCESSES, ORDERS, FILLS, POSITIONS, BALANCES, BOTS, SIGNALS, QUEUE, RISK)
CHANNELS: Mapping[str, Channel] = {channel.name: channel for channel in _ALL}


@dataclass(frozen=True, slots=True)
class Topics:
    """What a frame asks for: a channel and the keys in it.

    Attributes:
        exchange: None for processes, and for what belongs to a user.
        symbols: empty when all of the exchange are meant.
        owner: whose it is, of channels with what belongs to a user.
        part: account or bot, when not all of the owner's is meant.
    """

    channel: Channel
    exchange: str | None = None
    symbols: tuple[str, ...] = ()
    timeframe: Timeframe | None = None
    owner: UUID | None = None
    part: UUID | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the subscriptions."""
        if self.owner is not None:
            if self.part is not None:
                return (f"{self.owner}:{self.part}",)
            return (str(self.owner) if self.channel.lossless else f"{self.owner}:{EVERY}",)
        if self.exchange is None:
            return (EVERY,)
        if not self.symbols:
            return (f"{self.exchange}:{EVERY}",)
        if self.timeframe is None:
            return tuple(f"{self.exchange}:{symbol}" for symbol in self.symbols)
        return tuple(f"{self.exchange}:{symbol}:{self.timeframe.value}" for symbol in self.symbols)


@dataclass(frozen=True, slots=True)
class Frame:
    """A client's frame: what it asks for, and the id its answer is to carry."""

    action: Action
    members: Mapping[str, Any]
    request_id: str | int | None


def request_id_of(text: str | None) -> str | int | None:
    """The request id of a frame that may be anything; None when it has none that can be given back."""
    try:
        document = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return None
    found = document.get("request_id") if isinstance(document, dict) else None
    return found if _is_request_id(found) else None


def read_frame(text: str | None) -> Frame:
    """Read a client's frame.

    Raises:
        UnreadableFrame: it is not a JSON object, or its action or request id is not what it should be.
        UnknownAction: there is no such action.
    """
    try:
        document = orjson.loads(text or "")
    except orjson.JSONDecodeError as error:
        raise UnreadableFrame("The frame is not JSON.") from error
    if not isinstance(document, dict):
        raise UnreadableFrame("The frame is not a JSON object.")
    request_id = document.get("request_id")
    if request_id is not None and not _is_request_id(request_id):
        raise UnreadableFrame(
            f"The request_id is not a text of at most {MAXIMUM_TEXT} characters or a whole number.",
            fields={"request_id": "not a short text or a whole number"},
        )
    action = document.get("action")
    if not isinstance(action, str):
        raise UnreadableFrame(
            f"The frame has no action; use one of {', '.join(ACTIONS)}.", fields={"action": "missing, or not a text"}
        )
    for known in ACTIONS:
        if action == known:
            return Frame(known, document, request_id)
    raise UnknownAction(action, ACTIONS)


def read_topics(members: Mapping[str, Any], owner: UUID | None = None) -> Topics:
    """The channel and keys of a frame; whether exchange, symbols, account or bot exist is not judged here.

    Args:
        owner: who sent it, as the authorizer said.

    Raises:
        UnknownChannel: there is no such channel.
        Invalid: a member is missing or is not what it should be.
    """
    name = _text(members, "channel", f"one of {', '.join(CHANNELS)}")
    channel = CHANNELS.get(name)
    if channel is None:
        raise UnknownChannel(name, CHANNELS)
    if channel.owned:
        assert owner is not None, "what belongs to a user is asked for by one"
        return Topics(channel, owner=owner, part=_part(channel, members))
    if "exchange" not in channel.members:
        return Topics(channel)
    exchange = _text(members, "exchange", "the name of one").lower()
    symbols = _symbols(members)
    if not symbols and not channel.every:
        raise Invalid(f"The channel {name} needs symbol or symbols.", fields={"symbol": "missing"})
    if "timeframe" not in channel.members:
        return Topics(channel, exchange, symbols)
    return Topics(channel, exchange, symbols, _timeframe(_text(members, "timeframe", "a length such as 1m or 1h")))


def read_key(channel: Channel, key: str) -> Topics:
    """The topics of a stored subscription.

    Raises:
        ValueError: no subscription of this channel has such a key.
    """
    if channel.owned:
        uid, _, part = key.partition(":")
        return Topics(channel, owner=UUID(uid), part=UUID(part) if part not in ("", EVERY) else None)
    if "exchange" not in channel.members:
        return Topics(channel)
    exchange, _, symbol = key.partition(":")
    timeframe = None
    if "timeframe" in channel.members:
        symbol, _, length = symbol.rpartition(":")
        timeframe = Timeframe(length)
    if not exchange or not symbol:
        raise ValueError(f"{channel.name} has no key like {key}")
    return Topics(channel, exchange, () if symbol == EVERY else (symbol,), timeframe)


def _part(channel: Channel, members: Mapping[str, Any]) -> UUID | None:
    given = [name for name in channel.members if members.get(name) is not None]
    if len(given) > 1:
        raise Invalid("Name an account or a bot, not both.", fields=dict.fromkeys(given, "one of them"))
    for name in given:
        try:
            return UUID(_text(members, name, "an id"))
        except ValueError as error:
            raise Invalid(f"{name} is not an id.", fields={name: "not an id"}) from error
    return None


def _symbols(members: Mapping[str, Any]) -> tuple[str, ...]:
    found = members.get("symbols")
    if found is None:
        return (_text(members, "symbol", "one"),) if members.get("symbol") is not None else ()
    if not isinstance(found, list) or not all(_is_name(symbol) for symbol in found):
        raise Invalid("symbols must be a list of short texts.", fields={"symbols": "not a list of short texts"})
    if not found:
        raise Invalid("symbols is empty.", fields={"symbols": "empty"})
    return tuple(dict.fromkeys(found))


def _text(members: Mapping[str, Any], name: str, expected: str) -> str:
    value = members.get(name)
    if _is_name(value):
        return str(value)
    raise Invalid(f"{name} is missing or not a short text; give {expected}.", fields={name: "missing, or not a text"})


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAXIMUM_TEXT and value.isprintable()


def _timeframe(text: str) -> Timeframe:
    try:
        return Timeframe.parse(text)
    except FullonError as error:
        known = ", ".join(timeframe.value for timeframe in Timeframe)
        raise Invalid(
            f"There is no timeframe {text[:32]!r}; use one of {known}.",
            code=error.code,
            fields={"timeframe": "unknown"},
        ) from error


def _is_request_id(value: object) -> bool:
    return (isinstance(value, str) and len(value) <= MAXIMUM_TEXT) or type(value) is int
