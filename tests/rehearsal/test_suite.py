"""The tests that the rehearsal runs in a process of their own: their lines, their report, how they are ended."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from local.rehearsal.process import run_to_end
from local.rehearsal.suite import Case, Result, Suite, environment_for, read_report, sentence_of, table

TESTS = """
import pytest
def test_a_good_one(): pass
@pytest.mark.parametrize("kind", ["odd"])
def test_a_bad_one(kind): assert kind == "even"
@pytest.mark.skip(reason="not here")
def test_one_for_elsewhere(): pass
"""


async def outcome(folder: Path, text: str) -> tuple[Result, list[str]]:
    (folder / "test_some_things.py").write_text(text)
    said: list[str] = []
    arguments = [str(folder / "test_some_things.py"), "-c", "/dev/null", "--rootdir", str(folder)]
    result = await Suite(os.environ, folder, said.append, arguments).run()
    return result, said


async def test_every_outcome_is_reported_by_name(tmp_path: Path) -> None:
    result, _ = await outcome(tmp_path, TESTS)

    assert [(case.area, case.sentence, case.outcome) for case in result.cases] == [
        ("some things", "a good one", "passed"),
        ("some things", "a bad one (odd)", "failed"),
        ("some things", "one for elsewhere", "skipped"),
    ]
    assert not result.is_good


async def test_a_run_is_good_when_something_passed_and_nothing_failed(tmp_path: Path) -> None:
    good, _ = await outcome(tmp_path, "def test_a_good_one(): pass")
    empty, _ = await outcome(tmp_path, "import pytest\n@pytest.mark.skip\ndef test_it(): pass")

    assert good.is_good
    assert not empty.is_good


def test_the_table_names_areas_failures_and_reasons() -> None:
    cases = (
        Case("core", "it works", "passed", 1.25),
        Case("core", "it fails", "failed", 0.5, "assert 1 == 2"),
        Case("refusals", "it waits", "skipped", 0, "not on the target rehearse"),
    )

    text = "\n".join(table(Result(cases, 1, Path())))

    assert "core           1       1        0      1.8" in text
    assert "✗ core: it fails: assert 1 == 2" in text
    assert "– 1 test: not on the target rehearse" in text


def test_a_name_becomes_a_sentence() -> None:
    assert sentence_of("test_a_key_is_refused[expired]") == "a key is refused (expired)"


def test_no_report_is_no_cases(tmp_path: Path) -> None:
    assert read_report(tmp_path / "absent.xml") == []


def test_the_tests_learn_where_the_rehearsal_is_and_nothing_of_another_platform(tmp_path: Path) -> None:
    inherited = {"FULLON_HOME": "/elsewhere", "AWS_PROFILE": "real", "PATH": "/bin", "LANG": "C"}

    found = environment_for(
        inherited, url="http://127.0.0.1:1", venue="http://127.0.0.1:2", admin="a@b", password="p", logs=tmp_path
    )

    assert found["FULLON_E2E_TARGET"] == "rehearse"
    assert found["FULLON_E2E_WS_URL"] == "ws://127.0.0.1:1/ws"
    assert not {"FULLON_HOME", "AWS_PROFILE"} & found.keys()


async def test_a_cancelled_command_is_ended_with_its_children(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(99)\n"
    )
    said: asyncio.Queue[str] = asyncio.Queue()
    run = asyncio.create_task(
        run_to_end([sys.executable, "-c", program], os.environ, tmp_path, tmp_path / "out.txt", said.put_nowait)
    )
    child = psutil.Process(int(await asyncio.wait_for(said.get(), 60)))

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    deadline = time.monotonic() + 5
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_the_exit_code_and_the_output_are_kept(tmp_path: Path) -> None:
    code = await run_to_end(
        [sys.executable, "-c", "import sys; print('said'); sys.exit(7)"], os.environ, tmp_path, tmp_path / "out.txt"
    )

    assert (code, (tmp_path / "out.txt").read_text()) == (7, "said\n")
