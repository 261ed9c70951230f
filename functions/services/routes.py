"""Services: see them, start, stop and restart them. For admins alone.

Every order is on the audit trail before it is given, so none can take effect unwritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Literal

from fastapi import APIRouter, Path

from fullon.audit import service as audit
from fullon.fleet import store
from fullon.fleet.model import ServiceReport
from fullon.fleet.service import Journal
from fullon.identity.model import Identity
from fullon.runtime import tracing
from fullon.runtime.container import Container
from fullon.runtime.http import AdminCaller, Stores
from fullon.runtime.problems import responses
from functions.services.schemas import ActionAnswer, ServiceAnswer, ServiceList

router = APIRouter(prefix="/api/v1/services")

Name = Annotated[str, Path(description="Of a daemon.", max_length=100, examples=["ticker"])]


@router.get("", operation_id="list_services", summary="All services", responses=responses(401, 403))
async def list_services(caller: AdminCaller, stores: Stores) -> ServiceList:
    return ServiceList(items=[ServiceAnswer.of(report) for report in await stores.services.reports()])


@router.get(
    "/{name}/status",
    operation_id="get_service_status",
    summary="How a service is",
    responses=responses(401, 403, 404),
)
async def get_service_status(name: Name, caller: AdminCaller, stores: Stores) -> ServiceAnswer:
    return ServiceAnswer.of(await stores.services.report(name))


@router.post(
    "/{name}/start",
    operation_id="start_service",
    summary="Start a service",
    description="A crashed or failed one gets a new start, its earlier crashes forgotten. The answer does not wait.",
    responses=responses(400, 401, 403, 404),
)
async def start_service(name: Name, caller: AdminCaller, stores: Stores) -> ActionAnswer:
    return _done("started", await stores.services.start(name, _journal(stores, caller)))


@router.post(
    "/{name}/stop",
    operation_id="stop_service",
    summary="Stop a service",
    description="The process is asked to put away what it holds; the answer does not wait for its end.",
    responses=responses(400, 401, 403, 404),
)
async def stop_service(name: Name, caller: AdminCaller, stores: Stores) -> ActionAnswer:
    return _done("stopped", await stores.services.stop(name, _journal(stores, caller)))


@router.post(
    "/{name}/restart",
    operation_id="restart_service",
    summary="Give a service a new process",
    description="The old process ends before the new one starts; the answer does not wait for either.",
    responses=responses(400, 401, 403, 404),
)
async def restart_service(name: Name, caller: AdminCaller, stores: Stores) -> ActionAnswer:
    return _done("restarted", await stores.services.restart(name, _journal(stores, caller)))


def _done(status: Literal["started", "stopped", "restarted"], report: ServiceReport) -> ActionAnswer:
    return ActionAnswer.model_validate({**asdict(report), "status": status})


def _journal(stores: Container, caller: Identity) -> Journal:
    """Writes the wish and the audit entry in one transaction of their own: an order is never given unwritten."""

    async def write(action: str, service: str, desired: int, details: Mapping[str, str | int]) -> None:
        now = stores.clock.now()
        actor = str(caller.user_id)
        async with stores.transaction() as connection:
            await store.want(connection, service, desired, actor, now, tracing.traceparent())
            await audit.append(
                connection,
                at=now,
                actor=actor,
                action=action,
                subject=service,
                details={**details, "credential": caller.kind.value, "session": caller.session},
            )

    return write
