"""How old an answer of the cache is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from fullon.kernel.clock import rfc3339

MILLISECOND = timedelta(milliseconds=1)


def age(moment: datetime, now: datetime) -> dict[str, Any]:
    """The fields that every answer has."""
    return {"as_of": rfc3339(moment), "age_ms": max(0, (now - moment) // MILLISECOND)}
