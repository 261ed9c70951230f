"""Log files of the processes: written by the processes themselves, kept small by the supervisor.

A process keeps writing when the supervisor is gone, and nothing is lost between a pipe and a file. A file over the
limit is copied aside and emptied in place: the writers append, so they go on at the beginning.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

LARGEST_BYTES = 10_000_000
KEPT_FILES = 3
TAIL_BYTES = 8_192


def open_log(path: Path) -> BinaryIO:
    """A file to give to a process as its output; private, appended to."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return os.fdopen(descriptor, "ab", buffering=0)


def rotate(paths: Iterable[Path], largest: int = LARGEST_BYTES) -> list[Path]:
    """Put aside every log over `largest` bytes as NAME.log.1, .2, .3; returns the logs that were emptied."""
    emptied = []
    for path in paths:
        if not path.exists() or path.stat().st_size <= largest:
            continue
        for number in range(KEPT_FILES, 1, -1):
            older = path.with_name(f"{path.name}.{number - 1}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{number}"))
        try:
            shutil.copyfile(path, path.with_name(f"{path.name}.1"))
        except OSError:
            path.with_name(f"{path.name}.1").unlink(missing_ok=True)  # a full disk: keep the room, not the copy
        os.truncate(path, 0)
        emptied.append(path)
    return emptied


def last_words(path: Path, start: int = 0) -> str:
    """The last line that a process logged after byte `start`, as a sentence for a person; empty if none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - TAIL_BYTES) if size >= start else 0)
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    for line in reversed(lines):
        if line.strip():
            return _event_of(line.strip())
    return ""


def _event_of(line: str) -> str:
    try:
        fields = json.loads(line)
    except ValueError:
        return line[:300]
    if not isinstance(fields, dict):
        return line[:300]
    event = str(fields.get("event") or fields.get("message") or line)
    reason = str(fields.get("exception") or "").strip().splitlines()
    return f"{event}: {reason[-1]}"[:300] if reason else event[:300]
