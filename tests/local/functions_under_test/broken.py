"""A function whose import fails, as after a bad edit."""

from typing import Any

import there_is_no_such_module  # type: ignore[import-not-found]


def handler(event: Any, context: Any) -> Any:
    """Never reached."""
    return there_is_no_such_module.answer
