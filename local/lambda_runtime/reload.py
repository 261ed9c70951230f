"""Replaces the processes of functions whose code has changed on disk."""

import asyncio
import importlib.util
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import watchfiles

from fullon.runtime.manifest import Function
from local.lambda_runtime.pool import FunctionPool


class CodeWatcher:
    """Watches the functions' code and what they share.

    Args:
        pool: whose environments to replace.
        task_root: folder that handlers are imported from.
        shared: folders whose change concerns every function.
        reloaded: hears the names of functions that were running and now have new code.
    """

    def __init__(
        self,
        pool: FunctionPool,
        *,
        task_root: Path,
        shared: Iterable[Path],
        reloaded: Callable[[list[str]], None],
    ) -> None:
        self._pool = pool
        self._reloaded = reloaded
        self._folders = {function.name: code_of(function, task_root.resolve()) for function in pool.functions}
        shared_folders = [folder.resolve() for folder in shared if folder.is_dir()]
        parents = {folder.parent for folder in self._folders.values() if folder.parent.is_dir()}
        self._roots = [*shared_folders, *sorted(parents)]
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End the watch."""
        self._stop.set()
        if self._task is not None:
            await self._task

    def concerned(self, changed: Iterable[Path]) -> list[str]:
        """Which functions to replace: those whose own code changed, or all when it is nobody's own."""
        names: set[str] = set()
        for path in changed:
            owners = [name for name, folder in self._folders.items() if path.is_relative_to(folder)]
            names.update(owners or self._folders)
        return sorted(names)

    async def _watch(self) -> None:
        changes = watchfiles.awatch(
            *self._roots, watch_filter=watchfiles.PythonFilter(), debounce=400, step=50, stop_event=self._stop
        )
        async for batch in changes:
            paths = [Path(path) for _, path in batch]
            for path in paths:
                _forget_bytecode(path)
            replaced = self._pool.reload(self.concerned(paths))
            if replaced:
                self._reloaded(replaced)


def code_of(function: Function, task_root: Path) -> Path:
    """A function's own code: the folder of its handler, or the one file when that lies in the task root itself."""
    *packages, module = function.module.split(".")
    return task_root.joinpath(*packages) if packages else task_root / f"{module}.py"


def _forget_bytecode(source: Path) -> None:
    # Byte code is checked by size and whole seconds: two edits in one second could leave the first one cached.
    with suppress(OSError, NotImplementedError):
        Path(importlib.util.cache_from_source(str(source))).unlink(missing_ok=True)
