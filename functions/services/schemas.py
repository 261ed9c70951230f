"""Answers about services."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from fullon.fleet.model import ServiceReport, ServiceStatus
from fullon.runtime.fields import Moment

_RUNNING: JsonDict = {
    "service": "ticker",
    "status": "running",
    "desired": 1,
    "running": 1,
    "since": "2026-08-17T00:00:00.120Z",
    "heartbeat_age_ms": 1840,
    "instance": "host-4711-9c2f1a",
    "version": "0.1.0",
    "restarts_last_hour": 0,
    "last_error": None,
}
_STARTED: JsonDict = {**_RUNNING, "status": "started", "running": 0, "heartbeat_age_ms": None, "instance": None}


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    service: str
    status: str
    desired: int = Field(description="How many tasks are wanted.")
    running: int = Field(description="How many tasks run.")
    since: Moment | None = Field(description="When the present state began, if that is known.")
    heartbeat_age_ms: int | None = Field(
        description="Milliseconds since work was last reported; null without a record."
    )
    instance: str | None = Field(description="The process that reports.")
    version: str | None = Field(description="Of the product, as the process reports it.")
    restarts_last_hour: int = Field(description="How often a crashed task was replaced within the hour.")
    last_error: str | None = Field(
        description="How the last crash of the hour ended, what the daemon complains about, or why it was put down."
    )


class ServiceAnswer(_Answer):
    """How a service is."""

    model_config = ConfigDict(json_schema_extra={"examples": [_RUNNING]})

    status: ServiceStatus = Field(
        description="stale: it runs and has missed three heartbeats; crashed: it ended by itself and none runs; "
        "failed: it crashed too often within an hour and stays down until it is started, restarted or stopped."
    )

    @classmethod
    def of(cls, report: ServiceReport) -> Self:
        return cls.model_validate(report)


class ActionAnswer(_Answer):
    """What was ordered, and how the service is at that moment."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STARTED]})

    status: Literal["started", "stopped", "restarted"]


class ServiceList(BaseModel):
    """All services, in one piece."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_RUNNING], "next_cursor": None}]})

    items: list[ServiceAnswer]
    next_cursor: str | None = Field(default=None, description="Always null: the list is whole.")
