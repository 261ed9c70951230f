"""Named operations and records against the merged OpenAPI document: the client says what the platform offers."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest

import fullon_client.models
import fullon_client.operations
from fullon_client.calls import Call
from fullon_client.models.schema import SCHEMAS
from fullon_client.records import read

ROOT = Path(__file__).resolve().parents[2]

Operation = Callable[..., Call[Any]]

_VALUES: dict[Any, object] = {
    str: "text",
    int: 7,
    bool: True,
    Decimal: Decimal("1.5"),
    UUID: UUID("0199f1c2-8a52-7c5e-b6f5-1c5b0f8b1a11"),
    datetime: datetime(2026, 8, 17, tzinfo=UTC),
}

for package in (fullon_client.models, fullon_client.operations):
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)


def operations() -> Iterator[Any]:
    """Every public function of the modules of operations."""
    for module in pkgutil.iter_modules(fullon_client.operations.__path__):
        loaded = importlib.import_module(f"fullon_client.operations.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            if function.__module__ == loaded.__name__ and not name.startswith("_"):
                yield pytest.param(function, id=f"{module.name}.{name}")


def a_value(hint: Any) -> object:
    """Something of this type."""
    if hint in _VALUES:
        return _VALUES[hint]
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        return a_value(next(kind for kind in get_args(hint) if kind is not type(None)))
    return {"name": "text"} if "Mapping" in str(origin) else ["text"]


def full_call(operation: Operation) -> Call[Any]:
    """The call with every argument given."""
    hints = get_type_hints(operation)
    parameters = inspect.signature(operation).parameters.values()
    positional = [a_value(hints[p.name]) for p in parameters if p.kind is not p.KEYWORD_ONLY]
    named = {p.name: a_value(hints[p.name]) for p in parameters if p.kind is p.KEYWORD_ONLY}
    return operation(*positional, **named)


@cache
def committed() -> dict[str, Any]:
    """The document as it is in the repository; another test holds it to the code."""
    document: dict[str, Any] = json.loads((ROOT / "functions" / "docs" / "openapi.json").read_text())
    return document


def resolved(schema: Any) -> Any:
    document: Any = committed()
    if "$ref" not in schema:
        return schema
    for part in schema["$ref"].removeprefix("#/").split("/"):
        document = document[part]
    return document


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return committed()


@pytest.mark.parametrize("operation", operations())
def test_an_operation_is_one_of_the_platform(operation: Operation, document: dict[str, Any]) -> None:
    call = full_call(operation)

    offered = document["paths"][call.template][call.method.lower()]

    assert offered["operationId"] == call.operation
    assert offered.get("summary"), call.operation
    declared = {resolved(parameter)["name"]: resolved(parameter)["in"] for parameter in offered.get("parameters", [])}
    assert {name for name in call.parameters if declared.get(name) != "query"} == set()
    assert set(call.places) == {name for name, where in declared.items() if where == "path"}
    assert call.is_public or offered["security"] != [], "a public operation needs no credential"
    takes_a_key = "Idempotency-Key" in declared
    assert (call.repetition == "by key") <= takes_a_key, "a key that nobody looks at protects from nothing"


@pytest.mark.parametrize("operation", operations())
def test_the_body_of_an_operation_is_what_the_platform_reads(operation: Operation, document: dict[str, Any]) -> None:
    call = full_call(operation)
    content = document["paths"][call.template][call.method.lower()].get("requestBody", {}).get("content", {})
    schema = resolved(content["application/json"]["schema"]) if content else {}

    if call.body is None:
        assert not schema.get("required")
        return
    assert set(call.body) <= set(schema["properties"])
    assert set(schema.get("required", [])) <= set(call.body)


@pytest.mark.parametrize("operation", operations())
def test_an_operation_reads_the_record_that_the_platform_answers_with(
    operation: Operation, document: dict[str, Any]
) -> None:
    call = full_call(operation)
    if call.model is None:
        return
    responses = document["paths"][call.template][call.method.lower()]["responses"]
    [answer] = [value for status, value in responses.items() if status.startswith("2")]
    schema = answer["content"]["application/json"]["schema"]
    named = {part.get("$ref", "").rsplit("/", 1)[-1] for part in [schema, *schema.get("anyOf", [])]}
    items = resolved(schema).get("properties", {}).get("items", {}).get("items", {}).get("$ref", "").rsplit("/", 1)[-1]
    pages = {
        resolved(part)["properties"]["items"]["items"].get("$ref", "").rsplit("/", 1)[-1]
        for part in schema.get("anyOf", [])
    }

    assert SCHEMAS[call.model] in {*named, items, *pages}


@pytest.mark.parametrize("model", SCHEMAS, ids=lambda model: model.__name__)
def test_a_record_needs_only_what_is_always_there(model: Any, document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"][SCHEMAS[model]]
    properties, required = schema["properties"], set(schema.get("required", []))
    hints = get_type_hints(model)

    for member in dataclasses.fields(model):
        assert member.name in properties
        if member.default is dataclasses.MISSING:
            assert member.name in required
        kinds = {part.get("type") for part in properties[member.name].get("anyOf", [])}
        assert ("null" in kinds) <= (type(None) in get_args(hints[member.name]) or hints[member.name] is Any), (
            member.name
        )


@pytest.mark.parametrize("model", SCHEMAS, ids=lambda model: model.__name__)
def test_a_record_reads_the_examples_of_the_document(model: Any, document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"][SCHEMAS[model]]

    for example in schema.get("examples", []):
        assert isinstance(read(model, completed(schema, example)), model)


def completed(schema: dict[str, Any], example: Any) -> Any:
    """An example with the nulls that the document leaves out of it."""
    schema = resolved(schema)
    if isinstance(example, list):
        return [completed(schema["items"], item) for item in example]
    if not isinstance(example, dict) or "properties" not in schema:
        return example
    found = dict.fromkeys(name for name in schema.get("required", []) if _may_be_null(schema["properties"][name]))
    for name, value in example.items():
        inner = schema["properties"][name]
        kinds = [kind for kind in inner.get("anyOf", [inner]) if kind.get("type") != "null"]
        found[name] = completed(kinds[0], value)
    return found


def _may_be_null(schema: dict[str, Any]) -> bool:
    return any(kind.get("type") == "null" for kind in schema.get("anyOf", []))
