"""The log file of one daemon: what its processes print, put aside when it grows too large."""

from __future__ import annotations

import logging
import os
from pathlib import Path

LARGEST_BYTES = 10_000_000
KEPT_FILES = 3

_log = logging.getLogger("local.ecs")


class LogFile:
    """Appends to ``PATH`` and keeps ``PATH.1`` to ``PATH.3``.

    A disk that is full loses output and must not stop a daemon, so writing never raises.
    """

    def __init__(self, path: Path, largest: int = LARGEST_BYTES) -> None:
        self._path = path
        self._largest = largest
        self._descriptor: int | None = None
        self._size = 0
        self._failing = False

    def write(self, data: bytes) -> None:
        """Append; the file changes between two writes, never inside of one."""
        try:
            if self._descriptor is not None and self._size + len(data) > self._largest:
                self._rotate()
            if self._descriptor is None:
                self._open()
            assert self._descriptor is not None
            view = memoryview(data)
            while view:
                written = os.write(self._descriptor, view)
                self._size += written
                view = view[written:]
            self._failing = False
        except OSError as error:
            if not self._failing:
                self._failing = True
                _log.error("daemon log not written", extra={"path": str(self._path), "cause": error.strerror})

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(KEPT_FILES, 0, -1):
            older = self._path if number == 1 else self._path.with_name(f"{self._path.name}.{number - 1}")
            if older.exists():
                older.replace(self._path.with_name(f"{self._path.name}.{number}"))
