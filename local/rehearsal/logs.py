"""The functions' log lines, fetched from the emulator's CloudWatch Logs into files: there they die with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.rehearsal.emulator import Emulator

_log = logging.getLogger("local.rehearsal")

PAUSE_SECONDS = 2.0


class LogFetcher:
    """Appends new events of each log group to `folder/NAME.log`, where NAME is the last part of the group's."""

    def __init__(self, emulator: Emulator, groups: Collection[str], folder: Path) -> None:
        self._client = emulator.client("logs")
        self._groups = groups
        self._folder = folder
        self._seen: dict[str, set[str]] = {}
        self._since: dict[str, int] = {}

    async def run(self) -> None:
        """Fetch until cancelled."""
        while True:
            await self.fetch()
            await asyncio.sleep(PAUSE_SECONDS)

    async def fetch(self) -> None:
        """Fetch once; an emulator that does not answer is left alone until the next time."""
        try:
            await asyncio.to_thread(self._fetch)
        except (BotoCoreError, ClientError) as error:
            _log.info("logs not fetched", extra={"cause": str(error)})

    def _fetch(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for group in self._groups:
            self._append(group)

    def _append(self, group: str) -> None:
        seen = self._seen.setdefault(group, set())
        since = self._since.get(group, 0)
        pages = self._client.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
        fresh: list[Any] = [event for page in pages for event in page["events"] if _identity(event) not in seen]
        if not fresh:
            return
        newest = max(event["timestamp"] for event in fresh)
        # Events of the same millisecond may still come; what is older cannot.
        self._since[group] = newest
        self._seen[group] = {_identity(event) for event in fresh if event["timestamp"] == newest} | (
            seen if newest == since else set()
        )
        with (self._folder / f"{group.rpartition('/')[2]}.log").open("a", encoding="utf-8") as file:
            file.writelines(event["message"].rstrip("\n") + "\n" for event in fresh)


def _identity(event: Mapping[str, Any]) -> str:
    """MiniStack numbers no events."""
    return event.get("eventId") or f"{event['logStreamName']} {event['timestamp']} {event['message']}"
