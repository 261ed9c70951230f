"""Editing code while the platform runs: who gets new processes, and what happens to requests under way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fullon.runtime.gateway.invocation import FunctionInitFailed
from local.lambda_runtime.pool import FunctionPool
from local.lambda_runtime.reload import CodeWatcher
from tests.local.platform import a_function, running_pool, until

HANDLER = "import time\nfrom shared_code.answers import ANSWER\n\n\ndef handler(event, context):\n    {body}\n"


def write_function(root: Path, name: str, body: str) -> None:
    folder = root / "functions_here" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "handler.py").write_text(HANDLER.format(body=body))


@asynccontextmanager
async def two_functions(root: Path) -> AsyncIterator[tuple[FunctionPool, list[list[str]]]]:
    """Functions `first` and `second` in folders of their own, and a folder of code that both import."""
    (root / "shared_code").mkdir()
    (root / "shared_code" / "answers.py").write_text("ANSWER = 1\n")
    for name in ("first", "second"):
        write_function(root, name, "return [event, ANSWER]")
    functions = [a_function(name, f"functions_here.{name}.handler.handler") for name in ("first", "second")]
    heard: list[list[str]] = []
    async with running_pool(root / "logs", *functions, task_root=root) as pool:
        watcher = CodeWatcher(pool, task_root=root, shared=[root / "shared_code"], reloaded=heard.append)
        await watcher.start()
        await pool.invoke("first", {})
        await pool.invoke("second", {})
        await asyncio.sleep(0.3)
        yield pool, heard
        await watcher.stop()


async def test_only_the_edited_function_gets_a_new_process(tmp_path: Path) -> None:
    async with two_functions(tmp_path) as (pool, heard):
        before = pool.processes()

        write_function(tmp_path, "first", "return 'edited'")
        await until(lambda: heard == [["first"]])

        assert await pool.invoke("first", {}) == "edited"
        assert await pool.invoke("second", {}) == [{}, 1]
        assert pool.processes()["second"] == before["second"]
        assert not set(pool.processes()["first"]) & set(before["first"])


async def test_shared_code_replaces_every_function(tmp_path: Path) -> None:
    async with two_functions(tmp_path) as (pool, heard):
        (tmp_path / "shared_code" / "answers.py").write_text("ANSWER = 2\n")
        await until(lambda: heard == [["first", "second"]])

        assert await pool.invoke("first", {}) == [{}, 2]
        assert await pool.invoke("second", {}) == [{}, 2]


async def test_a_request_under_way_finishes_on_the_old_code(tmp_path: Path) -> None:
    async with two_functions(tmp_path) as (pool, heard):
        write_function(tmp_path, "first", "time.sleep(2.5); return 'old'")
        await until(lambda: len(heard) == 1)
        under_way = asyncio.create_task(pool.invoke("first", {}))
        await until(lambda: (tmp_path / "logs" / "first.log").read_bytes().count(b'"start"') == 2)

        write_function(tmp_path, "first", "return 'new'")
        await until(lambda: len(heard) == 2)

        assert await pool.invoke("first", {}) == "new"
        assert await under_way == "old"
        await until(lambda: len(pool.processes()["first"]) == 1)


async def test_a_broken_edit_says_why_and_mending_it_is_enough(tmp_path: Path) -> None:
    async with two_functions(tmp_path) as (pool, heard):
        write_function(tmp_path, "first", "return (")
        await until(lambda: len(heard) == 1)

        with pytest.raises(FunctionInitFailed) as caught:
            await pool.invoke("first", {})
        assert "Syntax error" in caught.value.message
        assert await pool.invoke("second", {}) == [{}, 1]
        reason = b"Syntax error in module 'functions_here.first.handler'"
        await until(lambda: reason in (tmp_path / "logs" / "first.log").read_bytes())

        write_function(tmp_path, "first", "return 'mended'")

        async def mended() -> bool:
            try:
                return bool(await pool.invoke("first", {}) == "mended")
            except FunctionInitFailed:
                return False

        await until(mended)


async def test_two_edits_within_a_second_show_the_second(tmp_path: Path) -> None:
    async with two_functions(tmp_path) as (pool, heard):
        for number, answer in enumerate(("aaa", "bbb", "ccc"), start=1):
            write_function(tmp_path, "first", f"return '{answer}'")
            await until(lambda expected=number: len(heard) == expected)  # type: ignore[misc]

            assert await pool.invoke("first", {}) == answer
