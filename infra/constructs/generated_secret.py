"""Secrets that AWS makes up: their values are in no template and on nobody's machine."""

from __future__ import annotations

import json

from aws_cdk import RemovalPolicy
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.settings import Profile


def generated_secret(
    scope: Construct, name: str, profile: Profile, description: str, *, length: int = 64
) -> secretsmanager.Secret:
    """A plain text of letters and digits."""
    return _secret(
        scope,
        name,
        profile,
        description,
        secretsmanager.SecretStringGenerator(password_length=length, exclude_punctuation=True),
    )


def generated_login(
    scope: Construct, name: str, profile: Profile, description: str, username: str
) -> secretsmanager.Secret:
    """A JSON object of ``username`` and ``password``, as those that RDS makes."""
    return _secret(
        scope,
        name,
        profile,
        description,
        secretsmanager.SecretStringGenerator(
            password_length=48,
            exclude_punctuation=True,
            secret_string_template=json.dumps({"username": username}),
            generate_string_key="password",
        ),
    )


def _secret(
    scope: Construct, name: str, profile: Profile, description: str, generator: secretsmanager.SecretStringGenerator
) -> secretsmanager.Secret:
    return secretsmanager.Secret(
        scope,
        name,
        description=f"Fullon ({profile.name}): {description}",
        generate_secret_string=generator,
        removal_policy=RemovalPolicy.RETAIN if profile.retain else RemovalPolicy.DESTROY,
    )
