"""ccxt's unified structures as our values; numbers come as text where they are exact (``exchange.number = str``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from fullon.venues.model import Market
from fullon.venues.quotes import Bar, Side, Tick, Trade

Raw = Mapping[str, Any]


def decimal(value: object) -> Decimal | None:
    """A number of ccxt exactly: text as it stands, a float by its shortest notation; None where there is none."""
    if value is None:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def tick(exchange: str, ticker: Raw, quote: Raw | None, now: int) -> Tick | None:
    """A ticker, with best bid and ask from ``quote`` where the venue streams them apart.

    Args:
        now: the time to state where the venue states none, epoch milliseconds.

    Returns:
        None while there has been no trade.
    """
    price = decimal(ticker.get("last") or ticker.get("close"))
    if price is None:
        return None
    book = quote or ticker
    times = [side.get("timestamp") for side in (ticker, book)]
    return Tick(
        exchange=exchange,
        symbol=str(ticker["symbol"]),
        price=price,
        bid=decimal(book.get("bid")),
        ask=decimal(book.get("ask")),
        volume=decimal(ticker.get("baseVolume")),
        change_24h=_percentage(ticker, price),
        time=max((int(time) for time in times if time is not None), default=now),
    )


def change(opening: Decimal, price: Decimal) -> Decimal | None:
    """How far ``price`` is from ``opening`` in per cent, to three places as venues state it."""
    if not opening:
        return None
    return ((price - opening) * 100 / opening).quantize(Decimal("0.001"))


def trade(raw: Raw) -> Trade | None:
    """A public trade; None where the venue left out what makes one."""
    price, amount = decimal(raw.get("price")), decimal(raw.get("amount"))
    ts, trade_id = raw.get("timestamp"), raw.get("id")
    if price is None or amount is None or ts is None:
        return None
    side: Side | None = raw["side"] if raw.get("side") in ("buy", "sell") else None
    # Venues without ids: time, price, amount and side are all there is to tell two trades apart.
    identity = str(trade_id) if trade_id is not None else f"{ts}-{price}-{amount}-{side}"
    return Trade(identity, int(ts), price, amount, side)


def bar(row: Sequence[Any], *, final: bool = True) -> Bar | None:
    """A candle; None where the venue has no prices for it."""
    if len(row) < 5 or any(value is None for value in row[:5]):
        return None
    opening, high, low, close = map(float, row[1:5])
    volume = float(row[5]) if len(row) > 5 and row[5] is not None else 0.0
    return Bar(int(row[0]), opening, high, low, close, volume, final)


def market(raw: Raw, *, tick_size_mode: bool) -> Market:
    """A market.

    Args:
        tick_size_mode: the venue states precision as the smallest step (ccxt's ``TICK_SIZE``), not as a number of
            decimals.
    """
    precision, limits = raw.get("precision") or {}, raw.get("limits") or {}
    price_step, price_decimals = _precision(precision.get("price"), tick_size_mode)
    quantity_step, quantity_decimals = _precision(precision.get("amount"), tick_size_mode)
    return Market(
        symbol=str(raw["symbol"]),
        base=str(raw["base"]),
        quote=str(raw["quote"]),
        settle=raw.get("settle"),
        futures=bool(raw.get("contract")),
        active=raw.get("active") is not False,
        price_decimals=price_decimals,
        quantity_decimals=quantity_decimals,
        tick_size=price_step,
        step_size=quantity_step,
        min_quantity=_limit(limits, "amount"),
        min_notional=_limit(limits, "cost"),
    )


def _percentage(ticker: Raw, price: Decimal) -> Decimal | None:
    stated = decimal(ticker.get("percentage"))
    if stated is not None:
        return stated.quantize(Decimal("0.001")) if abs(stated) < 10**12 else None
    opening = decimal(ticker.get("open"))
    return None if opening is None else change(opening, price)


def _precision(value: object, tick_size_mode: bool) -> tuple[Decimal | None, int | None]:
    number = decimal(value)
    if number is None:
        return None, None
    step = number if tick_size_mode else Decimal(1).scaleb(-int(number))
    exponent = step.normalize().as_tuple().exponent
    if step <= 0 or not isinstance(exponent, int) or exponent < -18:
        return None, None
    return step, max(0, -exponent)


def _limit(limits: Raw, name: str) -> Decimal | None:
    number = decimal((limits.get(name) or {}).get("min"))
    return number if number is not None and 0 <= number < 10**19 else None
