"""Serves the built dashboard under /app, as CloudFront does from its bucket in the cloud."""

import mimetypes
from email.utils import formatdate
from pathlib import Path

from fullon.runtime.gateway.responses import HttpResponse

PREFIX = "/app"
_INDEX = "index.html"


class StaticFolder:
    """Files below one folder; unknown paths without a file extension get the index page, for client-side routing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def respond(self, path: str, if_none_match: str | None) -> HttpResponse | None:
        """The file for a request path below /app, or None when there is none."""
        file = self._find(path.removeprefix(PREFIX).strip("/"))
        if file is None:
            return None
        facts = file.stat()
        tag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
        immutable = "assets" in file.relative_to(self._folder).parts
        headers = [
            (b"etag", tag.encode()),
            (b"last-modified", formatdate(facts.st_mtime, usegmt=True).encode()),
            (b"cache-control", b"public, max-age=31536000, immutable" if immutable else b"no-cache"),
            (b"x-content-type-options", b"nosniff"),
        ]
        if if_none_match == tag:
            return HttpResponse(304, headers, b"")
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        if kind.startswith("text/"):
            kind += "; charset=utf-8"
        return HttpResponse(200, [(b"content-type", kind.encode()), *headers], file.read_bytes())

    def _find(self, relative: str) -> Path | None:
        if "\0" in relative:
            return None
        file = (self._folder / relative).resolve()
        if not file.is_relative_to(self._folder):
            return None
        if file.is_file():
            return file
        index = self._folder / _INDEX
        return index if not Path(relative).suffix and index.is_file() else None
