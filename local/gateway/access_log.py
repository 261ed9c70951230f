"""One JSON line per request on standard output, in the order the answers left."""

import asyncio
import contextlib
import sys
from datetime import datetime
from typing import Any, BinaryIO

import orjson

from fullon.kernel.clock import Clock

_FLUSH_SECONDS = 0.05


class AccessLog:
    """Collects lines and writes them within 50 ms, so that no answer waits for its line.

    Query strings are left out: they carry tickets and tokens.
    """

    def __init__(self, clock: Clock, stream: BinaryIO | None = None) -> None:
        self._clock = clock
        self._stream = stream
        self._waiting: list[tuple[datetime, str, str, dict[str, Any]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def write(self, event: str, *, level: str = "info", **fields: Any) -> None:
        """Add a line."""
        self._waiting.append((self._clock.now(), level, event, fields))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what is waiting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        data = b"".join(_line(*entry) for entry in self._waiting)
        self._waiting.clear()
        stream = self._stream or sys.stdout.buffer
        # A full disk, or a reader that has gone, costs lines and no request.
        with contextlib.suppress(OSError):
            stream.write(data)
            stream.flush()


def _line(moment: datetime, level: str, event: str, fields: dict[str, Any]) -> bytes:
    written = moment.isoformat(timespec="milliseconds")[:-6] + "Z"
    line = {"ts": written, "level": level, "component": "gateway", "event": event, **fields}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
