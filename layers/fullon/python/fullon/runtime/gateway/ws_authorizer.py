"""The Lambda authorizer of the WebSocket API: asked at ``$connect`` only, answers with an IAM policy, never reused.

Source: API Gateway Developer Guide, "Input to an API Gateway Lambda authorizer" and "Output from an API Gateway Lambda
authorizer". A handler that raises ``Unauthorized`` makes the handshake a 401, a policy that does not allow the route a
403, anything else that is not a policy a 500.
"""

import fnmatch
from collections.abc import Mapping
from typing import Any

from fullon.runtime.gateway.authorizer import AuthorizerFailed
from fullon.runtime.gateway.invocation import UNAUTHORIZED, FunctionError, InvokeFailure, Invoker

_ACTION = "execute-api:Invoke"


class Unauthorized(Exception):
    """The credential is missing or not valid."""


class Denied(Exception):
    """The policy does not allow the connection."""


async def authorize(pool: Invoker, function: str, event: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    """Ask the authorizer; returns the flat context that the connection's events carry.

    Raises:
        Unauthorized: the function said so.
        Denied: its policy says so.
        AuthorizerFailed: it gave no decision.
    """
    try:
        answer = await pool.invoke(function, dict(event), request_id=request_id)
    except FunctionError as error:
        if error.message == UNAUTHORIZED:
            raise Unauthorized from error
        raise AuthorizerFailed(str(error)) from error
    except InvokeFailure as error:
        raise AuthorizerFailed(str(error)) from error
    if not isinstance(answer, dict) or not isinstance(answer.get("principalId"), str):
        raise AuthorizerFailed("the answer has no principalId")
    context = answer.get("context") or {}
    if not isinstance(context, dict) or not all(isinstance(v, str | int | float | bool) for v in context.values()):
        raise AuthorizerFailed("the context is not flat")
    if not _allows(answer.get("policyDocument"), str(event["methodArn"])):
        raise Denied
    flat = {name: _text(value) for name, value in context.items()}
    return {"principalId": answer["principalId"], **flat}


def _allows(document: Any, arn: str) -> bool:
    """Evaluate a policy: one matching Deny wins, else one matching Allow is needed.

    Raises:
        AuthorizerFailed: it is not a policy.
    """
    statements = document.get("Statement") if isinstance(document, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not all(isinstance(statement, dict) for statement in statements):
        raise AuthorizerFailed("the answer has no policyDocument with statements")
    allowed = False
    for statement in statements:
        actions, resources = _texts(statement.get("Action")), _texts(statement.get("Resource"))
        if not _matches(_ACTION, actions) or not _matches(arn, resources):
            continue
        if statement.get("Effect") == "Deny":
            return False
        allowed = allowed or statement.get("Effect") == "Allow"
    return allowed


def _matches(value: str, patterns: list[str]) -> bool:
    # In IAM only * and ? are special; fnmatch knows [ too.
    return any(fnmatch.fnmatchcase(value.lower(), pattern.lower().replace("[", "[[]")) for pattern in patterns)


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [item for item in value or [] if isinstance(item, str)]


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
