"""JSON to frozen dataclasses and back, by their type hints.

Members that a record does not know are passed over, so that a newer platform still serves an older client. A member
that is missing where the record has no default, or is of another kind, is an :class:`UnexpectedAnswer`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from fullon_client.errors import UnexpectedAnswer

Record = TypeVar("Record")
Reader = Callable[[Any], Any]


def read(kind: type[Record], value: Any) -> Record:
    """`value` as a record.

    Raises:
        UnexpectedAnswer: it is none; the sentence names the place.
    """
    try:
        found: Record = _reader(cast(Any, kind))(value)
    except _Unreadable as error:
        raise UnexpectedAnswer(
            f"The answer is not a {kind.__name__}: {error.place or 'it'} is {error.found}."
        ) from error
    return found


def write(value: Any) -> Any:
    """A value as JSON has it: exact decimals and ids as text, times in UTC with ``Z``."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {name: write(member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [write(member) for member in value]
    return value


class _Unreadable(Exception):
    def __init__(self, found: str, place: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.place = place

    def within(self, place: str) -> _Unreadable:
        return _Unreadable(self.found, f"{place}.{self.place}" if self.place else place)


@cache
def _reader(kind: Any) -> Reader:
    if dataclasses.is_dataclass(kind):
        return _record_reader(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        [inner] = [argument for argument in arguments if argument is not NoneType]
        read_inner = _reader(inner)
        return lambda value: None if value is None else read_inner(value)
    if origin is tuple:
        read_item = _reader(arguments[0])
        return lambda value: tuple(_items(read_item, value))
    if origin in {dict, Mapping} or (origin is not None and issubclass(origin, Mapping)):
        return lambda value: dict(_checked(value, dict))
    if origin is Literal or kind is Any:
        return lambda value: value
    if kind in _SPECIAL:
        return _special(_SPECIAL[kind])
    if kind is float:
        return lambda value: float(_checked(value, int | float))
    return lambda value: _checked(value, kind)


def _record_reader(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    needed = [
        (field.name, _reader(hints[field.name]), field.default is dataclasses.MISSING)
        for field in dataclasses.fields(kind)
    ]

    def read_record(value: Any) -> Any:
        members = _checked(value, dict)
        found = {}
        for name, reader, is_required in needed:
            if name not in members:
                if is_required:
                    raise _Unreadable("missing", name)
                continue
            try:
                found[name] = reader(members[name])
            except _Unreadable as error:
                raise error.within(name) from None
        return kind(**found)

    return read_record


def _items(read_item: Reader, value: Any) -> list[Any]:
    found = []
    for number, item in enumerate(_checked(value, list)):
        try:
            found.append(read_item(item))
        except _Unreadable as error:
            raise error.within(str(number)) from None
    return found


def _special(convert: Callable[[Any], Any]) -> Reader:
    def read_special(value: Any) -> Any:
        try:
            return convert(value)
        except (ValueError, TypeError, InvalidOperation, AttributeError):
            raise _Unreadable(repr(value)[:60]) from None

    return read_special


def _moment(value: Any) -> datetime:
    if isinstance(value, int):
        return datetime.fromtimestamp(value / 1000, UTC)
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError("a time without its zone")
    return found


def _exact(value: Any) -> Decimal:
    if isinstance(value, bool | float):
        raise TypeError("a number that may have lost digits")
    return Decimal(value)


_SPECIAL: Mapping[Any, Callable[[Any], Any]] = {Decimal: _exact, datetime: _moment, UUID: UUID}


def _checked(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise _Unreadable(repr(value)[:60])
    return value
