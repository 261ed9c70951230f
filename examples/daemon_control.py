"""Daemon control: what the daemons say about their work, live, while one of them is replaced."""

from __future__ import annotations

import asyncio
from functools import partial

from examples.stage import PATIENCE_SECONDS, Stage, Surprise, expect, play, say, show, wait_until
from fullon_client import AsyncClient, Topic, Value, cache, services

NAME = "ohlcv"


async def script(stage: Stage) -> None:
    """Watch the channel of processes while the collector is restarted."""
    with stage.client() as admin:
        await asyncio.to_thread(stage.collect, admin)
    client = await stage.async_client()
    async with client:
        records = (await client.send(cache.processes())).items
        show(
            ["daemon", "instance", "status", "work", "heartbeat"],
            [[one.type, one.instance, one.status, one.work, f"{one.heartbeat_age_ms} ms ago"] for one in records],
        )
        former = {record.instance for record in records if record.type == NAME}
        expect(former, f"{NAME} says that it works")

        await client.send(services.restart(NAME))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                successor = await _successor(client, former)
        except TimeoutError as error:
            raise Surprise(f"No other {NAME} came to work.") from error
        expect(successor.data["work"] > 0, f"{successor.data['instance']} took over and has done work")

        with stage.client() as admin:
            wait = partial(wait_until, lambda: admin.send(cache.processes_health()).healthy)
            await asyncio.to_thread(wait, "all daemons that should work do")
        status = await client.send(services.status(NAME))
        expect(status.restarts_last_hour == 0 or status.last_error is None, "being replaced is no crash")


async def _successor(client: AsyncClient, former: set[str]) -> Value:
    """The first sign of work of an instance that was not there before."""
    async with client.subscribe(Topic("processes")) as events:
        async for event in events:
            if not isinstance(event, Value) or not event.data or event.data["type"] != NAME:
                continue
            if event.data["instance"] not in former:
                say(f"{event.data['instance']}: {event.data['status']}, {event.data['work']} units of work")
                if event.data["work"] > 0:
                    return event
    raise Surprise("The stream ended.")


if __name__ == "__main__":
    play(script)
