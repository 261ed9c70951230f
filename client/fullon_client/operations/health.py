"""Health of the platform."""

from __future__ import annotations

from fullon_client.calls import Call, one
from fullon_client.models.machine import DeepHealth, Health, ServicesHealth


def alive() -> Call[Health]:
    """It answers."""
    return one(Health, "get_health", "GET", "/health", is_public=True)


def ready() -> Call[Health]:
    """It can work; :class:`PlatformFailed` while it cannot."""
    return one(Health, "get_readiness", "GET", "/health/ready", is_public=True)


def deep() -> Call[DeepHealth]:
    """Every part, with how long it took to look (admin)."""
    return one(DeepHealth, "get_deep_health", "GET", "/health/deep")


def services() -> Call[ServicesHealth]:
    """The daemons (admin)."""
    return one(ServicesHealth, "get_services_health", "GET", "/health/services")
