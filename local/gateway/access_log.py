"""One JSON line per request on standard output, in the order the answers left."""

import asyncio
import sys
from typing import Any, BinaryIO

import orjson

from fullon.kernel.clock import Clock

_FLUSH_SECONDS = 0.05


class AccessLog:
    """Collects lines and writes them within 50 ms. Query strings are left out: they carry tickets and tokens."""

    def __init__(self, clock: Clock, stream: BinaryIO | None = None) -> None:
        self._clock = clock
        self._stream = stream
        self._lines: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def write(self, event: str, *, level: str = "info", **fields: Any) -> None:
        """Add a line."""
        moment = self._clock.now().isoformat(timespec="milliseconds")[:-6] + "Z"
        line = {"ts": moment, "level": level, "component": "gateway", "event": event, **fields}
        self._lines.append(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what is waiting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        data = b"".join(self._lines)
        self._lines.clear()
        stream = self._stream or sys.stdout.buffer
        stream.write(data)
        stream.flush()
