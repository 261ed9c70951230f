"""Spans of statements and commands: what kind it was and how long it took, never a value of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fullon.runtime import tracing

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.connection import LoggedQuery

_COMMENT = re.compile(r"\s*(?:--[^\n]*\n|/\*.*?\*/)\s*", re.DOTALL)
_VERB = re.compile(r"\s*([A-Za-z]+)")
_TABLE = re.compile(
    r"\b(?:INTO|UPDATE(?!\s+SET\b)|TABLE(?:\s+IF\s+NOT\s+EXISTS)?)\s+([a-z_][\w.]*)"
    r"|\b(?:FROM|JOIN)\s+([a-z_][\w.]*)\b(?!\s*\()",
    re.IGNORECASE,
)
_TEXT = re.compile(r"'[^']*'")
_PIPELINE_NAMES = 5


def statement_name(statement: str) -> str:
    """The verb and the first table: ``INSERT ws_subscriptions``."""
    statement = _TEXT.sub("''", statement)
    text = _COMMENT.sub(" ", statement, count=1) if statement.lstrip().startswith(("--", "/*")) else statement
    verb = _VERB.match(text)
    if verb is None:
        return "statement"
    table = _TABLE.search(text)
    return f"{verb[1].upper()} {(table[1] or table[2]).lower()}" if table else verb[1].upper()


async def watch_connection(connection: asyncpg.Connection[Any]) -> None:
    """Have a new connection tell of its statements; asyncpg calls back when one is over."""
    connection.add_query_logger(_statement_over)


def _statement_over(query: LoggedQuery) -> None:
    if tracing.is_recording():
        name = statement_name(query.query)
        facts = {
            "db.system.name": "postgresql",
            "db.namespace": str(query.conn_params.database),
            "db.query.summary": name,
        }
        failure = type(query.exception).__qualname__ if query.exception is not None else ""
        tracing.passed(name, "client", query.elapsed, facts, failure)


def watch_valkey(client: Any) -> None:
    """Have a client tell of its commands, alone or in pipelines; works on the client given, and for clusters alike."""
    execute, pipeline = client.execute_command, client.pipeline

    def execute_command(*arguments: Any, **options: Any) -> Any:
        if not tracing.is_recording():
            return execute(*arguments, **options)
        return _timed(str(arguments[0]), lambda: execute(*arguments, **options))

    def make_pipeline(*arguments: Any, **options: Any) -> Any:
        made = pipeline(*arguments, **options)
        if tracing.is_recording():
            made.execute = _watched_pipeline(made, made.execute)
        return made

    client.execute_command = execute_command
    client.pipeline = make_pipeline


def _watched_pipeline(pipeline: Any, execute: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        names = [_name_of(command) for command in getattr(pipeline, "command_stack", ())]
        shown = " ".join(names[:_PIPELINE_NAMES]) + (" …" if len(names) > _PIPELINE_NAMES else "")
        return _timed(f"PIPELINE {shown}".strip(), lambda: execute(*arguments, **options))

    return run


def _name_of(command: Any) -> str:
    arguments = command[0] if isinstance(command, tuple) else getattr(command, "args", ("?",))
    return str(arguments[0])


async def _timed(name: str, work: Callable[[], Any]) -> Any:
    started, failure = perf_counter(), ""
    try:
        return await work()
    except BaseException as error:
        failure = type(error).__qualname__
        raise
    finally:
        tracing.passed(name, "client", perf_counter() - started, {"db.system.name": "valkey"}, failure)
