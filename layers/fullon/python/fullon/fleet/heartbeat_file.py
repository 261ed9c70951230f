"""The same heartbeat in a file beside the process, for whoever supervises its container.

A container is judged from the inside, where neither Valkey nor PostgreSQL may be needed: with those away a daemon
waits, and starting it anew would not bring them back. Standard library only: the judge is a new process each time.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from fullon.fleet.model import HEARTBEAT_SECONDS, STALE_AFTER, ProcessRecord, ProcessStatus
from fullon.kernel.clock import Clock, from_milliseconds, to_milliseconds

_log = logging.getLogger("fullon.fleet")


class HeartbeatFile:
    """Writes one daemon's signs of work: at once when its status changes, else at most once an interval."""

    def __init__(self, path: Path, clock: Clock, interval: float = HEARTBEAT_SECONDS) -> None:
        self._path = path
        self._clock = clock
        self._interval = interval
        self._said: tuple[ProcessStatus, str] | None = None
        self._written_at = float("-inf")
        self._failing = False

    def show(self, record: ProcessRecord) -> None:
        """A sign of work was given; ``record`` says of what kind. A file that cannot be written is logged once."""
        saying = (record.status, record.message)
        if saying == self._said and self._clock.monotonic() - self._written_at < self._interval:
            return
        content = json.dumps(
            {
                "name": record.name,
                "instance": record.instance,
                "status": record.status.value,
                "message": record.message,
                "heartbeat": to_milliseconds(self._clock.now()),
            }
        )
        self._said, self._written_at = saying, self._clock.monotonic()
        unfinished = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(content, encoding="utf-8")
            unfinished.replace(self._path)
        except OSError as error:
            if not self._failing:
                _log.error("heartbeat file not written", extra={"path": str(self._path), "cause": repr(error)})
            self._failing = True
        else:
            self._failing = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the daemon works or waits as it should, and one sentence about it."""

    healthy: bool
    sentence: str


def judge(path: Path, now: datetime) -> Verdict:
    """Read a daemon's file.

    A daemon that waits for the lease, has nothing to do or reports a trouble from outside is healthy: it lives, and a
    restart would mend nothing. One that has been silent for three heartbeats, has ended or never began is not.
    """
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        name, status = str(written["name"]), ProcessStatus(written["status"])
        message, heartbeat = str(written["message"]), from_milliseconds(int(written["heartbeat"]))
    except FileNotFoundError:
        return Verdict(False, f"No heartbeat yet: {path} does not exist.")
    except OSError as error:
        return Verdict(False, f"{path} cannot be read ({error.strerror}).")
    except (ValueError, KeyError, TypeError) as error:
        return Verdict(False, f"{path} is no heartbeat ({error!r}).")
    age = max(now - heartbeat, timedelta(0))
    said = f"{status.value}: {message}" if message else status.value
    sentence = f"{name} said {age.total_seconds():.0f} s ago: {said}"
    if status is ProcessStatus.STOPPED:
        return Verdict(False, f"{sentence} (it has ended).")
    if age > STALE_AFTER:
        return Verdict(False, f"{sentence} (silent for more than {STALE_AFTER.total_seconds():.0f} s).")
    return Verdict(True, f"{sentence}.")
