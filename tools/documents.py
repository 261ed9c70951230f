"""Writes what is generated from the code: the merged OpenAPI document, the AsyncAPI document, the README's table
and the table of who may do what.

``python -m tools.documents`` writes; ``--check`` only says what is stale. A test does the same comparison.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr

import fullon
from fullon.runtime import manifest
from fullon.runtime.container import Container
from fullon.runtime.problems import CONTENT_TYPE, Problem
from fullon.runtime.settings import Settings

ROOT = Path(__file__).parent.parent
TABLE_BEGINS, TABLE_ENDS = "<!-- functions: begins -->", "<!-- functions: ends -->"
_MUTATING = ("put", "post", "delete", "patch")
_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
_KEY_PARAMETER = "#/components/parameters/IdempotencyKey"
_DESCRIPTION = """\
One document for every function behind the gateway. Log in at `POST /api/v1/auth/login` and send the token as
`Authorization: Bearer …`, or send an API key as `X-API-Key`.

Prices, quantities and money are strings with exact decimals; candles alone are numbers. Times are RFC 3339 in UTC;
query parameters also take epoch milliseconds. Errors are RFC 9457 problem documents. Every answer carries
`X-Request-ID`.

Changes take an `Idempotency-Key`: the same call with the same key happens once and is answered the same for 24 hours,
with `Idempotency-Replayed: true`. Requests are counted for each user and each API key, reads and changes apart;
`RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` say what is left, `Retry-After` how long to wait."""


def openapi() -> dict[str, Any]:
    """The OpenAPI 3.1 documents of all HTTP functions of the manifest as one.

    Raises:
        ValueError: two functions declare the same operation, or different schemas of one name.
    """
    listed = manifest.load()
    container = Container(Settings(environment="local", jwt_secret_key=SecretStr("only to build documents")))
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Fullon", "version": fullon.__version__, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [],
        "paths": {},
        "components": {
            "schemas": {},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
            "parameters": {
                "IdempotencyKey": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "description": "A random text. The call happens once, however often it is sent within 24 hours.",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                    "example": "7f6b2c1e-3d5a-4f0b-9c8d-1e2f3a4b5c6d",
                }
            },
        },
    }
    for function in listed.functions:
        if function.kind != "http":
            continue
        document = import_module(f"functions.{function.name}.app").create(container).openapi()
        merged["tags"].append({"name": function.name, "description": function.description})
        _merge_schemas(merged["components"]["schemas"], document.get("components", {}).get("schemas", {}))
        for path, item in document["paths"].items():
            for method, operation in item.items():
                if method not in _METHODS:
                    continue
                if method in merged["paths"].setdefault(path, {}):
                    raise ValueError(f"{method.upper()} {path} is declared twice")
                public = _is_public(method, path, function)
                merged["paths"][path][method] = _finished(operation, public, mutating=method in _MUTATING)
    merged["paths"] = dict(sorted(merged["paths"].items()))
    problem_schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    _merge_schemas(merged["components"]["schemas"], problem_schema.pop("$defs", {}))
    merged["components"]["schemas"]["Problem"] = problem_schema
    merged["components"]["schemas"] = dict(sorted(merged["components"]["schemas"].items()))
    return merged


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3 document of the WebSocket."""
    from fullon.streams.asyncapi import document

    return dict(document())


def readme_table() -> str:
    """The manifest as a Markdown table."""
    listed = manifest.load()
    lines = ["| function or daemon | what it does | routes |", "|---|---|---|"]
    for function in listed.functions:
        routes = ", ".join(f"`{route}`" for route in (*function.routes, *function.websocket_routes)) or "–"
        lines.append(f"| `functions/{function.name}` | {function.description} | {routes} |")
    lines += [f"| `daemons/{daemon.name}.py` | {daemon.description} | – |" for daemon in listed.daemons]
    return "\n".join(lines)


@cache
def expected() -> dict[Path, bytes]:
    """Every generated file with the content it should have."""
    from tests.api import access

    readme = ROOT / "README.md"
    before, _, rest = readme.read_text().partition(TABLE_BEGINS)
    _, _, after = rest.partition(TABLE_ENDS)
    return {
        ROOT / "functions/docs/openapi.json": _pretty(openapi()),
        ROOT / "functions/docs/asyncapi.json": _pretty(asyncapi()),
        ROOT / "docs/access.md": access.page().encode(),
        readme: f"{before}{TABLE_BEGINS}\n{readme_table()}\n{TABLE_ENDS}{after}".encode(),
    }


def main() -> None:
    """Write the generated files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    check = parser.parse_args().check
    stale = [path for path, content in expected().items() if not path.exists() or path.read_bytes() != content]
    for path in stale:
        sys.stderr.write(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}\n")
        if not check:
            path.write_bytes(expected()[path])
    if check and stale:
        raise SystemExit("Run `make docs` and commit the result.")


def _finished(operation: dict[str, Any], public: bool, *, mutating: bool) -> dict[str, Any]:
    if not public:
        for status, text in (("401", "Not authenticated"), ("403", "Not allowed"), ("429", "Too many requests")):
            operation["responses"].setdefault(status, {"description": text})
        if mutating:
            operation["responses"].setdefault("409", {"description": "Conflict"})
            operation["parameters"] = [*operation.get("parameters", ()), {"$ref": _KEY_PARAMETER}]
    for status, response in operation["responses"].items():
        if status < "400":
            continue
        example = response.get("content", {}).get(CONTENT_TYPE, {}).get("example")
        content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}}
        response["content"] = {CONTENT_TYPE: content | ({"example": example} if example else {})}
    operation["responses"] = dict(sorted(operation["responses"].items()))
    operation["security"] = [] if public else [{"bearer": []}, {"apiKey": []}]
    return operation


def _is_public(method: str, path: str, function: manifest.Function) -> bool:
    return any(
        route.method == method.upper()
        and (route.path == path or (route.path.endswith("/{proxy+}") and path.startswith(route.path[:-8])))
        for route in function.public
    )


def _merge_schemas(into: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    for name, schema in schemas.items():
        if name in ("HTTPValidationError", "ValidationError", "Problem", "FieldProblem") and name in into:
            continue
        if name in into and into[name] != schema:
            raise ValueError(f"two different schemas are called {name}")
        into[name] = schema


def _pretty(document: Mapping[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS) + b"\n"


if __name__ == "__main__":
    main()
