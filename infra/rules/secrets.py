"""No secret value in any template: who reads a template, a change set or the console learns none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.rules.templates import Deployment, Finding, Resource, Rule, found

#: What a value looks like that is a secret wherever it stands.
_SHAPES: Mapping[str, re.Pattern[str]] = {
    "an access key of AWS": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\."),
    "an address with a password": re.compile(r"\w+://[^\s:/@]+:(?!\{\{resolve:)[^\s:/@${}]+@"),
}
#: What a property or variable is called that holds one …
_NAMED = re.compile(r"password|passwd|secret|token|private_?key|encryption_?key|credential|origin-proof", re.IGNORECASE)
#: … unless it only says where the secret is, or how one is made.
_POINTER = re.compile(
    r"(_?(arn|arns|id|ids|name|names|revision|minutes|days|length|template)$)|^(exclude|generate|require)|policy|"
    r"rotation|kms|description",
    re.IGNORECASE,
)
#: What is filled in when it is deployed: by Secrets Manager, or by CloudFormation as a whole.
_REFERENCE = re.compile(r"\{\{resolve:(secretsmanager|ssm-secure):|^(\$\{[^}]*\})?$")


def no_secret_value_in_any_template(deployment: Deployment) -> Iterator[Finding]:
    """No template holds a secret's value: those are generated in the account and referred to."""
    rule = no_secret_value_in_any_template
    for resource in deployment.resources():
        for name, value in _texts(deployment, resource, resource.properties, ""):
            for what, shape in _SHAPES.items():
                if shape.search(value):
                    yield found(rule, resource, f"{name} holds {what}.")
            if _NAMED.search(name) and not _POINTER.search(name) and not _REFERENCE.search(value):
                yield found(rule, resource, f"{name} holds a literal value.")
        if resource.kind == "AWS::SecretsManager::Secret" and "GenerateSecretString" not in resource.properties:
            yield found(rule, resource, "Its value is not generated in the account.")


def _texts(deployment: Deployment, resource: Resource, value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Every text, with the name of the property or variable that holds it; expressions as one text."""
    match value:
        case str():
            yield name, value
        case list():
            for each in value:
                yield from _texts(deployment, resource, each, name)
        case Mapping():
            if len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::")):
                yield name, deployment.text(resource, value)
                return
            # ECS and CloudFront write a variable or a header as {"Name": …, "Value": …}.
            variable = value.get("Name") or value.get("HeaderName")
            for key, each in value.items():
                is_variable = isinstance(variable, str) and key in {"Value", "HeaderValue"}
                yield from _texts(deployment, resource, each, str(variable) if is_variable else str(key))


RULES: tuple[Rule, ...] = (no_secret_value_in_any_template,)
