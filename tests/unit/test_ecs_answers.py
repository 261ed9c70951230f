"""The container service's refusals: which are tried again, and what an admin is told of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fullon.fleet.ecs import Ecs
from fullon.fleet.errors import ControlBusy, ControlNotAllowed, ControlNotSetUp, ControlUnavailable, UnknownService
from fullon.runtime.problems import status_of
from tests.aws import REGION, Answers, amazon, refusal

CLUSTER = "fullon"
NAMES = ("ticker", "ohlcv")
DONE = (200, {"service": {"serviceName": "ticker"}})


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """botocore's waits between two tries, recorded instead of waited for."""
    pauses: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", pauses.append)
    return pauses


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, no_pauses: list[float]) -> Callable[..., tuple[Ecs, Answers]]:
    """A client whose endpoint answers as told."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")

    def make(*statuses: tuple[int, dict[str, Any]], attempts: int = 3) -> tuple[Ecs, Answers]:
        ecs = Ecs(CLUSTER, REGION, None, NAMES, attempts=attempts)
        answers = Answers(statuses)
        ecs._client = ecs._connect()
        answers.attach(ecs._client, "ecs")
        return ecs, answers

    return make


Told = Callable[..., tuple[Ecs, Answers]]


async def test_a_throttled_order_is_tried_again_with_pauses_and_succeeds(told: Told, no_pauses: list[float]) -> None:
    ecs, answers = told(refusal("ThrottlingException"), refusal("ThrottlingException"), DONE)

    await ecs.update("ticker", desired=1)

    assert answers.requests == ["UpdateService"] * 3
    assert len(no_pauses) == 2


async def test_an_order_that_stays_throttled_is_given_up_and_says_when_to_come_back(told: Told) -> None:
    ecs, answers = told(refusal("ThrottlingException"))

    with pytest.raises(ControlBusy) as caught:
        await ecs.update("ticker", desired=1)

    assert len(answers.requests) == 3
    assert (status_of(caught.value), caught.value.code, caught.value.retry_after) == (503, "control_busy", 10)
    assert "ThrottlingException in a test" not in caught.value.detail


async def test_the_reconciler_tries_once(told: Told) -> None:
    ecs, answers = told(refusal("ThrottlingException"), DONE, attempts=1)

    with pytest.raises(ControlBusy):
        await ecs.update("ticker", desired=1)

    assert len(answers.requests) == 1


async def test_an_error_at_the_other_end_is_tried_again(told: Told) -> None:
    ecs, answers = told(refusal("ServerException", 500), (503, {}), DONE)

    await ecs.update("ticker", desired=0)

    assert len(answers.requests) == 3


@pytest.mark.parametrize("code", ["AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"])
async def test_a_missing_permission_is_said_at_once_and_without_the_policy_s_text(told: Told, code: str) -> None:
    ecs, answers = told(refusal(code))

    with pytest.raises(ControlNotAllowed) as caught:
        await ecs.services(NAMES)

    assert len(answers.requests) == 1
    assert (status_of(caught.value), caught.value.code) == (503, "control_not_allowed")
    assert caught.value.facts == {"aws_code": code}
    assert "in a test" not in caught.value.detail


async def test_an_unknown_refusal_is_a_plain_one(told: Told) -> None:
    ecs, _ = told(refusal("InvalidParameterException"))

    with pytest.raises(ControlUnavailable) as caught:
        await ecs.update("ticker", desired=1)

    assert (type(caught.value), caught.value.facts) == (ControlUnavailable, {"aws_code": "InvalidParameterException"})


async def test_a_service_that_is_not_there_is_named_with_those_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with amazon(monkeypatch):
        ecs = Ecs(CLUSTER, REGION, None, NAMES)
        ecs._client = ecs._connect()
        ecs._client.create_cluster(clusterName=CLUSTER)

        assert await ecs.services(NAMES) == {}
        for attempt in (ecs.service("ticker"), ecs.update("ticker", desired=1)):
            with pytest.raises(UnknownService) as caught:
                await attempt

            assert caught.value.facts == {"service": "ticker", "known": sorted(NAMES)}


async def test_a_cluster_that_is_not_there_is_a_deployment_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with amazon(monkeypatch):
        ecs = Ecs(CLUSTER, REGION, None, NAMES)

        for attempt in (ecs.services(NAMES), ecs.update("ticker", desired=1)):
            with pytest.raises(ControlNotSetUp) as caught:
                await attempt

            assert (status_of(caught.value), caught.value.code) == (503, "control_not_set_up")


async def test_services_of_the_real_protocol_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with amazon(monkeypatch):
        ecs = Ecs(CLUSTER, REGION, None, NAMES)
        client = ecs._client = ecs._connect()
        client.create_cluster(clusterName=CLUSTER)
        client.register_task_definition(
            family="ticker", containerDefinitions=[{"name": "ticker", "image": "i", "memory": 128}]
        )
        client.create_service(cluster=CLUSTER, serviceName="ticker", taskDefinition="ticker", desiredCount=0)

        await ecs.update("ticker", desired=2)
        found = await ecs.service("ticker")

        assert (found.name, found.desired) == ("ticker", 2)
        assert found.deployment
