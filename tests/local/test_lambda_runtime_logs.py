"""What a function's log file holds."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from fullon.runtime.gateway.invocation import FunctionError, FunctionInitFailed, FunctionTimedOut
from local.lambda_runtime import function_log
from tests.local.platform import a_function, running_pool, until

BROKEN = "tests.local.functions_under_test.broken.handler"


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_every_printed_line_carries_the_request_id(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("talk")) as pool:
        await pool.invoke("talk", {}, request_id="request-1")
        await pool.invoke("talk", {}, request_id="request-2")

    lines = [line for line in lines_of(tmp_path / "talk.log") if line["event"] not in {"start", "report"}]
    assert [line.get("message") or line["event"] for line in lines[:4]] == [
        "a plain line",
        "structured",
        "own id",
        "from stderr",
    ]
    assert [line.get("invocation_id") or line["request_id"] for line in lines] == ["request-1"] * 4 + ["request-2"] * 4
    assert lines[1] == {"event": "structured", "level": "warning", "answer": 42, "request_id": "request-1"}
    assert lines[2]["request_id"] == "the-clients-own"


async def test_each_invocation_is_reported_with_duration_memory_and_whether_it_was_cold(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("echo")) as pool:
        await pool.invoke("echo", {}, request_id="first")
        await pool.invoke("echo", {}, request_id="second")

    events = [(line["event"], line["request_id"]) for line in lines_of(tmp_path / "echo.log")]
    assert events == [("start", "first"), ("report", "first"), ("start", "second"), ("report", "second")]
    cold, warm = (line for line in lines_of(tmp_path / "echo.log") if line["event"] == "report")
    assert cold["cold"] is True
    assert cold["init_ms"] > 1
    assert warm["cold"] is False
    assert "init_ms" not in warm
    assert warm["status"] == "success"
    assert warm["component"] == "echo"
    assert 5 < warm["memory_mb"] < 512
    assert warm["memory_size_mb"] == 512
    assert warm["duration_ms"] > 0


async def test_failures_are_reported_with_their_reason(tmp_path: Path) -> None:
    functions = [a_function("fail"), a_function("sleep", timeout=1), a_function("broken", BROKEN)]
    async with running_pool(tmp_path, *functions) as pool:
        with pytest.raises(FunctionError):
            await pool.invoke("fail", {})
        with pytest.raises(FunctionTimedOut):
            await pool.invoke("sleep", {})
        with pytest.raises(FunctionInitFailed):
            await pool.invoke("broken", {})

    failed = lines_of(tmp_path / "fail.log")
    report = next(line for line in failed if line["event"] == "report")
    assert report["status"] == "error"
    assert report["error_type"] == "ValueError"
    trace = next(line for line in failed if line["event"] == "output")
    assert trace["level"] == "error"
    assert "\n" in trace["message"]
    assert "handlers.py" in trace["message"]
    timed_out = next(line for line in lines_of(tmp_path / "sleep.log") if line["event"] == "report")
    assert timed_out["status"] == "timeout"
    assert timed_out["level"] == "error"
    broken = lines_of(tmp_path / "broken.log")
    assert any(line["event"] == "init" and "there_is_no_such_module" in line["error"] for line in broken)


async def test_a_full_file_is_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_log, "FILE_LIMIT", 2_000)
    async with running_pool(tmp_path, a_function("echo")) as pool:
        for _ in range(12):
            await pool.invoke("echo", {})
            await asyncio.sleep(0.06)

    assert (tmp_path / "echo.log.1").exists()
    assert (tmp_path / "echo.log").stat().st_size <= 2_000
    assert "report" in {line["event"] for line in lines_of(tmp_path / "echo.log")}


async def test_lines_are_in_the_file_while_the_platform_runs(tmp_path: Path) -> None:
    async with running_pool(tmp_path, a_function("talk")) as pool:
        await pool.invoke("talk", {})

        await until(lambda: b"from stderr" in (tmp_path / "talk.log").read_bytes())
