"""The services of a test: a real ECS endpoint with every daemon of the manifest, each running a program of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fullon.kernel.clock import Clock
from fullon.runtime import manifest
from fullon.runtime.container import Container
from fullon.runtime.settings import Settings
from tests.local.ecs_endpoint import ACCESS_KEY, GOOD, SECRET_KEY, Endpoint, Fleet, endpoint_in

CRASHING = "import sys; sys.exit(3)"


@contextmanager
def services_in(directory: Path, program: str = GOOD, *arguments: str) -> Iterator[tuple[Endpoint, Fleet]]:
    """An endpoint of its own whose services are those of the manifest, all stopped."""
    with endpoint_in(directory, *arguments) as endpoint:
        yield endpoint, services_of(endpoint, "fullon", program)


def services_of(endpoint: Endpoint, cluster: str, program: str = GOOD) -> Fleet:
    """The services of the manifest, all stopped, in a cluster of their own."""
    fleet = Fleet(endpoint.client(), cluster)
    for daemon in manifest.load().daemons:
        fleet.create(daemon.name, program, desired=0, stopTimeout=2)
    return fleet


def container_for(
    settings: Settings, endpoint_url: str, cluster: str = "fullon", clock: Clock | None = None
) -> Container:
    """The wiring of a function that controls these services."""
    changes = {"aws_endpoint_url_ecs": endpoint_url, "ecs_cluster": cluster}
    return Container(settings.model_copy(update=changes), clock)


AWS_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
