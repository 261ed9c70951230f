"""The end-to-end tests against the rehearsal, in a process of their own, and what came of them."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree as ET

from local.home import REPOSITORY
from local.rehearsal.process import run_to_end

Outcome = Literal["passed", "failed", "skipped"]

TESTS = ("tests/e2e",)
NOTHING_RUN = 5
"""pytest's exit code for an empty selection."""
_LINE = re.compile(r"^(?P<test>tests/\S+::\S+.*?) (?P<outcome>PASSED|FAILED|ERROR)\b")
_SIGNS = {"PASSED": "✓", "FAILED": "✗", "ERROR": "✗"}


@dataclass(frozen=True)
class Case:
    """A test: its file's subject, itself as a sentence, what came of it, seconds, and the reason if there is one."""

    area: str
    sentence: str
    outcome: Outcome
    seconds: float
    reason: str = ""


@dataclass(frozen=True)
class Result:
    """What came of a run of the suite."""

    cases: tuple[Case, ...]
    exit_code: int
    output: Path

    @property
    def is_good(self) -> bool:
        """Whether something passed and nothing failed."""
        return self.exit_code == 0 and any(case.outcome == "passed" for case in self.cases)

    def count(self, outcome: Outcome, area: str | None = None) -> int:
        """How many tests, of all areas or of one, ended so."""
        return sum(case.outcome == outcome and area in (None, case.area) for case in self.cases)


@dataclass
class Suite:
    """The tests to run.

    Args:
        environment: of pytest; FULLON_E2E_… say where the platform is.
        folder: for the output and the report.
        say: gets one line for each test that was run.
    """

    environment: Mapping[str, str]
    folder: Path
    say: Callable[[str], None]
    arguments: Sequence[str] = field(default=TESTS)

    async def run(self) -> Result:
        """Run them to the end; cancelling ends pytest and what it started."""
        report, output = self.folder / "e2e.xml", self.folder / "e2e.txt"
        command = [sys.executable, "-m", "pytest", "-vv", "-p", "no:xdist", "--tb=short", f"--junitxml={report}"]
        code = await run_to_end(
            [*command, *(self.arguments or TESTS)], self.environment, REPOSITORY, output, self._line
        )
        cases = await asyncio.to_thread(read_report, report)
        return Result(tuple(cases), code, output)

    def _line(self, line: str) -> None:
        if found := _LINE.match(line):
            self.say(f"{_SIGNS[found['outcome']]} {sentence_of(found['test'].rpartition('::')[2])}")


def sentence_of(name: str) -> str:
    """`test_a_key_is_refused[expired]` → `a key is refused (expired)`."""
    words, _, parameters = name.removeprefix("test_").partition("[")
    return words.replace("_", " ") + (f" ({parameters.removesuffix(']')})" if parameters else "")


def read_report(path: Path) -> list[Case]:
    """The cases of a JUnit report of pytest; empty when there is none."""
    if not path.is_file():
        return []
    cases = []
    for element in ET.parse(path).iter("testcase"):  # noqa: S314 - written by our own pytest
        area = element.get("classname", "").rpartition(".")[2].removeprefix("test_").replace("_", " ")
        outcome: Outcome = "passed"
        reason = ""
        for child in element:
            if child.tag in {"failure", "error"}:
                outcome, reason = "failed", child.get("message", "")
            elif child.tag == "skipped" and outcome == "passed":
                outcome, reason = "skipped", child.get("message", "")
        first_line = reason.splitlines()[0] if reason else ""
        sentence = sentence_of(element.get("name", ""))
        cases.append(Case(area, sentence, outcome, float(element.get("time", 0)), first_line))
    return cases


def table(result: Result) -> list[str]:
    """For a person: a line for each area, then the failed tests, and why others were skipped."""
    areas = list(dict.fromkeys(case.area for case in result.cases))
    width = max([len(area) for area in areas] + [4])
    lines = [f"  {'area':<{width}}  passed  failed  skipped  seconds"]
    for area in areas:
        seconds = sum(case.seconds for case in result.cases if case.area == area)
        passed, failed, skipped = (result.count(outcome, area) for outcome in ("passed", "failed", "skipped"))
        lines.append(f"  {area:<{width}}  {passed:>6}  {failed:>6}  {skipped:>7}  {seconds:>7.1f}")
    for case in result.cases:
        if case.outcome == "failed":
            lines.append(f"  ✗ {case.area}: {case.sentence}: {case.reason}")
    for reason, count in Counter(case.reason for case in result.cases if case.outcome == "skipped").items():
        lines.append(f"  – {count} {'test' if count == 1 else 'tests'}: {reason}")
    return lines


def environment_for(
    inherited: Mapping[str, str], *, url: str, venue: str, admin: str, password: str, logs: Path
) -> dict[str, str]:
    """What pytest gets so that the end-to-end tests find the rehearsal (tests/e2e/targets.py)."""
    kept = {name: value for name, value in inherited.items() if not name.startswith(("FULLON_", "AWS_"))}
    return kept | {
        "FULLON_E2E_TARGET": "rehearse",
        "FULLON_E2E_URL": url,
        "FULLON_E2E_WS_URL": url.replace("http://", "ws://") + "/ws",
        "FULLON_E2E_VENUE_URL": venue,
        "FULLON_E2E_ADMIN": admin,
        "FULLON_E2E_PASSWORD": password,
        "FULLON_E2E_LOGS": str(logs),
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", os.defpath)]),
    }
