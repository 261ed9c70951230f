"""Health: that it lives (anybody), that it is usable (anybody), and what is wrong (admins)."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TypeVar

from fastapi import APIRouter
from fastapi.responses import Response

import fullon
from fullon.fleet.model import ServiceReport
from fullon.kernel.errors import Unavailable
from fullon.runtime.http import AdminCaller, Stores
from fullon.runtime.problems import responses
from functions.health import probes
from functions.health.schemas import DaemonHealth, DeepHealth, Health, ProbeAnswer, QueueHealth, ServicesHealth

router = APIRouter(prefix="/health")

Answer = TypeVar("Answer", bound=ServicesHealth)

_FRESH = {"Cache-Control": "no-store"}


@router.get("", operation_id="get_health", summary="It lives")
async def get_health(response: Response) -> Health:
    response.headers.update(_FRESH)
    return Health(version=fullon.__version__)


@router.get(
    "/ready",
    operation_id="get_readiness",
    summary="It is usable",
    description="PostgreSQL and Valkey answer, the databases have the schema of this version, and an administrator can "
    "log in; 503 until then.",
)
async def get_readiness(stores: Stores, response: Response) -> Health:
    response.headers.update(_FRESH)
    if not all(probe.healthy for probe in await probes.stores(stores)):
        raise Unavailable("The platform is not ready; try again shortly.", code="not_ready")
    return Health(version=fullon.__version__)


@router.get(
    "/services",
    operation_id="get_services_health",
    summary="How the daemons are",
    description="503 with the same fields when one has crashed or fallen silent.",
    responses=responses(401, 403),
)
async def get_services_health(caller: AdminCaller, stores: Stores, response: Response) -> ServicesHealth:
    response.headers.update(_FRESH)
    probe, reports = await probes.services(stores)
    return _unless_sick(
        ServicesHealth(
            version=fullon.__version__,
            probes=[ProbeAnswer.model_validate(probe)],
            services=[_daemon(report) for report in reports],
        )
    )


@router.get(
    "/deep",
    operation_id="get_deep_health",
    summary="Every probe",
    description="503 with the same fields when one of them finds something wrong.",
    responses=responses(401, 403),
)
async def get_deep_health(caller: AdminCaller, stores: Stores, response: Response) -> DeepHealth:
    response.headers.update(_FRESH)
    found, (control, reports), (streams, queues) = await asyncio.gather(
        probes.stores(stores), probes.services(stores), probes.queues(stores)
    )
    return _unless_sick(
        DeepHealth(
            version=fullon.__version__,
            probes=[ProbeAnswer.model_validate(probe) for probe in (*found, control, streams)],
            services=[_daemon(report) for report in reports],
            queues=[QueueHealth.model_validate(queue) for queue in queues],
        )
    )


def _daemon(report: ServiceReport) -> DaemonHealth:
    return DaemonHealth.model_validate({**asdict(report), "healthy": probes.is_well(report)})


def _unless_sick(answer: Answer) -> Answer:
    """The answer if all is well.

    Raises:
        Unavailable: it is not; carries everything that was found.
    """
    sick = [probe.name for probe in answer.probes if not probe.healthy]
    sick += [daemon.service for daemon in answer.services if not daemon.healthy]
    if not sick:
        return answer
    facts = answer.model_dump(mode="json", exclude={"status"})
    raise Unavailable(f"Something is not well: {', '.join(sick)}.", code="unhealthy", **facts)
