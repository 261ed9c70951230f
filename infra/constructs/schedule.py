"""Runs a function again and again, and when the daemons' stack was deployed."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from fullon.runtime.manifest import Function
from infra.constructs.stack import stack_name
from infra.settings import Profile

#: What a deployment can end as, other than with the stack gone.
ENDED = ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"]


class Schedule(Construct):
    """Two rules of EventBridge: the clock, and CloudFormation's word that the daemons were deployed.

    A deployment puts the template's desired counts in place; it need not wait for the next minute to be put right.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's name
        entry: Function,
        *,
        profile: Profile,
        function: lambda_.IFunction,
    ) -> None:
        super().__init__(scope, id)
        daemons = Stack.of(self).format_arn(
            service="cloudformation", resource="stack", resource_name=f"{stack_name(profile, 'Daemons')}/"
        )
        clock = events.CfnRule(
            self,
            "Clock",
            name=f"{profile.prefix}-{entry.name}",
            description=entry.description,
            schedule_expression=entry.schedule,
            targets=[_target(function)],
        )
        deployed = events.CfnRule(
            self,
            "Deployed",
            name=f"{profile.prefix}-{entry.name}-deployed",
            description=f"{entry.description}: after a deployment",
            event_pattern={
                "source": ["aws.cloudformation"],
                "detail-type": ["CloudFormation Stack Status Change"],
                "detail": {"stack-id": [{"prefix": daemons}], "status-details": {"status": ENDED}},
            },
            targets=[_target(function)],
        )
        for name, rule in (("Clock", clock), ("Deployed", deployed)):
            lambda_.CfnPermission(
                self,
                f"Allow{name}",
                action="lambda:InvokeFunction",
                function_name=function.function_arn,
                principal="events.amazonaws.com",
                source_arn=rule.attr_arn,
            )


def _target(function: lambda_.IFunction) -> events.CfnRule.TargetProperty:
    """An event that could not be delivered is not kept: the next one does the same."""
    return events.CfnRule.TargetProperty(
        id="function",
        arn=function.function_arn,
        retry_policy=events.CfnRule.RetryPolicyProperty(maximum_retry_attempts=0, maximum_event_age_in_seconds=60),
    )
