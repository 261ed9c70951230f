"""The file with key and secret of the demo account, made by whoever needs it first: the venue, or the seed."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from local.home import read_mapping


def credentials_of(file: Path) -> dict[str, Any]:
    """What the file holds; random values are written to it, readable by its owner only, where it is missing.

    Two who make it at once agree on one of their values.

    Raises:
        OSError: it cannot be written.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        _make(file)
    return read_mapping(file)


def _make(file: Path) -> None:
    values = {"key": secrets.token_hex(32), "secret": secrets.token_hex(32)}
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
            json.dump(values, handle, indent=2)
        os.link(draft, file)  # refuses, unlike a rename, when somebody else was first
    except FileExistsError:
        pass
    finally:
        draft.unlink()
