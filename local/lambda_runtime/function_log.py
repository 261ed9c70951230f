"""One log file per function, JSON lines: what its processes print, and what happened to each invocation.

Lines written by the product's own logging pass through; anything else (a print, a traceback, the runtime client's
error report) is wrapped. Every line carries the request id, so a request can be followed through all functions.
"""

import asyncio
import contextlib
from datetime import datetime
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
    """Appends to ``path``; lines reach the file within 50 ms, or at ``close``.

    Lines are put together when they are written, not when they are reported: a request does not wait for them.
    """

    def __init__(self, path: Path, component: str, clock: Clock) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._component = component
        self._clock = clock
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()
        self._waiting: list[_Event | _Output] = []
        self._flush_timer: asyncio.TimerHandle | None = None

    def event(self, event: str, *, level: str = "info", request_id: str | None = None, **fields: Any) -> None:
        """Write one line of this side: start, report, init, reload."""
        self._append((self._clock.now(), level, event, request_id, fields))

    def output(self, text: bytes, request_id: str | None) -> None:
        """Write one line that the process printed while it worked on ``request_id``."""
        self._append((self._clock.now(), text, request_id))

    def flush(self) -> None:
        """Write what is waiting."""
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        lines = [self._event_line(*entry) if len(entry) == 5 else self._output_line(*entry) for entry in self._waiting]
        self._waiting.clear()
        data = b"".join(line + b"\n" for line in lines if line)
        if not data:
            return
        # A full disk costs lines and no request.
        with contextlib.suppress(OSError):
            if self._size and self._size + len(data) > FILE_LIMIT:
                self._move_aside()
            self._size += self._file.write(data) or 0

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self.flush()
        self._file.close()

    def _move_aside(self) -> None:
        self._path.replace(self._path.with_suffix(".log.1"))
        self._file.close()
        self._file = self._path.open("ab", buffering=0)
        self._size = 0

    def _append(self, entry: "_Event | _Output") -> None:
        if self._file.closed:
            return
        self._waiting.append(entry)
        if self._flush_timer is None:
            self._flush_timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)

    def _event_line(
        self, moment: datetime, level: str, event: str, request_id: str | None, fields: dict[str, Any]
    ) -> bytes:
        line = {
            "ts": moment.isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": level,
            "component": self._component,
            "event": event,
        }
        if request_id is not None:
            line["request_id"] = request_id
        return orjson.dumps({**line, **fields})

    def _output_line(self, moment: datetime, text: bytes, request_id: str | None) -> bytes:
        text = text.rstrip(b"\r\n")
        if not text:
            return b""
        if text[:1] == b"{":
            try:
                line = orjson.loads(text)
            except orjson.JSONDecodeError:
                line = None
            if isinstance(line, dict) and "event" in line:
                return _with_request_id(line, text, request_id)
        message = text[:LINE_LIMIT].decode("utf-8", "replace")
        # The runtime client keeps a traceback on one line with these two in place of line ends and indents.
        message = message.replace("\r", "\n").replace("\u00a0", " ")
        level = "error" if message.startswith(("[ERROR]", "Traceback")) else "info"
        return self._event_line(moment, level, "output", request_id, {"message": message})


_Event = tuple[datetime, str, str, str | None, dict[str, Any]]
_Output = tuple[datetime, bytes, str | None]


def _with_request_id(line: dict[str, Any], text: bytes, request_id: str | None) -> bytes:
    given = line.get("request_id")
    if request_id is None or given == request_id:
        return text
    # A client may name its own request id; the invocation's is kept beside it.
    line["request_id" if given is None else "invocation_id"] = request_id
    return orjson.dumps(line)
