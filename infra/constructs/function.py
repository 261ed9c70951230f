"""One Lambda function of the manifest."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct


#: Days a log is kept, as CDK calls them.
RETENTIONS = {1: logs.RetentionDays.ONE_DAY, 30: logs.RetentionDays.ONE_MONTH, 90: logs.RetentionDays.THREE_MONTHS}


class DomainFunction(Construct):
    """A function with its own role and log group.

    Attributes:
        function: the Lambda function.
        role: what it may do.
        log_group: where its lines go.
    """

    function: lambda_.Function
    role: iam.Role
    log_group: logs.LogGroup
