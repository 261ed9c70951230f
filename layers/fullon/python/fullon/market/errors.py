"""What can go wrong with market data."""

from __future__ import annotations

from collections.abc import Sequence

from fullon.kernel.errors import Conflict, Invalid, NotFound


class Superseded(Conflict):
    """A newer leader has begun to write; this process must stop writing at once."""

    default_code = "superseded"

    def __init__(self, name: str, fence: int) -> None:
        super().__init__(f"A newer leader writes for {name}.", name=name, fence=fence)


class UnknownExchange(NotFound):
    """The catalogue has no such exchange; ``nearest`` names those that read alike."""

    default_code = "unknown_exchange"

    def __init__(self, exchange: str, nearest: Sequence[str]) -> None:
        super().__init__(_unknown("exchange", exchange, nearest), exchange=exchange, nearest=list(nearest))


class UnknownSymbol(NotFound):
    """The exchange is known, the symbol is not; ``nearest`` names those that read alike."""

    default_code = "unknown_symbol"

    def __init__(self, exchange: str, symbol: str, nearest: Sequence[str]) -> None:
        detail = _unknown("symbol", symbol, nearest)
        super().__init__(detail, exchange=exchange, symbol=symbol, nearest=list(nearest))


class NotCached(NotFound):
    """It is known, or could be, and nothing of it is in the cache now."""

    default_code = "not_cached"


class TooManyCandles(Invalid):
    """More candles than one answer may hold."""

    default_code = "too_many_candles"

    def __init__(self, maximum: int) -> None:
        super().__init__(
            f"That is more than {maximum:,} candles; ask for a shorter range or a longer timeframe.",
            fields={"end_time": "too far from start_time"},
            maximum=maximum,
        )


def _unknown(kind: str, name: str, nearest: Sequence[str]) -> str:
    hint = f" Did you mean {' or '.join(nearest)}?" if nearest else ""
    return f"There is no {kind} {name[:64]!r} in the catalogue.{hint}"
