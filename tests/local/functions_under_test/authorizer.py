"""An authorizer that decides by the word in the Authorization header."""

import json
import time
from typing import Any

_calls = 0


def handler(event: Any, context: Any) -> Any:
    """Allow, refuse, fail, or take long; the context shows the event and how often this was asked."""
    global _calls
    _calls += 1
    word = event["identitySource"][0].removeprefix("Bearer ")
    if word.startswith("slow"):
        time.sleep(0.5)
    if word.startswith("fail"):
        raise RuntimeError("the store is down")
    if word.startswith("malformed"):
        return {"isAuthorized": "yes"}
    if word.startswith("crash"):
        raise SystemExit(9)
    allowed = not word.startswith("deny")
    shown = {"user_id": word, "calls": str(_calls), "event": json.dumps(event)}
    return {"isAuthorized": allowed, "context": shown}
