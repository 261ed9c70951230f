"""Routes that refuse a JSON body in which a name stands twice: which of the two was meant is not for us to guess.

Amounts that lose digits as a JSON number are refused by the fields themselves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from fullon.kernel.errors import Invalid


class ExactRoute(APIRoute):
    """For ``APIRouter(route_class=ExactRoute)``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def exactly(request: Request) -> Response:
            check(await request.body())
            return await handle(request)

        return exactly


def check(body: bytes) -> None:
    """Let a body pass in which no name stands twice; whether it is JSON at all is judged elsewhere.

    Raises:
        Invalid: a name does.
    """
    try:
        json.loads(body, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            shown = name[:64].encode("ascii", "backslashreplace").decode()
            raise Invalid("A name stands twice in the body.", fields={shown: "stands twice"})
        found[name] = value
    return found
