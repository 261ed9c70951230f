"""Answers about health."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from fullon.fleet.model import ServiceStatus
from fullon.runtime.fields import Moment

_PROBES: list[JsonDict] = [
    {"name": "platform_database", "healthy": True, "latency_ms": 0.61, "detail": None},
    {"name": "candle_database", "healthy": True, "latency_ms": 0.58, "detail": None},
    {"name": "valkey", "healthy": True, "latency_ms": 0.22, "detail": None},
    {"name": "migrations", "healthy": True, "latency_ms": 1.04, "detail": None},
    {"name": "container_service", "healthy": True, "latency_ms": 6.3, "detail": None},
    {"name": "streams", "healthy": True, "latency_ms": 0.31, "detail": None},
]
_SERVICE: JsonDict = {
    "service": "ticker",
    "healthy": True,
    "status": "running",
    "desired": 1,
    "running": 1,
    "since": "2026-08-17T00:00:00.120Z",
    "heartbeat_age_ms": 1840,
    "restarts_last_hour": 0,
    "last_error": None,
}
_QUEUE: JsonDict = {"name": "trades", "length": 1204, "newest_age_ms": 35, "lag_ms": 0}
_HEALTHY: JsonDict = {"status": "healthy", "version": "0.1.0"}


class Health(BaseModel):
    """It answers."""

    model_config = ConfigDict(json_schema_extra={"examples": [_HEALTHY]})

    status: Literal["healthy"] = Field(default="healthy", description="Otherwise the answer is a 503.")
    version: str = Field(description="Of the product.")


class ProbeAnswer(BaseModel):
    """One look at one thing."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    healthy: bool
    latency_ms: float = Field(description="How long the look took.")
    detail: str | None = Field(description="What is wrong, in a sentence.")


class DaemonHealth(BaseModel):
    """One daemon."""

    model_config = ConfigDict(from_attributes=True)

    service: str
    healthy: bool = Field(description="False when it crashed or has fallen silent; a stopped one is as it is wanted.")
    status: ServiceStatus
    desired: int
    running: int
    since: Moment | None
    heartbeat_age_ms: int | None
    restarts_last_hour: int
    last_error: str | None


class QueueHealth(BaseModel):
    """One queue between daemons."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    length: int = Field(description="Entries kept.")
    newest_age_ms: int | None = Field(description="Age of the newest entry; null when there is none.")
    lag_ms: int | None = Field(description="How far its reader is behind, within a second; null when none reads.")


class ServicesHealth(Health):
    """Every daemon."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**_HEALTHY, "probes": [_PROBES[4]], "services": [_SERVICE]}]}
    )

    probes: list[ProbeAnswer]
    services: list[DaemonHealth]


class DeepHealth(ServicesHealth):
    """Everything there is to look at."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{**_HEALTHY, "probes": list(_PROBES), "services": [_SERVICE], "queues": [_QUEUE]}]
        }
    )

    queues: list[QueueHealth]
