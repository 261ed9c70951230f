"""Values of a strategy's parameters, held to what the catalogue says of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from fullon.kernel.errors import Invalid
from fullon.kernel.money import parse_decimal, to_text
from fullon.strategies.errors import BadParameters
from fullon.strategies.model import Parameter, ParameterKind

_TRUTHS = {"true": "true", "false": "false"}
_LONGEST = 500

Value = str | int | bool | Decimal


def complete(known: Iterable[Parameter], given: Mapping[str, Value]) -> dict[str, str]:
    """Every parameter of a strategy with its value as text: what is given, else the default.

    Raises:
        BadParameters: unknown names, or values that the parameters do not take.
    """
    parameters = {parameter.name: parameter for parameter in known}
    problems = {f"parameters.{name}": "the strategy has no such parameter" for name in given.keys() - parameters.keys()}
    values: dict[str, str] = {}
    for name, parameter in parameters.items():
        try:
            values[name] = canonical(parameter, given.get(name, parameter.default))
        except ValueError as error:
            problems[f"parameters.{name}"] = str(error)
    if problems:
        raise BadParameters(problems)
    return values


def canonical(parameter: Parameter, value: Value) -> str:
    """A value as it is stored.

    Raises:
        ValueError: the parameter does not take it; one sentence.
    """
    text = str(value).lower() if isinstance(value, bool) else str(value).strip()
    match parameter.kind:
        case ParameterKind.BOOLEAN:
            text = _truth(text)
        case ParameterKind.INTEGER | ParameterKind.NUMBER:
            text = _number(parameter, text)
        case ParameterKind.TEXT:
            if len(text) > _LONGEST or not text.isprintable():
                raise ValueError(f"must be one line of at most {_LONGEST} characters")
    if parameter.choices is not None and text not in parameter.choices:
        raise ValueError(f"must be one of {', '.join(parameter.choices)}")
    return text


def check_definition(parameter: Parameter) -> None:
    """A parameter that the catalogue may have: its bounds are in order and its default is within them.

    Raises:
        ValueError: it may not; one sentence.
    """
    bounds = (parameter.minimum, parameter.maximum)
    if parameter.kind not in {ParameterKind.INTEGER, ParameterKind.NUMBER} and bounds != (None, None):
        raise ValueError("only numbers have a minimum and a maximum")
    if parameter.minimum is not None and parameter.maximum is not None and parameter.minimum > parameter.maximum:
        raise ValueError("the minimum is above the maximum")
    if parameter.choices is not None and not parameter.choices:
        raise ValueError("choices must name one at least")
    try:
        canonical(parameter, parameter.default)
    except ValueError as error:
        raise ValueError(f"the default {error}") from error


def _truth(text: str) -> str:
    if text.lower() not in _TRUTHS:
        raise ValueError("must be true or false")
    return _TRUTHS[text.lower()]


def _number(parameter: Parameter, text: str) -> str:
    try:
        number = parse_decimal(text)
    except Invalid as error:
        raise ValueError("must be a number") from error
    if parameter.kind is ParameterKind.INTEGER and number != number.to_integral_value():
        raise ValueError("must be a whole number")
    if parameter.minimum is not None and number < parameter.minimum:
        raise ValueError(f"must be at least {to_text(parameter.minimum.normalize())}")
    if parameter.maximum is not None and number > parameter.maximum:
        raise ValueError(f"must be at most {to_text(parameter.maximum.normalize())}")
    return to_text(number.to_integral_value() if parameter.kind is ParameterKind.INTEGER else number)
