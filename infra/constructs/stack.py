"""What every stack of an installation is given."""

from __future__ import annotations

from typing import TypedDict

from aws_cdk import Environment

from infra.settings import Profile


class StackArguments(TypedDict):
    """Keyword arguments of ``aws_cdk.Stack``."""

    env: Environment
    stack_name: str
    description: str
    termination_protection: bool
    tags: dict[str, str]


def named(profile: Profile, stack: str, purpose: str, *, keeps: bool = False) -> StackArguments:
    """Name, place and tags of a stack.

    Args:
        stack: its name in the app.
        purpose: what it holds.
        keeps: it holds what must survive, so it refuses to be deleted where the profile retains.
    """
    return StackArguments(
        env=Environment(account=profile.account or None, region=profile.region),
        stack_name=stack_name(profile, stack),
        description=f"Fullon ({profile.name}): {purpose}",
        termination_protection=keeps and profile.retain,
        tags={"application": "fullon", "profile": profile.name},
    )


def stack_name(profile: Profile, stack: str) -> str:
    """What CloudFormation calls a stack."""
    return f"{profile.prefix}-{stack.lower()}"
