"""Decimal money: prices, quantities and amounts travel as strings and are exact inside."""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Decimal, InvalidOperation

from fullon.kernel.errors import Invalid

#: The database column is NUMERIC(38, 18).
MAXIMUM_SCALE = 18
MAXIMUM_WHOLE_DIGITS = 20
#: Written out, a zero with an exponent of a billion would fill the memory.
MAXIMUM_EXPONENT = 100

_ASCII = re.compile(r"[0-9A-Za-z+.-]+")


def parse_decimal(text: str, field: str = "amount") -> Decimal:
    """Read a plain decimal such as ``"0.00100000"``; an exponent is read too, as long as it is no larger than a number.

    Raises:
        Invalid: not a number, NaN or infinite, or outside NUMERIC(38, 18).
    """
    stripped = text.strip()
    try:
        if not _ASCII.fullmatch(stripped):  # Decimal() also reads "1_000" and digits of other scripts
            raise InvalidOperation
        value = Decimal(stripped)
    except (InvalidOperation, ValueError) as error:
        raise Invalid(f"{field} is not a decimal number.", fields={field: "not a decimal number"}) from error
    if not value.is_finite():
        raise Invalid(f"{field} must be finite.", fields={field: "not finite"})
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    if abs(exponent) > MAXIMUM_EXPONENT:
        raise Invalid(f"{field} has an exponent out of bounds.", fields={field: "exponent out of bounds"})
    zeros = len(digits) - len("".join(map(str, digits)).rstrip("0"))
    if value and -exponent - zeros > MAXIMUM_SCALE:
        raise Invalid(
            f"{field} has more than {MAXIMUM_SCALE} digits after the point.",
            fields={field: "too many digits"},
        )
    if value and value.adjusted() >= MAXIMUM_WHOLE_DIGITS:
        raise Invalid(f"{field} is too large.", fields={field: "too large"})
    return value


def to_text(value: Decimal) -> str:
    """Plain notation, digits kept, never an exponent: ``Decimal("1E-8")`` is ``"0.00000001"``."""
    return format(value, "f")


def shortest(value: Decimal) -> str:
    """As :func:`to_text`, without zeros at the end: what a column of 18 places holds as ``0.010000…`` is ``"0.01"``."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def round_down(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of ``step`` not beyond ``value`` in magnitude."""
    if step <= 0:
        raise ValueError("a step is positive")
    return (value / step).to_integral_value(rounding=ROUND_DOWN) * step
