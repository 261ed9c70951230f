"""Decimal money: prices, quantities and amounts travel as strings and are exact inside."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal, InvalidOperation

from fullon.kernel.errors import Invalid

#: The database column is NUMERIC(38, 18).
MAXIMUM_SCALE = 18
MAXIMUM_WHOLE_DIGITS = 20


def parse_decimal(text: str, field: str = "amount") -> Decimal:
    """Read a plain decimal such as ``"0.00100000"``.

    Raises:
        Invalid: not a number, NaN or infinite, or outside NUMERIC(38, 18).
    """
    try:
        value = Decimal(text.strip())
    except (InvalidOperation, ValueError) as error:
        raise Invalid(f"{field} is not a decimal number.", fields={field: "not a decimal number"}) from error
    if not value.is_finite():
        raise Invalid(f"{field} must be finite.", fields={field: "not finite"})
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    if value and (-exponent > MAXIMUM_SCALE and value.normalize().as_tuple().exponent < -MAXIMUM_SCALE):  # type: ignore[operator]
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
