"""The container agent: real processes of what the emulator's service wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.rehearsal.agent import Agent
from local.rehearsal.repairs import task_definitions
from tests.local.ecs_endpoint import Endpoint, endpoint_in, until
from tests.rehearsal.conftest import Installed

if TYPE_CHECKING:
    from mypy_boto3_ecs.client import ECSClient


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    with endpoint_in(tmp_path) as endpoint:
        yield endpoint


@pytest.fixture
def emulated(installed: Installed) -> Iterator[ECSClient]:
    """ECS of the emulator; the service is back at zero afterwards."""
    client = task_definitions(installed.emulator.client("ecs"))
    yield client
    client.update_service(cluster="tiny", service="worker", desiredCount=0)


@pytest.fixture
def agent(installed: Installed, emulated: ECSClient, endpoint: Endpoint) -> Agent:
    secrets = installed.emulator.client("secretsmanager")
    return Agent(emulated, secrets, endpoint.client(), {"ADDRESS": "http://here"})


def following(agent: Agent, condition: Callable[[], bool]) -> None:
    """Let the agent look until a condition is true."""

    def looked() -> bool:
        agent.reconcile()
        return condition()

    until(looked)


def test_a_wanted_task_runs_with_environment_secrets_and_local_addresses(
    agent: Agent, emulated: ECSClient, endpoint: Endpoint, installed: Installed
) -> None:
    emulated.update_service(cluster="tiny", service="worker", desiredCount=1)

    following(agent, lambda: "started" in endpoint.daemon_log("daemon"))

    secret = installed.emulator.client("secretsmanager").get_secret_value(
        SecretId=installed.stacks["Base"].outputs["Secret"]
    )["SecretString"]
    _, greeting, password, address = endpoint.daemon_log("daemon").split(" ")
    assert (greeting, address.strip()) == ("hello", "http://here")
    assert f'"{password}"' in secret or password in secret.replace("\\\\", "\\").replace('\\"', '"')


def test_a_service_that_wants_no_task_has_no_process(agent: Agent, emulated: ECSClient, endpoint: Endpoint) -> None:
    emulated.update_service(cluster="tiny", service="worker", desiredCount=1)
    following(agent, lambda: running(endpoint) == 1)

    emulated.update_service(cluster="tiny", service="worker", desiredCount=0)

    following(agent, lambda: running(endpoint) == 0)


def test_a_forced_deployment_replaces_the_process(agent: Agent, emulated: ECSClient, endpoint: Endpoint) -> None:
    emulated.update_service(cluster="tiny", service="worker", desiredCount=1)
    following(agent, lambda: endpoint.daemon_log("daemon").count("started") == 1)

    emulated.update_service(cluster="tiny", service="worker", forceNewDeployment=True)

    following(agent, lambda: endpoint.daemon_log("daemon").count("started") == 2)
    assert running(endpoint) == 1


def test_nothing_is_asked_when_nothing_has_changed(agent: Agent) -> None:
    agent.reconcile()

    assert agent.reconcile() == []


def running(endpoint: Endpoint) -> int:
    described = endpoint.client().describe_services(cluster="tiny", services=["worker"])["services"]
    return described[0]["runningCount"] if described else 0
