"""``uvicorn fullon.runtime.asgi:app``: the whole API as one ASGI application; settings come from the environment.

Beside it run the daemons (``python -m daemons.NAME``, or below ``python -m local.ecs``). docs/server.md says what a
server and what a container platform need.
"""

from __future__ import annotations

import logging as standard_logging
import os

from fullon.kernel.errors import FullonError
from fullon.runtime import aws_lambda, manifest, tracing
from fullon.runtime.gateway.application import Application


class _WithoutQueries(standard_logging.Filter):
    """Leaves out uvicorn's line about each WebSocket: it shows the query, which carries tickets and tokens."""

    def filter(self, record: standard_logging.LogRecord) -> bool:
        return "WebSocket %s" not in str(record.msg)


def _one_log() -> None:
    """Let uvicorn's lines go where all others go, and have no second line for each request."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        standard_logging.getLogger(name).handlers.clear()
    standard_logging.getLogger("uvicorn").propagate = True
    standard_logging.getLogger("uvicorn.access").propagate = False
    standard_logging.getLogger("uvicorn.error").addFilter(_WithoutQueries())


try:
    settings = aws_lambda.start("server")
    _one_log()
    tracing.prepare()
    app = Application(manifest.load(), settings, os.environ)
except FullonError as error:
    raise SystemExit(error.detail) from None
aws_lambda.settle_memory()
