"""Alarms for everything that the manifest lists, each with a page that says what to do."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from fullon.fleet import upkeep
from fullon.runtime import metrics
from fullon.runtime.manifest import Manifest
from infra.constructs.watch import RUNBOOKS
from infra.constructs.watched import OWN, PUT_DOWN
from infra.rules.templates import Deployment, Resource
from infra.settings import PROFILES
from infra.stacks.observability import PUT_DOWN_EVENT
from tests.infra.stacks import deployed

pytestmark = pytest.mark.xdist_group("infra")

ROOT = Path(__file__).resolve().parents[2]
#: Headings of the runbooks that are no alarm's.
BESIDE = {"budget"}


def alarms(deployment: Deployment) -> dict[str, Resource]:
    """The alarms by their names without the installation's prefix."""
    prefix = f"{deployment.profile.prefix}-"
    return {
        str(each.properties["AlarmName"]).removeprefix(prefix): each
        for each in deployment.resources("AWS::CloudWatch::Alarm")
    }


def headings() -> set[str]:
    """The anchors of the runbooks' pages."""
    found = re.findall(r"^## (.+)$", (ROOT / RUNBOOKS).read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in found}


def dimensions(alarm: Resource) -> dict[str, Any]:
    """What an alarm's metric is of."""
    return {each["Name"]: each["Value"] for each in alarm.properties.get("Dimensions", ())}


def test_every_alarm_has_a_runbook_and_every_runbook_an_alarm(small: Deployment) -> None:
    named = {
        re.search(rf"{RUNBOOKS}#([\w-]+)$", each.properties["AlarmDescription"]) for each in alarms(small).values()
    }

    assert None not in named
    assert {match[1] for match in named if match} == headings() - BESIDE


def test_runbooks_lead_to_headings_that_exist() -> None:
    text = (ROOT / RUNBOOKS).read_text(encoding="utf-8")

    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= headings()


def test_every_function_is_watched_and_nothing_else_that_is_called_one(
    deployment: Deployment, manifest: Manifest
) -> None:
    watched = {
        deployment.mentioned(each, dimensions(each)["FunctionName"])[0].properties["Handler"]
        for each in alarms(deployment).values()
        if each.properties["MetricName"] == "Errors"
    }

    assert watched == {entry.handler for entry in manifest.functions}


def test_every_daemon_is_watched(deployment: Deployment, manifest: Manifest) -> None:
    watched = {
        (dimensions(each)["ClusterName"], dimensions(each)["ServiceName"])
        for each in alarms(deployment).values()
        if each.properties["Namespace"] == "AWS/ECS"
    }

    assert watched == {(deployment.profile.cluster_name, entry.name) for entry in manifest.daemons}


def test_a_schedule_that_falls_silent_rings(deployment: Deployment, manifest: Manifest) -> None:
    for entry in manifest.of_kind("schedule"):
        alarm = alarms(deployment)[f"{entry.name}-silent"].properties
        assert alarm["TreatMissingData"] == "breaching"
        assert alarm["Period"] >= 3 * entry.interval_seconds
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)


def test_a_percentile_of_a_handful_of_requests_wakes_nobody(small: Deployment) -> None:
    assert alarms(small)["api-slow"].properties["EvaluateLowSampleCountPercentile"] == "ignore"


def test_every_alarm_calls_when_it_begins_and_when_it_is_over(deployment: Deployment) -> None:
    [topic] = deployment.resources("AWS::SNS::Topic")
    for alarm in alarms(deployment).values():
        for when in ("AlarmActions", "OKActions"):
            [target] = alarm.properties[when]
            assert deployment.follow(alarm, target) is topic


def test_only_metrics_that_somebody_writes_are_watched(deployment: Deployment, manifest: Manifest) -> None:
    components = {entry.name for entry in manifest.functions} | {entry.name for entry in manifest.daemons}
    assert OWN == metrics.NAMESPACE

    for alarm in alarms(deployment).values():
        if alarm.properties["Namespace"] == OWN and alarm.properties["MetricName"] != PUT_DOWN:
            assert alarm.properties["MetricName"] in metrics.CATALOGUE
            assert set(dimensions(alarm)) == {metrics.DIMENSION}
            assert dimensions(alarm)[metrics.DIMENSION] in components


def test_the_dashboard_shows_only_metrics_that_somebody_writes(small: Deployment) -> None:
    [dashboard] = small.resources("AWS::CloudWatch::Dashboard")
    body = small.text(dashboard, dashboard.properties["DashboardBody"])

    shown = set(re.findall(rf'"{OWN}","(\w+)"', body))

    assert shown
    assert shown <= set(metrics.CATALOGUE)


def test_a_service_that_is_put_down_is_counted_by_the_words_of_its_log(deployment: Deployment) -> None:
    [counted] = deployment.resources("AWS::Logs::MetricFilter")
    group = deployment.follow(counted, counted.properties["LogGroupName"])

    assert f'"{PUT_DOWN_EVENT}"' in inspect.getsource(upkeep)
    assert counted.properties["FilterPattern"] == f'{{ $.event = "{PUT_DOWN_EVENT}" }}'
    assert counted.properties["MetricTransformations"][0]["MetricName"] == PUT_DOWN
    assert group is not None
    assert group.properties["LogGroupName"] == f"/{deployment.profile.prefix}/functions/reconcile"


def test_only_services_of_the_account_publish_notices(deployment: Deployment) -> None:
    [policy] = deployment.resources("AWS::SNS::TopicPolicy")
    allowed = [each for each in policy.properties["PolicyDocument"]["Statement"] if each["Effect"] == "Allow"]

    assert {each["Principal"]["Service"] for each in allowed} == {"cloudwatch.amazonaws.com", "budgets.amazonaws.com"}
    for each in allowed:
        assert each["Action"] == "sns:Publish"
        assert "aws:SourceAccount" in each["Condition"]["StringEquals"]


def test_the_budget_is_the_profiles(deployment: Deployment) -> None:
    budgets = list(deployment.resources("AWS::Budgets::Budget"))

    assert [each.properties["Budget"]["BudgetLimit"] for each in budgets] == (
        [{"Amount": deployment.profile.budget_usd, "Unit": "USD"}] if deployment.profile.budget_usd else []
    )
    for budget in budgets:
        told = budget.properties["NotificationsWithSubscribers"]
        assert {each["Notification"]["NotificationType"] for each in told} == {"ACTUAL", "FORECASTED"}


def test_who_hears_of_it_is_named_by_the_profile(small: Deployment) -> None:
    named = deployed(PROFILES["small"], alarm_mail="ops@example.com")

    [subscription] = named.resources("AWS::SNS::Subscription")

    assert (subscription.properties["Protocol"], subscription.properties["Endpoint"]) == ("email", "ops@example.com")
    assert not list(small.resources("AWS::SNS::Subscription"))


def test_the_front_is_watched_only_where_its_metrics_are() -> None:
    zones = ("eu-central-1a", "eu-central-1b")
    elsewhere = deployed(PROFILES["small"], region="eu-central-1", zones=zones)

    assert "front-errors" not in alarms(elsewhere)
