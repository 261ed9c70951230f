"""Logs stay small while their writers go on, and last words are for people."""

from __future__ import annotations

from pathlib import Path

from local.supervisor.logfiles import last_words, open_log, rotate


def test_a_large_log_is_put_aside_and_the_writer_goes_on_at_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    with open_log(path) as log:
        log.write(b"x" * 100 + b"\n")

        emptied = rotate([path, tmp_path / "absent.log"], largest=50)
        log.write(b"after\n")

    assert emptied == [path]
    assert path.read_text() == "after\n"
    assert (tmp_path / "gateway.log.1").stat().st_size == 101


def test_only_three_old_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    for number in range(6):
        path.write_text(f"{number}" * 100)
        rotate([path], largest=50)

    kept = {old.name: old.read_text()[0] for old in tmp_path.glob("gateway.log.*")}

    assert kept == {"gateway.log.1": "5", "gateway.log.2": "4", "gateway.log.3": "3"}


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gateway.log"
    path.write_text("short\n")

    assert rotate([path], largest=50) == []
    assert path.read_text() == "short\n"


def test_last_words_are_the_event_of_a_json_line_or_the_line_itself(tmp_path: Path) -> None:
    path = tmp_path / "part.log"
    path.write_text('old\n{"event": "cannot bind", "exception": "Traceback\\nOSError: taken"}\n\n')

    assert last_words(path) == "cannot bind: OSError: taken"
    path.write_text("FATAL:  no space\n")
    assert last_words(path) == "FATAL:  no space"
    assert last_words(path, start=path.stat().st_size) == ""
    assert last_words(tmp_path / "absent.log") == ""
