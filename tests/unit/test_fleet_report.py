"""What an admin is told about a service, from the counts of the container service and the words of the processes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fullon.fleet.model import (
    STALE_AFTER,
    STARTING_GRACE,
    ProcessRecord,
    ProcessStatus,
    Service,
    ServiceStatus,
    Task,
    report,
)

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def running_task(since: float = 100.0) -> Task:
    return Task("t-new", "RUNNING", "RUNNING", ago(since + 1), "deployment", started_at=ago(since))


def crashed_task(ended: float = 10.0, code: int = 1, started_by: str = "deployment") -> Task:
    return Task(
        "t-old",
        "STOPPED",
        "STOPPED",
        ago(ended + 50),
        started_by,
        started_at=ago(ended + 49),
        stopped_at=ago(ended),
        stop_code="EssentialContainerExited",
        reason="Essential container in task exited",
        exit_code=code,
    )


def service(*tasks: Task, desired: int = 1) -> Service:
    running = sum(1 for task in tasks if task.last_status == "RUNNING")
    return Service("ticker", desired, running, 0, "deployment", tasks)


def record(status: ProcessStatus = ProcessStatus.RUNNING, heartbeat: float = 1.0, message: str = "") -> ProcessRecord:
    return ProcessRecord("ticker", "i-1", status, ago(heartbeat), ago(99), "0.1.0", "host", message, 5)


def test_a_working_daemon_is_running_since_its_task_started() -> None:
    answer = report(service(running_task()), [record(heartbeat=1.25)], NOW)

    assert answer.status is ServiceStatus.RUNNING
    assert answer.since == ago(100)
    assert (answer.heartbeat_age_ms, answer.instance, answer.version) == (1250, "i-1", "0.1.0")
    assert (answer.desired, answer.running, answer.restarts_last_hour, answer.last_error) == (1, 1, 0, None)


def test_a_daemon_that_missed_three_heartbeats_is_stale_since_the_last_one() -> None:
    silence = STALE_AFTER.total_seconds()

    assert report(service(running_task()), [record(heartbeat=silence)], NOW).status is ServiceStatus.RUNNING
    answer = report(service(running_task()), [record(heartbeat=silence + 0.001)], NOW)

    assert (answer.status, answer.since) == (ServiceStatus.STALE, ago(silence + 0.001))


def test_a_task_without_a_first_heartbeat_is_starting_and_after_a_minute_stale() -> None:
    grace = STARTING_GRACE.total_seconds()

    assert report(service(running_task(since=grace)), [], NOW).status is ServiceStatus.STARTING
    assert report(service(running_task(since=grace + 1)), [], NOW).status is ServiceStatus.STALE


def test_the_record_of_the_process_before_says_nothing_about_the_present_task() -> None:
    answer = report(service(running_task(since=2)), [record(heartbeat=30)], NOW)

    assert answer.status is ServiceStatus.STARTING
    assert (answer.heartbeat_age_ms, answer.instance) == (None, None)


def test_a_daemon_that_says_it_is_starting_is_starting() -> None:
    assert report(service(running_task()), [record(ProcessStatus.STARTING)], NOW).status is ServiceStatus.STARTING


def test_a_daemon_whose_work_fails_runs_and_names_its_error() -> None:
    answer = report(service(running_task()), [record(ProcessStatus.ERROR, message="The venue is down.")], NOW)

    assert (answer.status, answer.last_error) == (ServiceStatus.RUNNING, "The venue is down.")


def test_a_registry_that_cannot_be_read_makes_nothing_stale() -> None:
    answer = report(service(running_task()), None, NOW)

    assert (answer.status, answer.heartbeat_age_ms) == (ServiceStatus.RUNNING, None)


def test_a_crashed_task_without_a_successor_is_crashed_and_says_how() -> None:
    answer = report(service(crashed_task(code=137)), [record(heartbeat=11)], NOW)

    assert (answer.status, answer.since) == (ServiceStatus.CRASHED, ago(10))
    assert answer.last_error == "Essential container in task exited (exit code 137)."


def test_a_new_start_after_a_crash_is_starting() -> None:
    assert report(service(crashed_task(started_by="before")), [], NOW).status is ServiceStatus.STARTING


def test_a_wanted_service_without_any_task_is_starting() -> None:
    assert report(service(), [], NOW).status is ServiceStatus.STARTING


def test_an_unwanted_service_is_stopped_also_after_a_crash() -> None:
    assert report(service(desired=0), [], NOW).status is ServiceStatus.STOPPED
    answer = report(service(crashed_task(), desired=0), [], NOW)
    assert (answer.status, answer.since) == (ServiceStatus.STOPPED, ago(10))


def test_an_unwanted_service_whose_task_still_lives_is_stopping() -> None:
    leaving = replace(running_task(), desired_status="STOPPED", last_status="STOPPING", stopping_at=ago(3))

    answer = report(service(leaving, desired=0), [record()], NOW)

    assert (answer.status, answer.since) == (ServiceStatus.STOPPING, ago(3))


def test_only_replacements_of_crashed_tasks_of_the_last_hour_are_restarts() -> None:
    first = replace(crashed_task(), created_at=ago(9000), stopped_at=ago(8000))
    second = replace(crashed_task(), created_at=ago(7999), stopped_at=ago(500))
    third = replace(crashed_task(), created_at=ago(499), stopped_at=ago(300))
    by_admin = replace(running_task(), created_at=ago(200), started_by="next deployment")

    answer = report(replace(service(first, second, third, by_admin), deployment="next deployment"), [], NOW)

    assert answer.restarts_last_hour == 1


@pytest.mark.parametrize("stop_code", ["ServiceSchedulerInitiated", "UserInitiated", "TerminationNotice"])
def test_a_task_that_was_asked_to_end_is_no_crash(stop_code: str) -> None:
    ended = replace(crashed_task(), stop_code=stop_code)

    answer = report(service(ended), [], NOW)

    assert (answer.status, answer.last_error) == (ServiceStatus.STARTING, None)
