"""How a record names the schema it stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")

SCHEMAS: dict[type, str] = {}
"""Record → its schema in the OpenAPI document; a test holds them to each other."""


@dataclass_transform(frozen_default=True)
def record(schema: str) -> Callable[[type[T]], type[T]]:
    """A frozen dataclass for answers of this schema."""

    def decorate(kind: type[T]) -> type[T]:
        made = dataclass(frozen=True)(kind)
        SCHEMAS[made] = schema
        return made

    return decorate
