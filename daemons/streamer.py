"""The streamer daemon: moves changes from Valkey to the WebSocket connections that subscribe to them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence

from fullon.fleet import cache as fleet
from fullon.identity.cache import REVOKED_CHANNEL
from fullon.kernel.clock import to_milliseconds
from fullon.kernel.errors import Invalid
from fullon.kernel.retry import Troubles, insist
from fullon.orders.order_cache import NEW_CHANNEL
from fullon.runtime import daemon, manifest, metrics, tracing
from fullon.streams import cache
from fullon.streams.credentials import CredentialSource
from fullon.streams.fanout import Fanout
from fullon.streams.feeds import Changes, Trades
from fullon.streams.gateway import GatewayClient
from fullon.streams.model import Channel
from fullon.streams.outgoing import Topic
from fullon.streams.owners import Owners
from fullon.streams.registry import Registry
from fullon.streams.relay import Relay
from fullon.streams.store import ConnectionRecord, Subscription

TICK_SECONDS = 1.0
#: How many silent connections are asked for at each tick.
LOOKS = 100

_log = logging.getLogger("fullon.streamer")


async def work(context: daemon.Context) -> None:
    """Push until cancelled."""
    container, settings = context.container, context.container.settings
    endpoint = settings.aws_endpoint_url_apigatewaymanagementapi
    if endpoint is None and settings.management_host is None:
        sentence = "Neither AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI nor MANAGEMENT_HOST is set."
        raise Invalid(sentence, code="settings")
    troubles = Troubles(_log)
    pulse = daemon.Pulse(context.heartbeat, troubles)
    credentials = CredentialSource(os.environ, container.clock)
    loop = asyncio.get_running_loop()
    gateway: GatewayClient | Owners
    if endpoint is not None:
        gateway = GatewayClient(endpoint, settings.aws_region, credentials.get)
    else:  # servers of connections that answer for their own each
        gateway = Owners(settings.aws_region, credentials.get, loop.time)

    def wanted(channel: Channel, key: str) -> None:
        if channel.owned and channel.lossless:
            relay.read(channel, key)
        elif channel.lossless:
            trades.snapshot(key)
        else:
            changes.read(channel, key)

    def sampled(topic: Topic) -> None:
        metrics.record(metrics.PUSH_DELAY, to_milliseconds(container.clock.now()) - topic.ts)

    fanout = Fanout(
        gateway,
        later=loop.call_later,
        now=loop.time,
        lost=lambda name: registry.lost(name),
        wanted=wanted,
        sampled=sampled,
    )
    registry = Registry(container.connection, fanout, container.clock, troubles.outage("connections"), begun=_begun)
    changes = Changes(
        container.valkey,
        fanout,
        container.clock,
        troubles.outage("changes"),
        troubles.outage("latest values"),
        processes=[fleet.key(each.name) for each in manifest.load().daemons],
        bells={
            cache.BELL: registry.bell,
            REVOKED_CHANNEL: registry.look_again,
            NEW_CHANNEL: lambda message: relay.ring(message),
        },
        taken=pulse.count,
    )
    trades = Trades(container.valkey, fanout, container.clock, troubles.outage("trades"), taken=pulse.count)
    relay = Relay(
        container.connection,
        container.valkey,
        fanout,
        container.clock,
        troubles.outage("the outbox"),
        troubles.outage("records of users"),
        taken=pulse.count,
    )
    await insist(gateway.start, troubles.outage("credentials"))
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pulse.run())
            tasks.create_task(changes.run())
            tasks.create_task(trades.run())
            tasks.create_task(relay.run())
            tasks.create_task(registry.run())
            tasks.create_task(_tick(registry, fanout, gateway, trades, pulse))
    finally:
        await gateway.close()


def _begun(record: ConnectionRecord, fresh: Sequence[Subscription]) -> Mapping[tuple[str, str], Callable[[], None]]:
    """Log new subscriptions with the traces they come from; a span of each lasts until its first frame was taken."""
    traces = {trace.trace_id for each in fresh if (trace := tracing.parse_traceparent(each.trace)) is not None}
    facts = {"connection_id": record.connection_id, "user_id": str(record.identity.user_id), "count": len(fresh)}
    for trace_id in sorted(traces):
        _log.info("subscriptions begun", extra={**facts, "trace_id": trace_id})
    return {
        (each.channel, each.key): tracing.caused(each.trace, f"first push {each.channel}").end
        for each in fresh
        if tracing.is_kept(each.trace)
    }


async def _tick(
    registry: Registry, fanout: Fanout, gateway: GatewayClient | Owners, trades: Trades, pulse: daemon.Pulse
) -> None:
    """What has to happen by the clock: expiries, and a look at connections that are silent."""
    pushes, losses = 0, gateway.losses
    while True:
        await asyncio.sleep(TICK_SECONDS)
        registry.expire()
        if gateway.losses != losses:
            # The gateway was away, and perhaps its connections with it.
            losses = gateway.losses
            for subscriber in fanout.subscribers.values():
                subscriber.heard_at = float("-inf")
        registry.look_at_silent(LOOKS if gateway.reachable else 1)
        pulse.count(fanout.pushes - pushes)
        metrics.count(metrics.PUSHES, fanout.pushes - pushes)
        pushes = fanout.pushes
        metrics.gauge(metrics.PUSHES_WAITING, gateway.waiting)
        metrics.gauge(metrics.CONNECTIONS, len(fanout.subscribers))
        metrics.gauge(metrics.SUBSCRIPTIONS, sum(len(each.keys) for each in fanout.subscribers.values()))
        metrics.gauge(metrics.STREAM_LAG, trades.milliseconds_behind)
        metrics.gauge(metrics.STREAM_DEPTH, trades.entries_behind)


if __name__ == "__main__":
    daemon.run("streamer", work)
