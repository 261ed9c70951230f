"""Calls as values: what to send, and how to read the answer. Both clients send the same ones.

An operation is a function that makes such a value (:mod:`fullon_client.operations`), so each is written once::

    bot = client.send(bots.create("grid on bitcoin"))
    bot = await async_client.send(bots.create("grid on bitcoin"))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

from fullon_client.errors import UnexpectedAnswer
from fullon_client.records import read, write

T = TypeVar("T")
Record = TypeVar("Record")
Item = TypeVar("Item")

Repetition = Literal["harmless", "by key", "never"]
"""Whether a call may be sent again when its fate is not known: reads and the like, changes with their key, or not."""

READS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Part of a list; `next_cursor` is None on the last."""

    items: tuple[Item, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call.

    Attributes:
        operation: its id in the platform's OpenAPI document; empty for a call of one's own.
        template: path with names in braces.
        places: what the braces stand for.
        parameters: of the query; None is left out.
        body: JSON members, as given; None is no body.
        read: makes the result of the answer's content.
        model: the record that it holds, if it holds one.
        key: the Idempotency-Key; a change without one gets a random one when it is sent.
        is_public: no credential is sent.
    """

    operation: str
    method: str
    template: str
    read: Callable[[Any], T]
    places: Mapping[str, object] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)
    body: Any = None
    model: type | None = None
    key: str | None = None
    repetition: Repetition = "harmless"
    is_public: bool = False

    @property
    def path(self) -> str:
        """The path with its places filled in; symbols keep their slash."""
        if not self.places:
            return self.template
        return self.template.format(
            **{name: quote(str(write(place)), safe="/:") for name, place in self.places.items()}
        )

    def keyed(self, key: str) -> Self:
        """The same with a key of one's own choice, for a change that may be sent again by another process."""
        return replace(self, key=key)

    def prepared(self) -> Self:
        """With a key, if it is a change."""
        return replace(self, key=uuid4().hex) if self.repetition == "by key" and self.key is None else self

    def after(self, cursor: str) -> Self:
        """The same list from the next page on."""
        return replace(self, parameters={**self.parameters, "cursor": cursor})

    def with_parameters(self, **parameters: object) -> Self:
        """The same with more query parameters: filters that the function has no argument for."""
        return replace(self, parameters={**self.parameters, **parameters})


def one(model: type[Record], operation: str, method: str, template: str, **options: Any) -> Call[Record]:
    """A call that answers with a record."""
    return _call(operation, method, template, lambda content: read(model, content), model=model, **options)


def page(model: type[Record], operation: str, template: str, **options: Any) -> Call[Page[Record]]:
    """A call that answers with a page of records."""

    def read_page(content: Any) -> Page[Record]:
        if not isinstance(content, dict) or not isinstance(content.get("items"), list):
            raise UnexpectedAnswer("The answer is not a list of items.")
        return Page(tuple(read(model, item) for item in content["items"]), content.get("next_cursor"))

    return _call(operation, options.pop("method", "GET"), template, read_page, model=model, **options)


def nothing(operation: str, method: str, template: str, **options: Any) -> Call[None]:
    """A call whose answer says no more than that it was done."""
    return _call(operation, method, template, lambda content: None, **options)


def raw(method: str, template: str, **options: Any) -> Call[Any]:
    """A call that answers with the content as it is: JSON, text or bytes."""
    return _call(options.pop("operation", ""), method, template, lambda content: content, **options)


def given(**members: object) -> dict[str, object]:
    """The members that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def _call(operation: str, method: str, template: str, reader: Callable[[Any], T], **options: Any) -> Call[T]:
    default: Repetition = "harmless" if method in READS else "by key"
    return Call(operation, method, template, reader, **{"repetition": default, **options})
