"""Names in Valkey of what the collectors write and everyone else reads.

The braces are hash tags: keys that are used together share a slot, so that a clustered Valkey serves them in one round
trip.
"""

from __future__ import annotations

from fullon.kernel.timeframes import Timeframe

#: Published: a JSON array of tick records.
TICKERS_CHANNEL = "feed:tickers"
#: Published: a JSON array of ``{"exchange", "symbol", "bars": {timeframe: bar record}}``, only what changed.
BARS_CHANNEL = "feed:bars"
#: Stream, field ``b``: ``{"exchange", "symbol", "trades": [trade record, ...]}``.
TRADES_STREAM = "feed:trades"
TRADES_FIELD = b"b"
TRADES_STREAM_LENGTH = 100_000
#: Hash, field ``EXCHANGE:SYMBOL``: the last trade record in the stream. Its tag is the stream's name: the same slot.
TRADES_ENDS = "{feed:trades}:ends"
#: The stream's id up to which the streamer has read, noted every second; gone a minute after it stopped.
TRADES_READ = "{feed:trades}:read"
TRADES_READ_SECONDS = 60

#: An exchange that was silent for longer has no present prices. Its ticks say when they were by its own clock, and a
#: symbol that nobody trades keeps its price.
HEARD_SECONDS = 60

#: How many final bars ``recent`` keeps.
RECENT_BARS = 300


def ticks(exchange: str) -> str:
    """Hash: symbol to the tick record."""
    return f"ticks:{{{exchange}}}"


def heard(exchange: str) -> str:
    """There for :data:`HEARD_SECONDS` after the latest tick of the exchange came in."""
    return f"ticks:{{{exchange}}}:heard"


def bars(exchange: str, symbol: str) -> str:
    """Hash: timeframe to the record of the present bar."""
    return f"bars:{{{exchange}:{symbol}}}"


def recent(exchange: str, symbol: str, timeframe: Timeframe) -> str:
    """Sorted set by time: records ``[ts, open, high, low, close, volume]`` of the latest final bars."""
    return f"recent:{{{exchange}:{symbol}}}:{timeframe.value}"
