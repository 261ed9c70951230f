"""`fullon logs` merges what every process writes, each in its own format."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.cli import logs
from local.cli.errors import CommandFailed

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def json_line(second: int, event: str, **fields: object) -> str:
    return json.dumps({"ts": f"2026-11-21T11:59:{second:02}.000Z", "level": "info", "event": event, **fields})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FULLON_HOME", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")
    functions = tmp_path / "logs" / "functions"
    functions.mkdir(parents=True)
    (functions / "auth.log").write_text(
        json_line(20, "request", request_id="r-1", status=200)
        + "\n"
        + json_line(40, "failed", request_id="r-2", exception="Traceback\nValueError: no")
        + "\n"
    )
    (tmp_path / "logs" / "gateway.log").write_text(json_line(30, "request", request_id="r-1") + "\nplain words\n")
    (tmp_path / "logs" / "postgres.log").write_text("2026-11-21 11:59:10.000 UTC [7] LOG:  ready\n")
    (tmp_path / "logs" / "valkey.log").write_text("9:M 21 Nov 2026 11:59:35.000 * Ready\n")
    return tmp_path / "logs"


def shown(capsys: pytest.CaptureFixture[str], *names: str, **options: object) -> list[str]:
    chosen = {"follow": False, "request_id": None, "since": None, "lines": 200, "as_json": False, **options}
    logs.show(list(names), **chosen)  # type: ignore[arg-type]
    return capsys.readouterr().out.splitlines()


def test_all_formats_are_merged_by_time_with_the_writer_in_front(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(capsys)

    assert [line.split()[:2] for line in lines if line[2] == ":"] == [
        ["11:59:10.000", "postgres"],
        ["11:59:20.000", "functions/auth"],
        ["11:59:30.000", "gateway"],
        ["11:59:30.000", "gateway"],
        ["11:59:35.000", "valkey"],
        ["11:59:40.000", "functions/auth"],
    ]
    assert lines[-1] == "ValueError: no"


def test_one_request_is_followed_through_all_writers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, request_id="r-1")

    assert [line.split()[1] for line in lines] == ["functions/auth", "gateway"]


def test_names_choose_writers_and_lines_limit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "auth", lines=1)[0].split()[:3] == ["11:59:40.000", "functions/auth", "failed"]
    assert shown(capsys, "functions", "postgres", lines=3)[0].split()[1] == "postgres"


def test_json_is_one_object_a_line_and_nothing_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    documents = [json.loads(line) for line in shown(capsys, as_json=True)]

    assert [document["source"] for document in documents][:2] == ["postgres", "functions/auth"]
    assert documents[0] == {"source": "postgres", "ts": "2026-11-21T11:59:10.000Z", "event": "[7] LOG:  ready"}


def test_an_unknown_name_says_which_there_are(folder: Path) -> None:
    with pytest.raises(CommandFailed, match="functions/auth, gateway, postgres, valkey"):
        logs.show(["nobody"], follow=False, request_id=None, since=None, lines=5, as_json=False)


@pytest.mark.parametrize(
    ("text", "ago"), [("30s", timedelta(seconds=30)), ("5m", timedelta(minutes=5)), ("1d", timedelta(days=1))]
)
def test_a_duration_is_a_time_ago(text: str, ago: timedelta) -> None:
    assert logs.since_time(text, NOW) == NOW - ago


@pytest.mark.parametrize("text", ["5", "m", "-5m", "yesterday"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(CommandFailed, match="not a duration"):
        logs.since_time(text, NOW)


def test_reading_on_survives_emptying_and_replacement_and_waits_for_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    path.write_text("first\nhal")
    file = logs.LogFile(path, "part")

    assert [line.text for line in file.read()] == ["first"]
    with path.open("a") as writer:
        writer.write("f\n")
    assert [line.text for line in file.read()] == ["half"]
    path.write_text("anew\n")
    assert [line.text for line in file.read()] == ["anew"]
    path.rename(tmp_path / "part.log.1")
    path.write_text("replaced\n")
    assert [line.text for line in file.read()] == ["replaced"]


def test_following_shows_what_is_written_afterwards(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import subprocess
    import sys
    import time

    process = subprocess.Popen(
        [sys.executable, "-m", "local.cli.main", "logs", "gateway", "-f", "-n", "1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert "plain words" in process.stdout.readline()
        time.sleep(0.3)
        with (folder / "gateway.log").open("a") as writer:
            writer.write(json_line(50, "later") + "\n")

        assert process.stdout.readline().split() == ["11:59:50.000", "gateway", "later"]
    finally:
        process.kill()
        process.wait()
