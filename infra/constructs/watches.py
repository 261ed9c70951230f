"""The alarms of an installation. Each has a page in docs/runbooks.md, and each page there an alarm."""

from __future__ import annotations

from collections.abc import Iterator

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import TreatMissingData

from fullon.runtime.manifest import Function
from infra.constructs.watch import Watch, metric
from infra.constructs.watched import OWN, PUT_DOWN, Watched

_GIGABYTE = 1_000_000_000


def watches(watched: Watched) -> list[Watch]:
    """Everything that is watched."""
    return [*_functions(watched), *_apis(watched), *_daemons(watched), *_stores(watched), *_market_data()]


def _functions(watched: Watched) -> Iterator[Watch]:
    for entry in watched.manifest.functions:
        name = watched.functions[entry.name]
        at_once = entry.kind in {"task", "schedule"}
        yield Watch(
            name=f"{entry.name}-errors",
            runbook="function-errors",
            sentence=f"The function {entry.name} fails.",
            metric=metric("AWS/Lambda", "Errors", FunctionName=name),
            threshold=1 if entry.kind == "task" else 5,
            periods=1 if at_once else 2,
        )
        if entry.kind == "schedule":
            yield _silence(entry, name)
    yield Watch(
        name="functions-throttled",
        runbook="functions-throttled",
        sentence="Functions of this account are turned away for want of concurrency.",
        metric=metric("AWS/Lambda", "Throttles"),
        threshold=10,
        periods=2,
    )


def _silence(entry: Function, name: str) -> Watch:
    period = Duration.seconds(max(300, 3 * entry.interval_seconds))
    return Watch(
        name=f"{entry.name}-silent",
        runbook="schedule-silent",
        sentence=f"The function {entry.name} is not called any more.",
        metric=metric("AWS/Lambda", "Invocations", period=period, FunctionName=name),
        threshold=1,
        sign="below",
        silence=TreatMissingData.BREACHING,
    )


def _apis(watched: Watched) -> Iterator[Watch]:
    yield Watch(
        name="api-errors",
        runbook="api-errors",
        sentence="The HTTP API answers with 5xx.",
        metric=metric("AWS/ApiGateway", "5xx", ApiId=watched.api),
        threshold=5,
        periods=2,
    )
    yield Watch(
        name="api-slow",
        runbook="api-slow",
        sentence="One in a hundred answers of the HTTP API takes more than three seconds.",
        metric=metric("AWS/ApiGateway", "Latency", "p99", ApiId=watched.api),
        threshold=3000,
        periods=3,
    )
    for name in ("IntegrationError", "ExecutionError"):
        yield Watch(
            name=f"socket-{name.removesuffix('Error').lower()}-errors",
            runbook="socket-errors",
            sentence="The WebSocket API fails to answer its clients.",
            metric=metric("AWS/ApiGateway", name, ApiId=watched.sockets, Stage=watched.socket_stage),
            threshold=5,
            periods=2,
        )
    if watched.distribution:
        yield Watch(
            name="front-errors",
            runbook="front-errors",
            sentence="One in twenty answers of CloudFront is a 5xx.",
            metric=metric(
                "AWS/CloudFront",
                "5xxErrorRate",
                "Average",
                DistributionId=watched.distribution,
                Region="Global",
            ),
            threshold=5,
            periods=3,
        )


def _daemons(watched: Watched) -> Iterator[Watch]:
    for entry in watched.manifest.daemons:
        for name, what in (("CPUUtilization", "processor"), ("MemoryUtilization", "memory")):
            yield Watch(
                name=f"{entry.name}-{what}",
                runbook="daemon-short-of-room",
                sentence=f"The daemon {entry.name} is short of {what}.",
                metric=metric(
                    "AWS/ECS",
                    name,
                    "Average",
                    ClusterName=watched.profile.cluster_name,
                    ServiceName=entry.name,
                ),
                threshold=90,
                periods=3,
            )
    yield Watch(
        name="service-put-down",
        runbook="service-put-down",
        sentence="A daemon crashed again and again and is not started any more.",
        metric=metric(OWN, PUT_DOWN),
        threshold=1,
    )


def _stores(watched: Watched) -> Iterator[Watch]:
    yield Watch(
        name="database-capacity",
        runbook="database-capacity",
        sentence="The database has worked near its largest capacity for a quarter of an hour.",
        metric=metric("AWS/RDS", "ACUUtilization", "Average", DBClusterIdentifier=watched.database),
        threshold=90,
        periods=3,
    )
    yield Watch(
        name="database-connections",
        runbook="database-connections",
        sentence="The database has more connections than functions and daemons should need.",
        metric=metric("AWS/RDS", "DatabaseConnections", "Maximum", DBClusterIdentifier=watched.database),
        threshold=150 if watched.profile.aurora_minimum == 0 else 500,
        periods=2,
    )
    if watched.cache:
        yield Watch(
            name="cache-full",
            runbook="cache-full",
            sentence="Four fifths of the cache's bound are used.",
            metric=metric("AWS/ElastiCache", "BytesUsedForCache", "Maximum", clusterId=watched.cache),
            threshold=watched.profile.valkey_maximum_gb * _GIGABYTE * 8 // 10,
            periods=2,
        )
        yield Watch(
            name="cache-throttled",
            runbook="cache-throttled",
            sentence="Valkey turns commands away.",
            metric=metric("AWS/ElastiCache", "ThrottledCmds", clusterId=watched.cache),
            threshold=1,
            periods=2,
        )


def _market_data() -> Iterator[Watch]:
    """Of metrics that the daemons write themselves; a daemon that is stopped writes none."""
    yield Watch(
        name="stream-lag",
        runbook="stream-lag",
        sentence="Subscribers get trades more than five seconds late.",
        metric=metric(OWN, "StreamLag", "Maximum", Component="streamer"),
        threshold=5000,
        periods=2,
    )
    yield Watch(
        name="trades-waiting",
        runbook="trades-waiting",
        sentence="Trades pile up in the ohlcv daemon, for a store does not take them.",
        metric=metric(OWN, "TradesWaiting", "Maximum", Component="ohlcv"),
        threshold=50_000,
    )
