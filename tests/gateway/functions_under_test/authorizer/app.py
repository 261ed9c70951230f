"""Allows whoever says ``good``, and remembers who asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fullon.runtime.container import Container

ASKED: list[str] = []


def create(container: Container) -> Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]:
    """The authorizer of both APIs."""

    async def answer(event: Mapping[str, Any]) -> dict[str, Any]:
        if "methodArn" in event:
            return _policy(event)
        credential = event["headers"]["authorization"].removeprefix("Bearer ")
        ASKED.append(credential)
        if credential == "broken":
            raise ValueError("the secret reason")
        return {"isAuthorized": credential == "good", "context": {"user_id": "u1", "role": "admin"}}

    return answer


def _policy(event: Mapping[str, Any]) -> dict[str, Any]:
    ticket = event["queryStringParameters"].get("ticket")
    if ticket is None:
        raise PermissionError("Unauthorized")
    effect = "Allow" if ticket == "good" else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    return {
        "principalId": "u1",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"user_id": "u1", "admin": True},
    }
