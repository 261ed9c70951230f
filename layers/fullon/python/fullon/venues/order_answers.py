"""What a venue of Binance's family says to a placement that it does not answer with an order. Pure.

Sources: Binance spot API documentation, "General API information" (HTTP return codes, limits) and "Errors"; the
sentences of ``-1013`` and ``-2010`` are listed there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fullon.kernel.errors import FullonError
from fullon.venues.ccxt_errors import LIMIT_SECONDS
from fullon.venues.errors import VenueClockDiffers, VenueDown, VenueLimit
from fullon.venues.trading import Refused, Unknown

#: Codes that do not say whether the order was taken: disconnected, unexpected, timed out, shutting down.
_OPEN_CODES = frozenset({-1000, -1001, -1006, -1007, -1008, -1016})
_LIMIT_CODES = frozenset({-1003, -1015})
_CLOCK_CODE = -1021
_KEY_CODES = frozenset({-1002, -1022, -2014, -2015})
_FIREWALL_SECONDS = 60
#: Words of a refusal and the rule they stand for, the first that is met.
_RULES: Mapping[str, str] = {
    "insufficient balance": "balance",
    "insufficient margin": "balance",
    "lot_size": "quantity",
    "price_filter": "price_tick",
    "precision": "quantity_step",
    "notional": "minimum_notional",
    "percent_price": "price_band",
    "max_num": "open_orders",
    "max_position": "position",
    "trigger immediately": "stop_price",
    "immediately match": "post_only",
    "not permitted": "permission",
    "disabled": "permission",
    "invalid symbol": "symbol",
    "market is closed": "market_closed",
    "leverage": "leverage",
}
_LONGEST = 200


@dataclass(slots=True)
class Heard:
    """What came of one request.

    Attributes:
        sent: it went out, or may have.
        connected: False when no connection was made, so that it cannot have arrived.
        status: of HTTP; 0 without an answer.
        code, message: of the venue's own error, where the answer is one.
        retry_after: seconds that the venue asks to wait.
    """

    sent: bool = False
    connected: bool = True
    status: int = 0
    code: int | None = None
    message: str = ""
    retry_after: int | None = None


def judge(exchange: str, heard: Heard) -> FullonError:
    """The error of a placement; everything that is not certain is :class:`Unknown`."""
    if not heard.sent:
        return Refused(
            f"The order cannot be put in words for the exchange {exchange}.", rule="order", exchange=exchange
        )
    if not heard.connected:
        return VenueDown(f"The exchange {exchange} cannot be reached; nothing was sent.", exchange=exchange)
    if heard.status in {418, 429} or (heard.code in _LIMIT_CODES and heard.status < 500):
        return _limit(exchange, heard.retry_after or LIMIT_SECONDS)
    if heard.status == 403 and heard.code is None:
        return _limit(exchange, heard.retry_after or _FIREWALL_SECONDS)
    if heard.code is None or not 400 <= heard.status < 500 or heard.code in _OPEN_CODES or _is_there(heard):
        return Unknown(
            f"Whether the exchange {exchange} has the order is not known; it is looked for.", exchange=exchange
        )
    if heard.code == _CLOCK_CODE:
        detail = f"The order arrived at the exchange {exchange} too late, or its clock and ours differ."
        return VenueClockDiffers(detail, exchange=exchange)
    if heard.code in _KEY_CODES:
        detail = f"The exchange {exchange} does not accept the key for orders."
        return Refused(detail, rule="key", exchange=exchange)
    said = heard.message[:_LONGEST].strip().rstrip(".")
    return Refused(f"The exchange {exchange} refused the order: {said}.", rule=rule_of(said), exchange=exchange)


def rule_of(said: str) -> str:
    """Which rule a refusal names; ``venue`` where it is none that is known."""
    words = said.lower()
    return next((rule for text, rule in _RULES.items() if text in words), "venue")


def _is_there(heard: Heard) -> bool:
    """Each id is sent once, so a duplicate is this order itself."""
    return "duplicate order" in heard.message.lower()


def _limit(exchange: str, seconds: int) -> VenueLimit:
    return VenueLimit(f"The exchange {exchange} asks us to slow down.", retry_after=seconds, exchange=exchange)
