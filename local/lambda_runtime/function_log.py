"""One log file per function, JSON lines: what its processes print, and what happened to each invocation.

Lines written by the product's own logging pass through; anything else (a print, a traceback, the runtime client's
error report) is wrapped. Every line carries the request id, so a request can be followed through all functions.
"""

import asyncio
from pathlib import Path
from typing import Any

import orjson

from fullon.kernel.clock import Clock

FILE_LIMIT = 16 * 1024 * 1024
"""Bytes after which a file is moved aside to NAME.log.1, replacing the one before."""
LINE_LIMIT = 256 * 1024
"""Longest line, as in CloudWatch Logs; longer ones are cut."""
_FLUSH_SECONDS = 0.05


class FunctionLog:
    """Appends to ``path``; lines reach the file within 50 ms, or at ``close``."""

    def __init__(self, path: Path, component: str, clock: Clock) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._component = component
        self._clock = clock
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()
        self._lines: list[bytes] = []
        self._flush_timer: asyncio.TimerHandle | None = None

    def event(self, event: str, *, level: str = "info", request_id: str | None = None, **fields: Any) -> None:
        """Write one line of this side: start, report, init, reload."""
        line: dict[str, Any] = {"ts": self._now(), "level": level, "component": self._component, "event": event}
        if request_id is not None:
            line["request_id"] = request_id
        line.update(fields)
        self._append(orjson.dumps(line))

    def output(self, text: bytes, request_id: str | None) -> None:
        """Write one line that the process printed while it worked on ``request_id``."""
        text = text.rstrip(b"\r\n")
        if not text:
            return
        if text[:1] == b"{":
            try:
                line = orjson.loads(text)
            except orjson.JSONDecodeError:
                line = None
            if isinstance(line, dict) and "event" in line:
                self._append(self._with_request_id(line, text, request_id))
                return
        message = text[:LINE_LIMIT].decode("utf-8", "replace")
        # The runtime client keeps a traceback on one line with these two in place of line ends and indents.
        message = message.replace("\r", "\n").replace("\u00a0", " ")
        level = "error" if message.startswith(("[ERROR]", "Traceback")) else "info"
        self.event("output", level=level, request_id=request_id, message=message)

    def flush(self) -> None:
        """Write what is waiting."""
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        if not self._lines:
            return
        data = b"".join(self._lines)
        self._lines.clear()
        if self._size and self._size + len(data) > FILE_LIMIT:
            self._file.close()
            self._path.replace(self._path.with_suffix(".log.1"))
            self._file = self._path.open("ab", buffering=0)
            self._size = 0
        self._file.write(data)
        self._size += len(data)

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self.flush()
        self._file.close()

    def _with_request_id(self, line: dict[str, Any], text: bytes, request_id: str | None) -> bytes:
        given = line.get("request_id")
        if request_id is None or given == request_id:
            return text
        # A client may name its own request id; the invocation's is kept beside it.
        line["request_id" if given is None else "invocation_id"] = request_id
        return orjson.dumps(line)

    def _append(self, line: bytes) -> None:
        if self._file.closed:
            return
        self._lines.append(line + b"\n")
        if self._flush_timer is None:
            self._flush_timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._on_flush_timer)

    def _on_flush_timer(self) -> None:
        self._flush_timer = None
        self.flush()

    def _now(self) -> str:
        return self._clock.now().isoformat(timespec="milliseconds")[:-6] + "Z"
