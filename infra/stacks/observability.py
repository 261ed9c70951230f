"""Alarms, the dashboard of the operators, and the budget."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from fullon.runtime.manifest import Manifest
from infra.constructs.panels import panels
from infra.constructs.stack import named
from infra.constructs.watch import alarm
from infra.constructs.watched import FRONT_REGION, OWN, PUT_DOWN, Watched
from infra.constructs.watches import watches
from infra.settings import Profile
from infra.stacks.api import Api
from infra.stacks.daemons import Daemons
from infra.stacks.data import Data
from infra.stacks.realtime import STAGE, Realtime
from infra.stacks.schema import Schema
from infra.stacks.web import Web

#: What the reconciler logs (fullon.fleet.upkeep).
PUT_DOWN_EVENT = "ALERT service put down"


class Observability(Stack):
    """What is watched, and who hears of it."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - CDK's name
        *,
        profile: Profile,
        manifest: Manifest,
        data: Data,
        schema: Schema,
        realtime: Realtime,
        daemons: Daemons,
        api: Api,
        web: Web,
    ) -> None:
        super().__init__(scope, id, **named(profile, id, "alarms, dashboard, budget"))
        self.topic = self._topic(profile)
        made = {**schema.functions, **realtime.functions, **api.functions}
        watched = Watched(
            profile=profile,
            manifest=manifest,
            functions={entry.name: made[entry.name].function.function_name for entry in manifest.functions},
            api=api.api.ref,
            sockets=realtime.api.ref,
            socket_stage=STAGE,
            database=data.cluster.cluster_identifier,
            cache=data.cache_name,
            # An alarm looks at metrics of its own region alone, and CloudFront's are in one.
            distribution=web.distribution.distribution_id if profile.region == FRONT_REGION else "",
        )
        for name in (entry.name for entry in manifest.of_kind("schedule")):
            self._count_services_put_down(name, made[name].log_group)
        notify = actions.SnsAction(self.topic)
        self.alarms = [alarm(self, watch, profile, [notify]) for watch in watches(watched)]
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=profile.prefix,
            widgets=[[*row] for row in panels(watched, self.alarms)],
        )
        if profile.budget_usd:
            self._budget(profile)

    def _count_services_put_down(self, name: str, log_group: logs.ILogGroup) -> None:
        """The reconciler says so in a line; CloudWatch makes a number of it."""
        logs.MetricFilter(
            self,
            f"PutDownBy{name.capitalize()}",
            log_group=log_group,
            filter_pattern=logs.FilterPattern.string_value("$.event", "=", PUT_DOWN_EVENT),
            metric_namespace=OWN,
            metric_name=PUT_DOWN,
            metric_value="1",
        )

    def _topic(self, profile: Profile) -> sns.Topic:
        """Who is told: the services that ring may publish, of this account alone, over TLS alone."""
        topic = sns.Topic(self, "Notices", topic_name=f"{profile.prefix}-notices", enforce_ssl=True)
        for service in ("cloudwatch", "budgets"):
            topic.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=f"From{service.capitalize()}",
                    actions=["sns:Publish"],
                    principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                    resources=[topic.topic_arn],
                    conditions={"StringEquals": {"aws:SourceAccount": self.account}},
                )
            )
        if profile.alarm_mail:
            topic.add_subscription(subscriptions.EmailSubscription(profile.alarm_mail))
        return topic

    def _budget(self, profile: Profile) -> None:
        subscriber = budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=self.topic.topic_arn)
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_name=profile.prefix,
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=profile.budget_usd, unit="USD"),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[subscriber],
                )
                for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        )
