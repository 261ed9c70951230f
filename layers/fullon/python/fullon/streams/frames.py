"""What the server says: every frame and every value in it, as types, and how the pushed ones are written.

The AsyncAPI document is generated from these types. A text after a type is its description there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import orjson

from fullon.streams.account_frames import BalancesData, BotData, EngineData, FillData, OrderData, PositionsData

Milliseconds = Annotated[int, "Epoch milliseconds, UTC."]
Price = Annotated[str, "An exact decimal."]
RequestId = Annotated[str | int, "That of the frame this answers, if it had one."]
ChannelName = Annotated[str, "Channel."]
Key = Annotated[
    str,
    "Which stream of the channel: `paper:BTC/USDT`, `paper:BTC/USDT:5m`, `ticker:INSTANCE`; of what is one's own"
    " `USER`, `USER:ACCOUNT` or `USER:BOT`, by their ids.",
]
Sequence_ = Annotated[
    int, "Counts the frames of this key on this connection from 1, without gaps. A snapshot starts over at 1."
]


class TickData(TypedDict):
    """The latest state of a symbol at a venue."""

    exchange: str
    symbol: str
    price: Annotated[str, "Price of the last trade; an exact decimal."]
    bid: Annotated[str | None, "Best bid."]
    ask: Annotated[str | None, "Best ask."]
    last: Annotated[str, "The price again, under the name that many venues give it."]
    volume: Annotated[str | None, "Traded amount of the base currency in the last 24 hours."]
    change_24h: Annotated[str | None, "Change of the price over the last 24 hours, in per cent."]
    time: Annotated[int, "By the venue's clock, epoch milliseconds."]


class TradeData(TypedDict):
    """One public trade."""

    id: Annotated[str, "The venue's id."]
    time: Annotated[int, "By the venue's clock, epoch milliseconds."]
    price: Price
    amount: Annotated[str, "Of the base currency; an exact decimal."]
    side: Annotated[Literal["buy", "sell"] | None, "Of the taker; null where the venue does not say."]


class BarData(TypedDict):
    """A bar of a timeframe, running or final."""

    exchange: str
    symbol: str
    timeframe: str
    ts: Annotated[int, "Start of the bar, epoch milliseconds."]
    open: float
    high: float
    low: float
    close: float
    volume: Annotated[float, "Traded amount of the base currency."]
    final: Annotated[bool, "The bar is over and changes no more."]


class ProcessData(TypedDict):
    """What a daemon says about itself."""

    type: Annotated[str, "The daemon."]
    instance: Annotated[str, "This one process of it."]
    status: Literal["starting", "running", "idle", "error", "stopped"]
    message: str
    heartbeat: Annotated[int, "When it last did its work, epoch milliseconds."]
    started: Milliseconds
    version: str
    host: str
    work: Annotated[int, "Units of work done since it started."]


Data = Annotated[
    TickData
    | list[TradeData]
    | BarData
    | ProcessData
    | list[OrderData]
    | list[FillData]
    | BalancesData
    | PositionsData
    | list[BotData]
    | list[EngineData]
    | None,
    "The value, by channel. `null` in a snapshot when there is none yet.",
]


class Ack(TypedDict):
    """Done. Snapshots follow a subscription; a repeated subscription starts over with a new snapshot."""

    type: Literal["ack"]
    action: Literal["subscribe", "unsubscribe"]
    channel: ChannelName
    keys: Annotated[list[str], "What is now subscribed to, or no longer. A key that ends in `*` covers all."]
    subscriptions: Annotated[int, "How many this user has now, on all connections."]
    request_id: NotRequired[RequestId]


class Error(TypedDict):
    """A frame could not be served; the socket stays open. The members of a problem document (RFC 9457), apart from
    `type`, whose place is taken: it stands in `problem`."""

    type: Literal["error"]
    problem: Annotated[str, "Address of the page that explains this kind of problem."]
    title: str
    status: Annotated[int, "The HTTP status it would have had."]
    detail: Annotated[str, "A plain sentence."]
    code: Annotated[str, "Stable slug."]
    errors: NotRequired[Annotated[list[dict[str, str]], "The places that break a rule: `field`, `message`."]]
    retry_after: NotRequired[Annotated[int, "Seconds."]]
    request_id: NotRequired[RequestId]


class Snapshot(TypedDict):
    """How things are now: the first frame of each key after a subscription, and the answer to `get` (`seq` 0)."""

    type: Literal["snapshot"]
    channel: ChannelName
    key: Key
    seq: Sequence_
    ts: Annotated[int, "When the server took it up, epoch milliseconds."]
    data: Data
    request_id: NotRequired[RequestId]


class Update(TypedDict):
    """It changed. Of latest-value channels (tickers, ohlcv, processes, positions, balances) a slow reader gets the
    latest value only; final bars are never left out. Trades, orders and the others are never left out: each update
    holds one or more, in order. After a fault between server and gateway a frame may come twice with the same `seq`:
    ignore the second."""

    type: Literal["update"]
    channel: ChannelName
    key: Key
    seq: Sequence_
    ts: Annotated[int, "When the server took it up, epoch milliseconds."]
    data: Data


class SnapshotItem(TypedDict):
    """One of several."""

    key: Key
    ts: Milliseconds
    data: Data


class Snapshots(TypedDict):
    """The answer to a `get` of several symbols, or of all."""

    type: Literal["snapshots"]
    channel: ChannelName
    items: list[SnapshotItem]
    request_id: NotRequired[RequestId]


class Gap(TypedDict):
    """Trades, or changes of orders and the like, of this key were lost: to a reader that was too slow, or in the
    server's store. The stream goes on after it; subscribe again for a snapshot."""

    type: Literal["gap"]
    channel: ChannelName
    key: Key
    missed: Annotated[int | None, "How many; null when that is not known."]


class Pong(TypedDict):
    """The answer to `ping`."""

    type: Literal["pong"]
    ts: Annotated[int, "The server's time, epoch milliseconds."]
    request_id: NotRequired[RequestId]


class SubscriptionItem(TypedDict):
    """One subscription."""

    channel: ChannelName
    key: Key


class Subscriptions(TypedDict):
    """The answer to `list`: the subscriptions of this connection."""

    type: Literal["subscriptions"]
    items: list[SubscriptionItem]
    limit: Annotated[int, "How many a user may have."]
    request_id: NotRequired[RequestId]


Reason = Literal[
    "token_expired",
    "session_ended",
    "user_deactivated",
    "key_revoked",
    "rights_changed",
    "too_many_frames",
    "connection_removed",
]

REASONS: Mapping[Reason, str] = {
    "token_expired": "The credential has expired; connect again with a new one.",
    "session_ended": "The session has ended; log in again.",
    "user_deactivated": "The user has been deactivated.",
    "key_revoked": "The API key was revoked.",
    "rights_changed": "The rights of the user or key have changed; connect again.",
    "too_many_frames": "Too many frames in spite of the errors.",
    "connection_removed": "The server no longer knows this connection; connect again.",
}


class Bye(TypedDict):
    """The server closes the connection after this frame."""

    type: Literal["bye"]
    reason: Annotated[Reason, "Stable slug."]
    detail: Annotated[str, "A plain sentence."]


ServerFrame = Ack | Error | Snapshot | Update | Snapshots | Gap | Pong | Subscriptions | Bye


def head(kind: Literal["snapshot", "update"], channel: str, key: str) -> bytes:
    """A pushed frame up to its ``seq``; written once for each stream and kept."""
    return b'{"type":"%s","channel":"%s","key":%s,"seq":' % (kind.encode(), channel.encode(), orjson.dumps(key))


def tail(ts: int, data: bytes) -> bytes:
    """A pushed frame from behind its ``seq``; ``data`` is JSON. Written once for all who get it."""
    return b',"ts":%d,"data":%s}' % (ts, data)


def gap(channel: str, key: str, missed: int | None) -> bytes:
    """A gap frame."""
    return orjson.dumps(Gap(type="gap", channel=channel, key=key, missed=missed))


def bye(reason: Reason) -> bytes:
    """A farewell."""
    return orjson.dumps(Bye(type="bye", reason=reason, detail=REASONS[reason]))


def bar_data(exchange: str, symbol: str, timeframe: str, record: Sequence[Any]) -> BarData:
    """A bar record of Valkey, ``[ts, open, high, low, close, volume, final]``, as subscribers get it."""
    return BarData(
        exchange=exchange,
        symbol=symbol,
        timeframe=timeframe,
        ts=record[0],
        open=record[1],
        high=record[2],
        low=record[3],
        close=record[4],
        volume=record[5],
        final=bool(record[6]),
    )


def trade_data(record: Sequence[Any]) -> TradeData:
    """A trade record of Valkey, ``[id, ts, price, amount, side]``, as subscribers get it."""
    return TradeData(id=record[0], time=record[1], price=record[2], amount=record[3], side=record[4])
