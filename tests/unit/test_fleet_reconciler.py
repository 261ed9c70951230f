"""What the reconciler decides, from the counts of the container service and the wants in the database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullon.fleet.model import Service, ServiceStatus, Task, Want, report
from fullon.fleet.reconciler import ORDER_GRACE, Step, crashes, decide, is_asleep, picture

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def crashed(ended: float, number: int = 0, **changes: Any) -> Task:
    task = Task(
        f"t-{ended}-{number}",
        "STOPPED",
        "STOPPED",
        ago(ended + 2),
        "deployment",
        stopped_at=ago(ended),
        stop_code="EssentialContainerExited",
        reason="Essential container in task exited",
        exit_code=3,
    )
    return replace(task, **changes)


def service(desired: int, *tasks: Task, name: str = "ticker") -> Service:
    return Service(name, desired, 0, 0, "deployment", tasks)


def want(desired: int, changed: float = 7_200, **changes: Any) -> Want:
    return replace(Want("ticker", desired, ago(changed)), **changes)


def decided(found: Service, wanted: Want | None = None, default: int = 0) -> Step | None:
    wants = {} if wanted is None else {found.name: wanted}
    steps = decide({found.name: found}, wants, {found.name: default}, NOW)
    assert len(steps) <= 1
    return steps[0] if steps else None


@pytest.mark.parametrize(("found", "wanted"), [(0, 1), (1, 0), (2, 1)])
def test_what_a_deployment_or_a_console_changed_goes_back_to_what_an_admin_wanted(found: int, wanted: int) -> None:
    step = decided(service(found), want(wanted))

    assert step is not None
    assert (step.kind, step.found, step.desired, step.reason) == (
        "correct",
        found,
        wanted,
        f"An admin wanted {wanted}.",
    )


@pytest.mark.parametrize("count", [0, 1])
def test_what_is_as_wanted_is_left_alone(count: int) -> None:
    assert decided(service(count), want(count)) is None


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_service_nobody_ever_asked_anything_of_stays_as_it_is(count: int) -> None:
    assert decided(service(count)) is None


def test_what_a_fresh_installation_runs_is_started_and_never_stopped() -> None:
    step = decided(service(0), default=1)

    assert step is not None
    assert (step.desired, step.reason) == (1, "A fresh installation runs 1.")
    assert decided(service(1), default=1) is None
    assert decided(service(2), default=1) is None
    assert decided(service(0), want(0), default=1) is None


def test_an_order_that_is_just_being_given_is_not_overtaken() -> None:
    grace = ORDER_GRACE.total_seconds()

    assert decided(service(0), want(1, changed=grace - 1)) is None
    assert decided(service(0), want(1, changed=grace)) is not None


def test_six_crashes_within_an_hour_put_a_service_down_with_the_reason() -> None:
    tasks = [crashed(ended) for ended in (3_500, 3_000, 2_000, 1_000, 500, 10)]

    step = decided(service(1, *tasks), want(1))

    assert step is not None
    assert (step.kind, step.desired) == ("put_down", 0)
    assert step.reason == "It crashed 6 times within an hour. Essential container in task exited (exit code 3)."


def test_five_crashes_or_older_ones_do_not() -> None:
    five = [crashed(ended) for ended in (3_000, 2_000, 1_000, 500, 10)]

    assert decided(service(1, *five), want(1)) is None
    assert decided(service(1, *five, crashed(3_601)), want(1)) is None


def test_crashes_from_before_the_last_order_count_no_more() -> None:
    tasks = [crashed(300 + number, number) for number in range(9)]

    assert decided(service(1, *tasks), want(1, changed=200)) is None
    assert decided(service(1, *tasks), want(1, changed=400)) is not None


def test_a_task_that_was_ended_for_doing_no_work_crashed_and_one_that_was_asked_to_end_did_not() -> None:
    unhealthy: dict[str, Any] = {
        "stop_code": "ServiceSchedulerInitiated",
        "reason": "Task failed container health checks",
    }
    moved: dict[str, Any] = {"stop_code": "TerminationNotice", "reason": "Fargate maintenance"}

    assert len(crashes(service(1, crashed(5, **unhealthy)), want(1), NOW)) == 1
    assert crashes(service(1, crashed(5, **moved)), want(1), NOW) == []


def test_a_service_that_was_put_down_stays_down_until_an_admin_acts() -> None:
    failed = want(1, failed_at=ago(60), failure="It crashed 6 times within an hour.")
    tasks = [crashed(100 + number, number) for number in range(6)]

    kept_down = decided(service(1, *tasks), failed)
    assert decided(service(0, *tasks), failed) is None
    started_again = decided(service(1, *tasks), want(1, changed=5))

    assert kept_down is not None
    assert (kept_down.kind, kept_down.desired) == ("correct", 0)
    assert started_again is None


def test_a_crash_loop_is_ended_also_where_nobody_ever_gave_an_order() -> None:
    step = decided(service(1, *(crashed(number + 1) for number in range(6)), name="streamer"), default=1)

    assert step is not None
    assert (step.kind, step.want) == ("put_down", None)


def test_a_failed_service_says_so_and_why_and_since_when() -> None:
    failed = want(1, failed_at=ago(60), failure="It crashed 6 times within an hour.")

    told = report(service(0, crashed(90)), None, NOW, failed)

    assert (told.status, told.since, told.last_error) == (ServiceStatus.FAILED, ago(60), failed.failure)
    assert report(service(0), None, NOW, want(1)).status is ServiceStatus.STOPPED


def test_only_what_matters_for_the_decision_changes_the_picture() -> None:
    before = {"ticker": service(1, crashed(50))}
    running = Task("t-new", "RUNNING", "RUNNING", ago(5), "deployment", started_at=ago(4))

    assert picture(before) == picture({"ticker": service(1, crashed(50), running)})
    assert picture(before) != picture({"ticker": service(0, crashed(50))})
    assert picture(before) != picture({"ticker": service(1, crashed(50), crashed(1))})
    assert is_asleep({"ticker": service(0)})
    assert not is_asleep({"ticker": service(0), "ohlcv": service(1, name="ohlcv")})


@given(
    st.integers(0, 3),
    st.none() | st.integers(0, 3),
    st.integers(0, 1),
    st.integers(0, 10),
    st.booleans(),
)
def test_a_step_that_was_taken_needs_no_second_one(
    found: int, wanted: int | None, default: int, crash_count: int, down: bool
) -> None:
    failure: dict[str, Any] = {"failed_at": ago(9), "failure": "It crashed."} if down else {}
    before = None if wanted is None else want(wanted, **failure)
    tasks = [crashed(number + 1, number) for number in range(crash_count)]

    step = decided(service(found, *tasks), before, default)

    if step is not None:
        after = before
        if step.kind == "put_down":
            after = Want("ticker", wanted or found, before.changed_at if before else NOW, NOW, step.reason)
        assert step.kind == "put_down" or step.found != step.desired
        assert decided(service(step.desired, *tasks), after, default) is None
