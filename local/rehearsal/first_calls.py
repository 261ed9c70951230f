"""Each HTTP function is called once before the tests, straight through Lambda and without an identity.

It shows that the artefact starts with the layers and settings that the templates give it, that a function refuses whom
no authorizer has seen, and it takes the first starts out of the tests' deadlines.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fullon.runtime.manifest import Function, Manifest
from local.errors import MachineProblem
from local.rehearsal.installation import Installation

TOGETHER = 2
"""A first start keeps a core busy."""


async def call_each(installation: Installation, manifest: Manifest) -> dict[str, int]:
    """The status that each HTTP function answers with.

    Raises:
        MachineProblem: one fails, gives no HTTP answer, or says that it has failed itself.
    """
    limit = asyncio.Semaphore(TOGETHER)

    async def call(function: Function) -> tuple[str, int]:
        async with limit:
            said = await asyncio.to_thread(installation.invoke, function.name, event_for(function))
        return function.name, status_of(function.name, said)

    return dict(await asyncio.gather(*(call(function) for function in manifest.of_kind("http"))))


def event_for(function: Function) -> dict[str, Any]:
    """A GET below the function's first route, in payload format 2.0, without an authorizer's context."""
    path = function.routes[0].replace("{proxy+}", "nothing-here")
    key = f"ANY {function.routes[0]}"
    return {
        "version": "2.0",
        "routeKey": key,
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "localhost", "accept": "application/json"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "rehearsal",
            "domainName": "localhost",
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": ""},
            "requestId": f"first-{function.name}",
            "routeKey": key,
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        "isBase64Encoded": False,
    }


def status_of(name: str, said: str) -> int:
    """The status in an answer of payload format 2.0; raises MachineProblem when there is none below 500."""
    try:
        status = json.loads(said)["statusCode"]
    except (ValueError, LookupError, TypeError) as error:
        raise MachineProblem(f"The function {name} gave no HTTP answer: {said[:300]}") from error
    if not isinstance(status, int) or status >= 500:
        raise MachineProblem(f"The function {name} answers its first call with {status}: {said[:600]}")
    return status
