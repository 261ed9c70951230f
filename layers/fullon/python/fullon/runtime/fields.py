"""Kinds of fields that many request and answer models share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import PlainSerializer, StringConstraints, WithJsonSchema

from fullon.kernel.clock import rfc3339

#: A moment in an answer: RFC 3339, UTC, with ``Z``.
Moment = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-08-17T00:00:00Z"]}),
]

_LINE = r"^[^\x00-\x1f\x7f]*$"
_TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"

#: A name or the like: one line, no control characters, no space around it.
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=_LINE)]
#: Free text: lines and tabs, no other control characters.
Text = Annotated[str, StringConstraints(max_length=2000, pattern=_TEXT)]
