"""The processes of a rehearsal: started with a line each, kept in a state file, ended in the right order."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime

from local.home import Home
from local.supervisor import orphans, state
from local.supervisor.child import Child, Part
from local.supervisor.report import Report

STORES = ("valkey", "postgres")
WORKERS_GRACE_SECONDS = 8.0
STORES_GRACE_SECONDS = 3.0
ORPHANS_GRACE_SECONDS = 8.0


class Crew:
    """Processes of one home; `instance` marks them, so that a later run finds what a killed one left behind."""

    def __init__(self, home: Home, instance: str, report: Report) -> None:
        self._home = home
        self._instance = instance
        self._report = report
        self._children: dict[str, Child] = {}
        self._state = state.RunState(home.path, state.own_record(), {}, {})
        self._stopping = False

    async def end_orphans(self) -> None:
        """End what an earlier run left behind."""
        records = state.recorded_processes(self._home)
        found = await asyncio.to_thread(orphans.left_behind, self._home, self._instance, records)
        if found:
            with self._report.step("Ending an earlier rehearsal") as details:
                details.append(f"{len(found)} processes were left")
                await asyncio.to_thread(orphans.end_all, found, ORPHANS_GRACE_SECONDS)

    async def start(self, part: Part) -> None:
        """Start a process and return once it serves.

        Raises:
            local.supervisor.child.ChildFailed: it ended before it did.
        """
        child = Child(part, self._instance, self._home.logs, self._say, self._save)
        self._children[part.name] = child
        with self._report.step(part.title) as details:
            if part.port is not None:
                details.append(f"127.0.0.1:{part.port}")
            await child.start()

    async def stop(self) -> None:
        """End all: first those that work, then the stores."""
        self._stopping = True
        await self._end([name for name in self._children if name not in STORES], WORKERS_GRACE_SECONDS)
        await self._end(STORES, STORES_GRACE_SECONDS)
        self._home.state.unlink(missing_ok=True)

    async def _end(self, names: Collection[str], grace: float) -> None:
        await asyncio.gather(*(self._children[name].stop(grace) for name in names if name in self._children))

    def _say(self, line: str) -> None:
        if not self._stopping:
            self._report.note(f"{datetime.now(UTC):%H:%M:%S} {line}")

    def _save(self) -> None:
        self._state.children = {
            name: record for name, child in self._children.items() if (record := child.record) is not None
        }
        with suppress(OSError):  # the environment marks remain
            self._state.save()
