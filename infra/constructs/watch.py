"""Alarms that say what to do: each names its page in the runbooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.settings import Profile

RUNBOOKS = "docs/runbooks.md"
FIVE_MINUTES = Duration.minutes(5)

_SIGNS = {
    "at least": cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    "below": cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
}


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Something to be told of.

    Attributes:
        name: of the alarm, behind the installation's prefix.
        runbook: heading of the page that says what to do, as an anchor.
        sentence: what is the matter when it rings.
        metric: what is looked at.
        threshold: the value that is too much, or with ``sign`` "below" too little.
        periods: how many of the metric's periods in a row.
        silence: what no data means: nothing wrong, or the very thing that is watched for.
    """

    name: str
    runbook: str
    sentence: str
    metric: cloudwatch.IMetric
    threshold: float
    periods: int = 1
    sign: str = "at least"
    silence: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING


def alarm(
    scope: Construct, watch: Watch, profile: Profile, actions: Sequence[cloudwatch.IAlarmAction]
) -> cloudwatch.Alarm:
    """An alarm that calls when it begins and when it is over."""
    made = cloudwatch.Alarm(
        scope,
        "".join(part.capitalize() for part in watch.name.split("-")),
        alarm_name=f"{profile.prefix}-{watch.name}",
        alarm_description=f"{watch.sentence} Runbook: {RUNBOOKS}#{watch.runbook}",
        metric=watch.metric,
        threshold=watch.threshold,
        evaluation_periods=watch.periods,
        comparison_operator=_SIGNS[watch.sign],
        treat_missing_data=watch.silence,
        # One slow request among three is no percentile: a few cold starts at night wake nobody.
        evaluate_low_sample_count_percentile="ignore" if _is_percentile(watch.metric) else None,
    )
    made.add_alarm_action(*actions)
    made.add_ok_action(*actions)
    return made


def _is_percentile(metric: cloudwatch.IMetric) -> bool:
    return isinstance(metric, cloudwatch.Metric) and metric.statistic.startswith("p")


def metric(
    namespace: str,
    name: str,
    statistic: str = "Sum",
    *,
    period: Duration = FIVE_MINUTES,
    **dimensions: str,
) -> cloudwatch.Metric:
    """A metric by its AWS names; dimensions as keywords."""
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        statistic=statistic,
        period=period,
        dimensions_map=dimensions or None,
    )
