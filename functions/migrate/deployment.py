"""Run by CloudFormation as a custom resource: a failing migration fails the deployment, with its reason.

CloudFormation does not see what a function returns. It waits for a document put to an address that it sends along.
Source: CloudFormation user guide, "Custom resource reference", request and response objects.
"""

from __future__ import annotations

import asyncio
import json
import logging
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fullon.kernel.errors import FullonError, Invalid

#: Never another one: a changed identifier would make CloudFormation delete what the old one stands for.
SCHEMA = "fullon-schema"
LONGEST_REASON = 900
"""The whole answer may have 4,096 bytes."""
ANSWER_SECONDS = 20

_log = logging.getLogger("fullon.migrate")


@dataclass(frozen=True)
class Outcome:
    """What CloudFormation is told."""

    status: str
    reason: str
    data: Mapping[str, str]


def is_deployment(event: Mapping[str, Any]) -> bool:
    """Whether CloudFormation sent this event and waits for an answer."""
    return "ResponseURL" in event and "RequestType" in event


async def serve(event: Mapping[str, Any], work: Callable[[], Awaitable[Mapping[str, str | None]]]) -> dict[str, Any]:
    """Do ``work`` unless the resource is to go, and answer; the databases outlive the resource.

    Returns:
        The document that was sent.
    """
    outcome = Outcome("SUCCESS", "", {}) if event["RequestType"] == "Delete" else await _attempt(work)
    document = {
        "Status": outcome.status,
        "Reason": outcome.reason or "done",
        "PhysicalResourceId": SCHEMA,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": dict(outcome.data),
    }
    await asyncio.to_thread(_send, str(event["ResponseURL"]), document)
    return document


async def _attempt(work: Callable[[], Awaitable[Mapping[str, str | None]]]) -> Outcome:
    try:
        found = await work()
    except FullonError as error:
        _log.exception("the migration failed")
        return Outcome("FAILED", error.detail, {})
    except Exception as error:  # noqa: BLE001 - an exception that escapes leaves the deployment waiting for an hour
        _log.exception("the migration failed")
        line = (str(error).splitlines() or [""])[0]
        return Outcome("FAILED", f"{type(error).__name__}: {line}"[:LONGEST_REASON], {})
    return Outcome("SUCCESS", "", {name: value or "" for name, value in found.items()})


def _send(address: str, document: Mapping[str, Any]) -> None:
    """Put the document; the signed address allows no content type."""
    if not address.startswith(("https://", "http://")):
        raise Invalid("The address of the answer is not one of the web.", code="deployment")
    body = json.dumps(document).encode()
    request = urllib.request.Request(address, body, {"Content-Type": ""}, method="PUT")  # noqa: S310 - checked above
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS):  # noqa: S310 - checked above
        _log.info("answered", extra={"status": document["Status"]})
