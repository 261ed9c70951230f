"""The strategies that come with the platform, as the catalogue lists them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from fullon.strategies.model import Parameter, ParameterKind


def _whole(name: str, default: int, minimum: int, maximum: int, description: str) -> Parameter:
    return Parameter(name, ParameterKind.INTEGER, str(default), Decimal(minimum), Decimal(maximum), None, description)


#: name → (title, description, parameters)
BUILTIN: Mapping[str, tuple[str, str, tuple[Parameter, ...]]] = {
    "rsi_long": (
        "RSI, long",
        "Buys when the relative strength index falls below a level and sells when it rises above another.",
        (
            _whole("rsi_period", 14, 2, 200, "Bars of the index."),
            _whole("entry", 30, 1, 99, "Buy below this level."),
            _whole("exit", 70, 1, 99, "Sell above this level."),
        ),
    ),
    "rsi_short": (
        "RSI, short",
        "Sells short when the relative strength index rises above a level and buys back when it falls below another.",
        (
            _whole("rsi_period", 14, 2, 200, "Bars of the index."),
            _whole("entry", 70, 1, 99, "Sell above this level."),
            _whole("exit", 30, 1, 99, "Buy back below this level."),
        ),
    ),
    "crossover": (
        "Moving averages that cross",
        "Buys when the fast average rises above the slow one and sells when it falls below it.",
        (
            _whole("fast", 10, 1, 500, "Bars of the fast average."),
            _whole("slow", 30, 2, 1000, "Bars of the slow average."),
            Parameter("kind", ParameterKind.TEXT, "ema", None, None, ("ema", "sma"), "Exponential or simple averages."),
        ),
    ),
}
