"""`fullon ws tail`: live values in the terminal, through the client's subscription, which goes on after cuts and gaps.

The state of the connection is on standard error, data on standard output.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fullon_client import AsyncClient, ClientError, Gap, Topic, Value
from local.cli.api import Api, failed
from local.cli.output import print_json_line, say


async def tail(client: AsyncClient, topic: Topic, count: int | None, *, as_json: bool) -> None:
    """Print values until there are `count` of them, without end when that is None.

    Raises:
        CommandFailed: the platform refuses the log-in or the subscription, or was never reached.
    """
    left = count
    try:
        async with client, client.subscribe(topic, on_notice=lambda sentence: say(f"· {sentence}")) as events:
            async for event in events:
                if isinstance(event, Gap):
                    if event.cause == "told":
                        say(f"· {event.missed or 'some'} messages of {event.key} were lost")
                    continue
                _print(event, as_json=as_json)
                if left is not None:
                    left -= 1
                    if left <= 0:
                        return
    except ClientError as error:
        raise failed(client.url, error) from error


def _print(value: Value, *, as_json: bool) -> None:
    if as_json:
        print_json_line(
            {
                "type": "snapshot" if value.is_snapshot else "update",
                "channel": value.channel,
                "key": value.key,
                "seq": value.sequence,
                "ts": round(value.at.timestamp() * 1000),
                "data": value.data,
            }
        )
        return
    sign = "=" if value.is_snapshot else "+"
    print(
        f"{value.at:%H:%M:%S}.{value.at.microsecond // 1000:03} {sign}",
        f"{value.channel} {value.key} {_text(value.data)}",
        flush=True,
    )


def _text(data: Any) -> str:
    return " ".join(f"{name}={value}" for name, value in data.items()) if isinstance(data, dict) else json.dumps(data)


def run(
    channel: str, *, exchange: str | None, symbols: list[str], timeframe: str | None, count: int | None, as_json: bool
) -> None:
    """Tail a channel until there are enough messages or Ctrl-C."""
    topic = Topic(channel, exchange, symbols, timeframe)
    asyncio.run(_run(topic, count, as_json=as_json))


async def _run(topic: Topic, count: int | None, *, as_json: bool) -> None:
    await tail(Api().streaming(), topic, count, as_json=as_json)
