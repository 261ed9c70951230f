"""The operators' dashboard: a row for each question, the alarms on top."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_cloudwatch as cloudwatch

from infra.constructs.watch import metric
from infra.constructs.watched import OWN, Watched

_WIDTH = 24
#: Its title and what it shows.
Graph = tuple[str, Sequence[cloudwatch.IMetric]]


def panels(watched: Watched, alarms: Sequence[cloudwatch.Alarm]) -> list[list[cloudwatch.IWidget]]:
    """The rows of the dashboard."""
    return [
        [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=_WIDTH, height=4)],
        _row(_requests(watched)),
        _row(_functions(watched)),
        _row(_sockets(watched)),
        _row(_market_data()),
        _row(_daemons(watched)),
        _row(_stores(watched)),
    ]


def _row(graphs: Sequence[Graph]) -> list[cloudwatch.IWidget]:
    width = _WIDTH // len(graphs)
    return [cloudwatch.GraphWidget(title=title, left=list(metrics), width=width) for title, metrics in graphs]


def _requests(watched: Watched) -> Sequence[Graph]:
    api = watched.api
    return [
        ("Requests", [metric("AWS/ApiGateway", name, ApiId=api) for name in ("Count", "4xx", "5xx")]),
        ("Latency", [metric("AWS/ApiGateway", "Latency", kind, ApiId=api) for kind in ("p50", "p90", "p99")]),
    ]


def _functions(watched: Watched) -> Sequence[Graph]:
    names = watched.functions.values()
    return [
        (f"Functions: {title}", [metric("AWS/Lambda", name, kind, FunctionName=each) for each in names])
        for title, name, kind in (("errors", "Errors", "Sum"), ("duration, p99", "Duration", "p99"))
    ] + [("Functions: cold starts", [metric(OWN, "ColdStarts", Component=name) for name in watched.functions])]


def _sockets(watched: Watched) -> Sequence[Graph]:
    return [
        (
            "Sockets: opened, messages",
            [
                metric("AWS/ApiGateway", name, ApiId=watched.sockets, Stage=watched.socket_stage)
                for name in ("ConnectCount", "MessageCount")
            ],
        ),
        (
            "Streamer: connections, pushes",
            [
                metric(OWN, "Connections", "Maximum", Component="streamer"),
                metric(OWN, "Pushes", Component="streamer"),
            ],
        ),
        (
            "Streamer: delays in milliseconds",
            [
                metric(OWN, "PushDelay", "p99", Component="streamer"),
                metric(OWN, "StreamLag", "Maximum", Component="streamer"),
            ],
        ),
    ]


def _market_data() -> Sequence[Graph]:
    return [
        ("Ticks", [metric(OWN, "Ticks", Component="ticker")]),
        (
            "Trades and candles",
            [metric(OWN, name, Component="ohlcv") for name in ("TradesPublished", "TradesStored", "CandlesStored")],
        ),
        ("Trades waiting", [metric(OWN, "TradesWaiting", "Maximum", Component="ohlcv")]),
    ]


def _daemons(watched: Watched) -> Sequence[Graph]:
    cluster = watched.profile.cluster_name
    return [
        (
            f"Daemons: {title} in percent",
            [
                metric("AWS/ECS", name, "Average", ClusterName=cluster, ServiceName=each.name)
                for each in watched.manifest.daemons
            ],
        )
        for title, name in (("processor", "CPUUtilization"), ("memory", "MemoryUtilization"))
    ]


def _stores(watched: Watched) -> Sequence[Graph]:
    database: list[cloudwatch.IMetric] = [
        metric("AWS/RDS", name, kind, DBClusterIdentifier=watched.database)
        for name, kind in (("ServerlessDatabaseCapacity", "Average"), ("DatabaseConnections", "Maximum"))
    ]
    rows: list[Graph] = [("Database: capacity units, connections", database)]
    if watched.cache:
        rows.append(
            (
                "Valkey: bytes, processing units",
                [
                    metric("AWS/ElastiCache", "BytesUsedForCache", "Maximum", clusterId=watched.cache),
                    metric("AWS/ElastiCache", "ElastiCacheProcessingUnits", clusterId=watched.cache),
                ],
            )
        )
    return rows
