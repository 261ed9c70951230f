"""The parameters of a call, read with the types the ECS API gives them."""

from __future__ import annotations

from typing import Any

from local.ecs.errors import client_error, invalid_parameter
from local.ecs.model import Document
from local.ecs.names import NAME


class Request:
    """One call's body. Every reader raises ``InvalidParameterException`` or ``ClientException`` for a wrong type."""

    def __init__(self, body: Document) -> None:
        self._body = body

    def text(self, key: str, default: str | None = None) -> str:
        value = self._body.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value:
            raise invalid_parameter(f"{key} must be a text that is not empty.")
        return value

    def name(self, key: str) -> str:
        """A name that something new gets."""
        value = self.text(key)
        if not NAME.fullmatch(value):
            raise invalid_parameter(f"Invalid {key}: up to 255 letters, numbers, hyphens and underscores are allowed.")
        return value

    def optional_text(self, key: str) -> str | None:
        return None if self._body.get(key) is None else self.text(key)

    def number(self, key: str, allowed: range, default: int) -> int:
        value = self.optional_number(key, allowed)
        return default if value is None else value

    def optional_number(self, key: str, allowed: range) -> int | None:
        value = self._body.get(key)
        if value is None:
            return None
        if type(value) is not int or value not in allowed:
            raise invalid_parameter(f"{key} must be a number from {allowed.start} to {allowed.stop - 1}.")
        return value

    def flag(self, key: str) -> bool:
        return self._body.get(key) is True

    def texts(self, key: str, most: int) -> list[str]:
        """A list of at least one and at most ``most`` texts."""
        value = self._body.get(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise invalid_parameter(f"{key} cannot be empty.")
        if len(value) > most:
            raise invalid_parameter(f"{key} can have at most {most} items.")
        return value

    def optional_texts(self, key: str, most: int) -> list[str] | None:
        return None if not self._body.get(key) else self.texts(key, most)

    def document(self, key: str) -> Document:
        value = self._body.get(key) or {}
        if not isinstance(value, dict):
            raise invalid_parameter(f"{key} must be a structure.")
        return value

    def documents(self, key: str) -> list[Document]:
        value = self._body.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise client_error(f"{key} must be a list of structures.")
        return value

    def given(self, *keys: str) -> Document:
        """Those of these parameters that were given, as they came."""
        return {key: self._body[key] for key in keys if self._body.get(key) is not None}

    def page(self, items: list[str], most: int, default: int) -> tuple[list[str], Document]:
        """The part of a list that ``nextToken`` and ``maxResults`` ask for, and the answer's ``nextToken``."""
        size = self.number("maxResults", range(1, most + 1), default)
        token = self.text("nextToken", "0")
        if not token.isdecimal() or int(token) > len(items):
            raise invalid_parameter("Invalid token.")
        end = int(token) + size
        return items[int(token) : end], {"nextToken": str(end)} if end < len(items) else {}


def words(value: Any) -> bool:
    """Whether this is a list of texts, as commands are."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
