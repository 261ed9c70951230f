"""The pages themselves. Scripts and styles are files of this site, so they work offline and under a strict policy."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; worker-src 'self' blob:;"
    " frame-ancestors 'none'"
)
MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".png": "image/png"}

_OWN = HERE / "assets"
_VENDORED = ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js", "favicon.png")


def asset(name: str) -> Path | None:
    """The file behind ``/docs/assets/{name}``, or None where there is no such asset."""
    if name in _VENDORED:
        # Only the files of this package are wanted; importing it would import a second FastAPI app class.
        spec = find_spec("fastapi_offline")
        if spec is None or spec.origin is None:
            return None
        return Path(spec.origin).parent / "static" / name
    own = {path.name: path for path in _OWN.iterdir()}
    return own.get(name)


def swagger() -> str:
    """The page that lets one try every operation."""
    return _page(
        "API",
        '<div id="swagger-ui"></div>'
        '<script src="/docs/assets/swagger-ui-bundle.js"></script><script src="/docs/assets/swagger.js"></script>',
        '<link rel="stylesheet" href="/docs/assets/swagger-ui.css">',
    )


def redoc() -> str:
    """The reference in three columns."""
    return _page(
        "API reference",
        '<div id="redoc"></div>'
        '<script src="/docs/assets/redoc.standalone.js"></script><script src="/docs/assets/redoc.js"></script>',
    )


def problem(code: str, problems: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The page of a kind of problem, or None for an unknown code."""
    entry = problems.get(code)
    if entry is None:
        return None
    return _page(
        str(entry["title"]),
        f"<main><h1>{escape(str(entry['title']))}</h1><p><code>{escape(code)}</code>, HTTP {entry['status']}</p>"
        f"<p>{escape(str(entry['meaning']))}</p><p>{escape(str(entry['remedy']))}</p>"
        '<p><a href="/docs/problems">All kinds of problems</a></p></main>',
    )


def problems_index(problems: Mapping[str, Mapping[str, Any]]) -> str:
    """All kinds of problems in one table."""
    rows = "".join(
        f'<tr><td><a href="/docs/problems/{escape(code)}"><code>{escape(code)}</code></a></td>'
        f"<td>{entry['status']}</td><td>{escape(str(entry['meaning']))}</td></tr>"
        for code, entry in sorted(problems.items())
    )
    return _page(
        "Problems",
        f"<main><h1>Problems</h1><table><tr><th>code</th><th>status</th><th>meaning</th></tr>{rows}</table></main>",
    )


def websocket(document: Mapping[str, Any]) -> str:
    """The AsyncAPI document as a page: each channel with who may subscribe, and an example of each frame."""
    info = document["info"]
    parts = [f"<h1>{escape(info['title'])}</h1>", _paragraphs(info.get("description", ""))]
    for name, channel in document["channels"].items():
        parts.append(f"<h2 id='{escape(name)}'>{escape(channel.get('title', name))}</h2>")
        parts.append(_paragraphs(channel.get("description", "")))
        for reference in channel.get("messages", {}).values():
            message = _resolve(document, reference)
            parts.append(f"<h3>{escape(message.get('title') or message.get('name', ''))}</h3>")
            parts.append(_paragraphs(message.get("summary", "")))
            for example in message.get("examples", []):
                parts.append(f"<pre>{escape(_json(example['payload']))}</pre>")
    return _page("WebSocket", f"<main>{''.join(parts)}<p><a href='/asyncapi.json'>asyncapi.json</a></p></main>")


def _resolve(document: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in node:
        target: Any = document
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        node = target
    return node


def _json(value: object) -> str:
    import orjson

    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n") if part.strip())


def _page(title: str, body: str, head: str = "") -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Fullon</title>"
        '<link rel="icon" href="/docs/assets/favicon.png"><link rel="stylesheet" href="/docs/assets/pages.css">'
        f'{head}</head><body><nav><strong>Fullon</strong> <a href="/docs">API</a> <a href="/redoc">Reference</a> '
        '<a href="/docs/websocket">WebSocket</a> <a href="/docs/problems">Problems</a> '
        f'<a href="/openapi.json">openapi.json</a></nav>{body}</body></html>'
    )
