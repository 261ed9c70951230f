"""Alarms, the dashboard of the operators, and the budget."""

from __future__ import annotations

from aws_cdk import Stack
from constructs import Construct

from fullon.runtime.manifest import Manifest
from infra.constructs.stack import named
from infra.settings import Profile
from infra.stacks.api import Api
from infra.stacks.daemons import Daemons
from infra.stacks.data import Data
from infra.stacks.realtime import Realtime
from infra.stacks.schema import Schema
from infra.stacks.web import Web


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
