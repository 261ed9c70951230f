"""Calls through the gateway: a key makes one happen once, budgets stand in the answers, changes on the trail."""

from __future__ import annotations

from uuid import uuid4

import httpx2

BOTS = "/api/v1/orm/bots"


async def test_a_call_with_a_key_happens_once_and_is_on_the_trail_once(admin: httpx2.AsyncClient) -> None:
    headers, body = {"Idempotency-Key": uuid4().hex}, {"name": f"once {uuid4().hex[:12]}"}

    first = await admin.post(BOTS, json=body, headers=headers)
    second = await admin.post(BOTS, json=body, headers=headers)
    other = await admin.post(BOTS, json={"name": "other"}, headers=headers)

    assert (first.status_code, second.status_code) == (201, 201), first.text
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    trail = await admin.get("/api/v1/orm/audit", params={"subject": f"bot {first.json()['bot_id']}"})
    assert [entry["action"] for entry in trail.json()["items"]] == ["create_bot"]
    assert (await admin.get("/api/v1/orm/audit/verify")).json()["intact"] is True
    await admin.delete(f"{BOTS}/{first.json()['bot_id']}")


async def test_answers_say_what_is_left_of_the_budget(admin: httpx2.AsyncClient) -> None:
    answer = await admin.get(BOTS)

    limit, remaining = int(answer.headers["ratelimit-limit"]), int(answer.headers["ratelimit-remaining"])
    assert 0 <= remaining < limit
    assert int(answer.headers["ratelimit-reset"]) >= 1
