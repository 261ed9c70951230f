"""Services of the ECS endpoint, seen by unmodified boto3: counts, deployments, crashes, errors."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.local.ecs_endpoint import CLUSTER, GOOD, Endpoint, Fleet, alive, endpoint_in, until

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import TaskOverrideTypeDef

CRASH = "import sys; print('no good', flush=True); sys.exit(3)"


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    with endpoint_in(tmp_path) as endpoint:
        yield endpoint


@pytest.fixture
def fleet(endpoint: Endpoint) -> Fleet:
    return Fleet(endpoint.client())


def test_a_request_with_another_key_or_a_wrong_secret_is_refused(endpoint: Endpoint) -> None:
    for client in (endpoint.client("SOMEBODY", "else"), endpoint.client(secret_key="guessed")):
        with pytest.raises(ClientError) as refused:
            client.list_services(cluster=CLUSTER)

        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_desired_count_of_one_starts_a_process_and_of_zero_ends_it(endpoint: Endpoint, fleet: Fleet) -> None:
    fleet.create("ticker", GOOD, desired=0, environment=[{"name": "GREETING", "value": "hello"}])
    assert fleet.service("ticker")["runningCount"] == 0

    fleet.client.update_service(cluster=CLUSTER, service="ticker", desiredCount=1)
    pid = fleet.pid("ticker")
    until(lambda: f"started {pid} hello inherited" in endpoint.daemon_log("ticker"))
    service = fleet.service("ticker")
    assert (service["desiredCount"], service["runningCount"], service["pendingCount"]) == (1, 1, 0)
    assert service["deployments"][0]["rolloutState"] == "COMPLETED"

    fleet.client.update_service(cluster=CLUSTER, service="ticker", desiredCount=0)
    until(lambda: not alive(pid))
    (task,) = until(lambda: [t for t in fleet.tasks("ticker", "STOPPED") if t["lastStatus"] == "STOPPED"])
    assert task["stopCode"] == "ServiceSchedulerInitiated"
    assert task["containers"][0]["exitCode"] == 0
    assert task["createdAt"] <= task["startedAt"] <= task["stoppingAt"] <= task["stoppedAt"]
    assert "asked to stop" in endpoint.daemon_log("ticker")
    messages = " ".join(event["message"] for event in fleet.service("ticker")["events"])
    for part in ("has started 1 tasks", "has stopped 1 running tasks", "has reached a steady state"):
        assert part in messages


def test_a_forced_deployment_ends_the_old_task_before_the_new_one_starts(endpoint: Endpoint, fleet: Fleet) -> None:
    slow_end = GOOD.replace("sys.exit(0)", "time.sleep(0.4); print('gone', flush=True); sys.exit(0)")
    fleet.create("ohlcv", slow_end)
    old = fleet.pid("ohlcv")
    until(lambda: f"started {old}" in endpoint.daemon_log("ohlcv"))

    fleet.client.update_service(cluster=CLUSTER, service="ohlcv", forceNewDeployment=True)
    assert {d["status"] for d in fleet.service("ohlcv")["deployments"]} == {"PRIMARY", "ACTIVE"}
    new = until(lambda: (pid := fleet.pid("ohlcv")) != old and pid)

    until(lambda: f"started {new}" in endpoint.daemon_log("ohlcv"))
    words = endpoint.daemon_log("ohlcv").split("\n")
    assert [line.split()[0] for line in words if line] == ["started", "asked", "gone", "started"]
    assert not alive(old)
    until(lambda: fleet.service("ohlcv")["deployments"][0]["rolloutState"] == "COMPLETED")
    assert fleet.service("ohlcv")["desiredCount"] == 1


def test_a_new_task_definition_replaces_the_task_and_keeps_the_count(endpoint: Endpoint, fleet: Fleet) -> None:
    fleet.create("ticker", GOOD)
    old = fleet.pid("ticker")

    arn = fleet.define("ticker", GOOD, environment=[{"name": "GREETING", "value": "again"}])
    fleet.client.update_service(cluster=CLUSTER, service="ticker", taskDefinition="ticker:2")

    until(lambda: "again" in endpoint.daemon_log("ticker"))
    assert fleet.service("ticker")["taskDefinition"] == arn
    assert fleet.running("ticker")["taskDefinitionArn"] == arn
    assert fleet.service("ticker")["desiredCount"] == 1
    assert not alive(old)


def test_with_the_defaults_of_ecs_the_new_task_runs_before_the_old_one_ends(endpoint: Endpoint, fleet: Fleet) -> None:
    fleet.define("overlap", GOOD)
    fleet.client.create_service(cluster=CLUSTER, serviceName="overlap", taskDefinition="overlap", desiredCount=1)
    old = fleet.pid("overlap")
    until(lambda: f"started {old}" in endpoint.daemon_log("overlap"))

    fleet.client.update_service(cluster=CLUSTER, service="overlap", forceNewDeployment=True)

    until(lambda: not alive(old))
    old_task = fleet.tasks("overlap", "STOPPED")[0]
    assert fleet.running("overlap")["startedAt"] <= old_task["stoppingAt"]


def test_a_killed_task_is_reported_with_its_exit_code_and_replaced(fleet: Fleet) -> None:
    fleet.create("ticker", GOOD)
    pid = fleet.pid("ticker")

    os.kill(pid, signal.SIGKILL)

    (task,) = until(lambda: [t for t in fleet.tasks("ticker", "STOPPED") if t["lastStatus"] == "STOPPED"])
    assert task["containers"][0]["exitCode"] == 137
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["stoppedReason"] == "Essential container in task exited"
    assert until(lambda: (new := fleet.pid("ticker")) != pid and new)
    assert fleet.service("ticker")["deployments"][0]["failedTasks"] == 1


def test_a_command_that_cannot_be_executed_is_a_task_that_failed_to_start(fleet: Fleet) -> None:
    fleet.create("ticker", "", command=["/no/such/program"])

    task = until(lambda: fleet.tasks("ticker", "STOPPED"))[0]

    assert task["stopCode"] == "TaskFailedToStart"
    assert "CannotStartContainerError: No such file" in task["stoppedReason"]
    assert "exitCode" not in task["containers"][0]


def test_services_are_listed_in_pages_described_and_deleted(fleet: Fleet) -> None:
    for number in range(3):
        fleet.create(f"s{number}", GOOD, desired=0)

    pages = list(
        fleet.client.get_paginator("list_services").paginate(cluster=CLUSTER, PaginationConfig={"PageSize": 2})
    )
    assert [len(page["serviceArns"]) for page in pages] == [2, 1]
    answer = fleet.client.describe_services(cluster=CLUSTER, services=["s1", "nobody"])
    assert [service["serviceName"] for service in answer["services"]] == ["s1"]
    assert answer["failures"][0]["reason"] == "MISSING"

    fleet.client.delete_service(cluster=CLUSTER, service="s1")
    until(lambda: fleet.service("s1")["status"] == "INACTIVE")
    assert len(fleet.client.list_services(cluster=CLUSTER)["serviceArns"]) == 2


def test_a_running_service_is_deleted_only_by_force_and_its_process_ends(fleet: Fleet) -> None:
    fleet.create("ticker", GOOD)
    pid = fleet.pid("ticker")
    with pytest.raises(fleet.client.exceptions.InvalidParameterException, match="scaled above 0"):
        fleet.client.delete_service(cluster=CLUSTER, service="ticker")

    fleet.client.delete_service(cluster=CLUSTER, service="ticker", force=True)

    until(lambda: fleet.service("ticker")["status"] == "INACTIVE")
    assert not alive(pid)
    with pytest.raises(fleet.client.exceptions.ServiceNotActiveException):
        fleet.client.update_service(cluster=CLUSTER, service="ticker", desiredCount=1)


def test_errors_are_the_exceptions_that_boto3_knows(fleet: Fleet) -> None:
    client = fleet.client
    fleet.create("ticker", GOOD, desired=0)

    with pytest.raises(client.exceptions.ServiceNotFoundException, match="Service not found"):
        client.update_service(cluster=CLUSTER, service="nobody", desiredCount=1)
    with pytest.raises(client.exceptions.ClusterNotFoundException):
        client.list_services(cluster="elsewhere")
    with pytest.raises(client.exceptions.ClientException, match="Unable to describe task definition"):
        client.update_service(cluster=CLUSTER, service="ticker", taskDefinition="ticker:9")
    with pytest.raises(client.exceptions.InvalidParameterException, match="not idempotent"):
        client.create_service(cluster=CLUSTER, serviceName="ticker", taskDefinition="ticker")
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.update_service(cluster=CLUSTER, service="ticker", desiredCount=-1)
    with pytest.raises(client.exceptions.InvalidParameterException):
        client.describe_tasks(cluster=CLUSTER, tasks=[])
    with pytest.raises(ClientError, match="UnknownOperationException"):
        client.list_container_instances(cluster=CLUSTER)
    with pytest.raises(client.exceptions.ClientException, match="exactly one container"):
        client.register_task_definition(family="none", containerDefinitions=[])


def test_a_task_runs_alone_with_overrides_and_reports_its_exit_code(endpoint: Endpoint, fleet: Fleet) -> None:
    fleet.define("job", "import os, sys; print(os.environ['GREETING'], flush=True); sys.exit(7)")
    overrides: TaskOverrideTypeDef = {
        "containerOverrides": [{"name": "job", "environment": [{"name": "GREETING", "value": "once"}]}]
    }

    answer = fleet.client.run_task(cluster=CLUSTER, taskDefinition="job", overrides=overrides)

    arn = answer["tasks"][0]["taskArn"]
    until(lambda: fleet.client.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]["lastStatus"] == "STOPPED")
    task = fleet.client.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]
    assert task["containers"][0]["exitCode"] == 7
    assert task["group"] == "family:job"
    assert "once" in endpoint.daemon_log("job")


def test_a_stopped_task_names_who_asked_and_why(fleet: Fleet) -> None:
    fleet.define("job", GOOD)
    arn = fleet.client.run_task(cluster=CLUSTER, taskDefinition="job")["tasks"][0]["taskArn"]

    def task() -> dict[str, object]:
        return dict(fleet.client.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0])

    until(lambda: task()["lastStatus"] == "RUNNING")

    fleet.client.stop_task(cluster=CLUSTER, task=arn, reason="enough of it")

    until(lambda: task()["lastStatus"] == "STOPPED")
    assert (task()["stopCode"], task()["stoppedReason"]) == ("UserInitiated", "enough of it")
    with pytest.raises(fleet.client.exceptions.InvalidParameterException, match="not found"):
        fleet.client.stop_task(cluster=CLUSTER, task="0" * 32)


def test_a_crash_loop_is_slowed_down_given_up_and_begun_anew_by_an_admin(tmp_path: Path) -> None:
    with endpoint_in(tmp_path, "--first-delay", "0.05") as endpoint:
        fleet = Fleet(endpoint.client())

        fleet.create("ticker", CRASH)

        until(lambda: "ALERT" in endpoint.log())
        ended = fleet.tasks("ticker", "STOPPED")
        assert len(ended) == 6  # the first start and five restarts
        assert (fleet.service("ticker")["runningCount"], fleet.service("ticker")["desiredCount"]) == (0, 1)
        assert "stays down until it is started again" in fleet.service("ticker")["events"][0]["message"]
        ended.reverse()
        waits = [(b["createdAt"] - a["stoppedAt"]).total_seconds() for a, b in pairwise(ended)]
        assert waits[4] > waits[1]
        for wait, least in zip(waits[1:], (0.04, 0.08, 0.16, 0.32), strict=True):
            assert wait >= least * 0.99

        fleet.client.update_service(cluster=CLUSTER, service="ticker", desiredCount=1, forceNewDeployment=True)

        until(lambda: len(fleet.tasks("ticker", "STOPPED")) == 12)
