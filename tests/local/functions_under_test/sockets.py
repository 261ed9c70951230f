"""A websocket function and its authorizer, for tests of the gateway."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


def authorizer(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Decides by ``?ticket=``; its event goes to the record."""
    _record("authorizer", event)
    ticket = event["queryStringParameters"].get("ticket")
    if ticket in (None, "unauthorized"):
        raise Exception("Unauthorized")  # noqa: TRY002 - how an API Gateway authorizer says it
    if ticket == "broken":
        raise ValueError("the secret reason")
    if ticket == "nonsense":
        return {"isAuthorized": True}
    effect = "Deny" if ticket == "denied" else "Allow"
    resource = "arn:aws:execute-api:*:*:other/*" if ticket == "elsewhere" else event["methodArn"]
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {
        "principalId": "somebody",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"user_id": "u1", "level": 7, "admin": True},
    }


def socket(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers by route; connects and disconnects go to the record."""
    route = event["requestContext"]["routeKey"]
    if route == "$connect":
        _record(route, event)
        if event.get("queryStringParameters", {}).get("full"):
            return {"statusCode": 429, "body": json.dumps({"detail": "No more connections."})}
        return {"statusCode": 200}
    if route == "$disconnect":
        _record(route, event)
        return {"statusCode": 200}
    if route == "fail":
        raise ValueError("the secret reason")
    if route == "slow":
        time.sleep(0.3)
    if route == "silent":
        return {"statusCode": 200}
    if route == "odd":
        return {"body": "no status"}
    return {"statusCode": 200, "body": json.dumps({"route": route, "event": event})}


def _record(name: str, event: dict[str, Any]) -> None:
    with Path(os.environ["SOCKET_RECORD"]).open("a") as record:
        record.write(json.dumps({"name": name, "event": event}) + "\n")


def identity(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Believes the identity in ``?identity=``: the context that the real authorizer would give."""
    claimed = event["queryStringParameters"].get("identity")
    if claimed is None:
        raise Exception("Unauthorized")  # noqa: TRY002 - how an API Gateway authorizer says it
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["methodArn"]}
    found = json.loads(claimed)
    return {
        "principalId": found["user_id"],
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": found,
    }
