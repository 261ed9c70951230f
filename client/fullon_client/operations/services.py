"""Start, stop and inspect the daemons (admin)."""

from __future__ import annotations

from fullon_client.calls import Call, Page, one, page
from fullon_client.models.machine import Service, ServiceAction

PATH = "/api/v1/services"


def every() -> Call[Page[Service]]:
    """All daemons."""
    return page(Service, "list_services", PATH)


def status(name: str) -> Call[Service]:
    """One daemon."""
    return one(Service, "get_service_status", "GET", f"{PATH}/{{name}}/status", places={"name": name})


def start(name: str) -> Call[ServiceAction]:
    """Start a daemon; a :class:`Problem` with status 400 when it runs already."""
    return one(ServiceAction, "start_service", "POST", f"{PATH}/{{name}}/start", places={"name": name})


def stop(name: str) -> Call[ServiceAction]:
    """Stop a daemon; a :class:`Problem` with status 400 when it is stopped already."""
    return one(ServiceAction, "stop_service", "POST", f"{PATH}/{{name}}/stop", places={"name": name})


def restart(name: str) -> Call[ServiceAction]:
    """Replace a daemon's running instance."""
    return one(ServiceAction, "restart_service", "POST", f"{PATH}/{{name}}/restart", places={"name": name})
