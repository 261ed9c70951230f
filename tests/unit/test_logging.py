"""Log lines: what is bound, what is masked, who may speak."""

from __future__ import annotations

import io
import json
import logging as standard_logging
from collections.abc import Iterator

import pytest

from fullon.runtime import logging


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = standard_logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    logging.configure("test", stream=stream)
    yield stream
    root.handlers[:], root.level = handlers, level
    logging.clear()


def written(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_carries_what_was_bound_until_it_is_cleared(lines: io.StringIO) -> None:
    log = standard_logging.getLogger("fullon.test")

    logging.bind(request_id="r1")
    log.info("first", extra={"status": 200})
    logging.clear()
    log.info("second")

    first, second = written(lines)
    assert (first["component"], first["event"], first["request_id"], first["status"]) == ("test", "first", "r1", 200)
    assert "request_id" not in second


@pytest.mark.parametrize(
    "name", ["password", "refresh_token", "jwt_secret_key", "Authorization", "database_dsn", "ticket"]
)
def test_a_field_that_sounds_like_a_secret_is_masked(name: str, lines: io.StringIO) -> None:
    standard_logging.getLogger("fullon.test").info("login", extra={name: "hunter2"})

    [line] = written(lines)
    assert line[name] == "***"
    assert "hunter2" not in lines.getvalue()


def test_an_exception_is_one_line_with_its_trace(lines: io.StringIO) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        standard_logging.getLogger("fullon.test").exception("failed")

    [line] = written(lines)
    assert "ValueError: broken" in str(line["exception"])


def test_libraries_that_repeat_our_lines_are_silent(lines: io.StringIO) -> None:
    standard_logging.getLogger("mangum.http").info("GET / 200")

    assert lines.getvalue() == ""
