"""The generated documents are true, complete and committed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from fullon.kernel.errors import FullonError
from fullon.runtime import manifest
from fullon.runtime.problems import CONTENT_TYPE
from tools import documents

ROOT = documents.ROOT
SOURCES = [ROOT / "layers/fullon/python/fullon", ROOT / "functions", ROOT / "local/gateway"]


@cache
def merged() -> dict[str, Any]:
    return documents.openapi()


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in merged()["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


@pytest.mark.parametrize("path", documents.expected(), ids=lambda path: path.name)
def test_the_committed_copy_is_what_the_code_generates(path: Path) -> None:
    assert path.read_bytes() == documents.expected()[path], "stale: run `make docs`"


def test_the_merged_document_is_valid_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(merged()).validate()


def test_every_operation_has_a_summary_a_tag_and_an_id_of_its_own() -> None:
    ids = [operation["operationId"] for _, operation in operations()]

    assert len(set(ids)) == len(ids)
    assert [name for name, operation in operations() if not operation.get("summary") or not operation["tags"]] == []
    assert [identifier for identifier in ids if not re.fullmatch(r"[a-z0-9_]{3,60}", identifier)] == []


def test_every_operation_shows_an_example_of_its_answer() -> None:
    assert [name for name, operation in operations() if not _has_success_example(operation)] == []


def test_every_request_body_shows_an_example() -> None:
    without = [
        name
        for name, operation in operations()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if not _has_example(content)
    ]

    assert without == []


def test_every_operation_answers_errors_as_problem_documents() -> None:
    for name, operation in operations():
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}

        assert {"422", "500", "503"} <= errors.keys(), name
        assert all(list(answer["content"]) == [CONTENT_TYPE] for answer in errors.values()), name


def test_only_the_public_routes_of_the_manifest_need_no_credential() -> None:
    public = {name for name, operation in operations() if operation["security"] == []}
    routes = [route for function in manifest.load().functions for route in function.public]

    for name in public:
        method, path = name.split(" ")
        assert any(
            route.method == method and (route.path == path or path.startswith(route.path.removesuffix("{proxy+}")))
            for route in routes
        ), name


def test_every_problem_code_in_the_code_has_a_page_and_no_page_is_idle() -> None:
    listed = set(tomllib.loads((ROOT / "functions/docs/problems.toml").read_text()))

    assert _codes() - listed == set()
    assert listed - _codes() == set()


def _codes() -> set[str]:
    codes: set[str] = set()
    for folder in SOURCES:
        for path in folder.rglob("*.py"):
            text = path.read_text()
            codes |= set(re.findall(r"\bcode=\"([a-z_0-9]+)\"", text))
            codes |= set(re.findall(r"default_code[^=\n]*= \"([a-z_0-9]+)\"", text))
    codes |= {"internal_error", "not_found", "method_not_allowed", "too_large", "unsupported_media_type"}
    return codes - {FullonError.default_code}


def _has_success_example(operation: dict[str, Any]) -> bool:
    answers = [answer for status, answer in operation["responses"].items() if status < "300"]
    contents = [content for answer in answers for content in answer.get("content", {}).values()]
    return any("204" in operation["responses"] for _ in answers) or any(_has_example(content) for content in contents)


def _has_example(content: dict[str, Any]) -> bool:
    return bool("example" in content or "examples" in content or _shows(content.get("schema", {}), 0))


def _shows(schema: dict[str, Any], depth: int) -> bool:
    if depth > 6:
        return False
    if "$ref" in schema:
        return _shows(merged()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], depth + 1)
    if schema.get("examples") or "example" in schema or "const" in schema or "enum" in schema:
        return True
    if schema.get("type") == "array":
        return _shows(schema.get("items", {}), depth + 1)
    if variants := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return any(_shows(variant, depth + 1) for variant in variants)
    properties = schema.get("properties", {})
    return bool(properties) and any(_shows(part, depth + 1) for part in properties.values())
