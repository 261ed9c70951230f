"""What a venue says of its market: ticks, public trades, bars. Pure; ticks and trades are exact, candles float8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, cast

from fullon.kernel.errors import Corrupt
from fullon.kernel.money import to_text

Side = Literal["buy", "sell"]


@dataclass(frozen=True, slots=True)
class Tick:
    """The latest state of a symbol at a venue.

    Attributes:
        price: price of the last trade.
        volume: traded amount of the base currency in the last 24 hours.
        change_24h: change of the price over the last 24 hours, in per cent.
        time: when it was so by the venue's clock, epoch milliseconds.
    """

    exchange: str
    symbol: str
    price: Decimal
    bid: Decimal | None
    ask: Decimal | None
    volume: Decimal | None
    change_24h: Decimal | None
    time: int

    def to_record(self) -> dict[str, str | int | None]:
        """The JSON object kept in Valkey and sent to subscribers; ``last`` is the price again."""
        price = to_text(self.price)
        return {
            "exchange": self.exchange,
            "symbol": self.symbol,
            "price": price,
            "bid": _text(self.bid),
            "ask": _text(self.ask),
            "last": price,
            "volume": _text(self.volume),
            "change_24h": _text(self.change_24h),
            "time": self.time,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Tick:
        """Read what :meth:`to_record` wrote.

        Raises:
            Corrupt: it is not such a record.
        """
        try:
            return cls(
                exchange=str(record["exchange"]),
                symbol=str(record["symbol"]),
                price=Decimal(record["price"]),
                bid=_decimal(record["bid"]),
                ask=_decimal(record["ask"]),
                volume=_decimal(record["volume"]),
                change_24h=_decimal(record["change_24h"]),
                time=int(record["time"]),
            )
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise Corrupt("A cached tick is not readable.") from error


@dataclass(frozen=True, slots=True)
class Trade:
    """One public trade.

    Attributes:
        trade_id: the venue's id.
        ts: epoch milliseconds by the venue's clock.
        side: of the taker; unknown at some venues.
    """

    trade_id: str
    ts: int
    price: Decimal
    amount: Decimal
    side: Side | None

    @property
    def ordinal(self) -> int:
        """Order among trades of the same time: the id where it is a number."""
        return int(self.trade_id) if self.trade_id.isdecimal() and len(self.trade_id) <= 18 else 0

    @property
    def order(self) -> tuple[int, int]:
        """Sorts trades as they happened."""
        return self.ts, self.ordinal

    def to_record(self) -> list[str | int | None]:
        """The JSON array of the stream ``feed:trades``."""
        return [self.trade_id, self.ts, to_text(self.price), to_text(self.amount), self.side]

    @classmethod
    def from_record(cls, record: Sequence[Any]) -> Trade:
        """Read what :meth:`to_record` wrote.

        Raises:
            Corrupt: it is not such a record.
        """
        try:
            trade_id, ts, price, amount, side = record
            return cls(str(trade_id), int(ts), Decimal(price), Decimal(amount), cast("Side | None", side))
        except (TypeError, ValueError, ArithmeticError) as error:
            raise Corrupt("A cached trade is not readable.") from error


@dataclass(frozen=True, slots=True)
class Bar:
    """Open, high, low, close and volume of one bucket of time.

    Attributes:
        ts: start of the bucket, epoch milliseconds.
        volume: traded amount of the base currency.
        final: the bucket is over by the venue's clock, so the bar changes no more.
    """

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    final: bool = True

    def to_record(self) -> list[int | float | bool]:
        """The JSON array kept in Valkey: ``[ts, open, high, low, close, volume, final]``."""
        return [self.ts, self.open, self.high, self.low, self.close, self.volume, self.final]

    @classmethod
    def from_record(cls, record: Sequence[Any]) -> Bar:
        """Read what :meth:`to_record` wrote; a record without ``final`` is of a final bar.

        Raises:
            Corrupt: it is not such a record.
        """
        try:
            opening, high, low, close, volume = map(float, record[1:6])
            return cls(int(record[0]), opening, high, low, close, volume, bool(record[6]) if len(record) > 6 else True)
        except (TypeError, ValueError, IndexError) as error:
            raise Corrupt("A cached bar is not readable.") from error


def _text(value: Decimal | None) -> str | None:
    return None if value is None else to_text(value)


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)
